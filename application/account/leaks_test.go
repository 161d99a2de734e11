package account_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"gatehouse/application/account"
	"gatehouse/application/account/accounttest"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
)

// watched remembers how what it watched ended.
type watched []string

func (w *watched) Begin(ctx context.Context, what string) (context.Context, func(error)) {
	return ctx, func(err error) { *w = append(*w, what+" "+string(fault.CodeOf(err))) }
}

func TestALeakedPasswordIsRefused(t *testing.T) {
	down := errors.New("nobody answers")
	for name, c := range map[string]struct {
		text     string
		fails    error
		required bool
		want     fault.Code
		know     bool
		watched  string
		logged   bool
	}{
		"that has leaked":           {text: "leaked", want: fault.InvalidRequest, know: true, watched: "CheckBreach INVALID_REQUEST"},
		"that has not":              {text: "fresh", watched: "CheckBreach "},
		"nobody knows of":           {text: "secret", fails: down, watched: "CheckBreach SERVICE_OVERLOADED", logged: true},
		"nobody knows of, required": {text: "fresh", fails: down, required: true, want: fault.ServiceOverloaded, watched: "CheckBreach SERVICE_OVERLOADED", logged: true},
		"that has not, required":    {text: "fresh", required: true, watched: "CheckBreach "},
	} {
		t.Run(name, func(t *testing.T) {
			var seen watched
			var log bytes.Buffer
			l := account.NewLeaks(account.LeaksDeps{
				Known: &accounttest.Breaches{Leaked: []string{"leaked"}, Fails: c.fails}, Required: c.required,
				Watch: &seen, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			err := l.Refuse(t.Context(), "newPassword", password.NewPlain(c.text))
			if fault.CodeOf(err) != c.want {
				t.Fatalf("Refuse = %v, want %q", err, c.want)
			}
			f, _ := errors.AsType[*fault.Error](err)
			switch c.want {
			case fault.InvalidRequest:
				if b := f.Broken(); len(b) != 1 || b[0] != (fault.Violation{Field: "newPassword", Rule: fault.RuleBreached}) {
					t.Errorf("broken = %+v", b)
				}
			case fault.ServiceOverloaded:
				if f.Wait() <= 0 || !errors.Is(err, down) {
					t.Errorf("waits %v because of %v", f.Wait(), err)
				}
			}
			if l.Know(t.Context(), password.NewPlain(c.text)) != c.know {
				t.Errorf("Know = %v", !c.know)
			}
			if strings.Join(seen, ",") != c.watched+","+c.watched {
				t.Errorf("watched %q", seen)
			}
			if strings.Contains(log.String(), "nobody answers") != c.logged || strings.Contains(log.String(), c.text) {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

func TestTheZeroLeaksKnowNone(t *testing.T) {
	var l account.Leaks
	if err := l.Refuse(t.Context(), "password", password.NewPlain("leaked")); err != nil || l.Know(t.Context(), password.NewPlain("leaked")) {
		t.Errorf("Refuse = %v", err)
	}
}
