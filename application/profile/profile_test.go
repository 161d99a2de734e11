package profile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/password/passwordtest"
	app "gatehouse/application/profile"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

// newWork holds ada, a user, and gus, a guest.
func newWork(t *testing.T) *passwordtest.Work {
	t.Helper()
	store := memory.New()
	address, _ := email.Parse("ada@example.com")
	check(t, store.Single().Principals.Add(t.Context(), principal.NewUser("ada", "Ada", address, passwordtest.HashOf("x"), noon)))
	check(t, store.Single().Principals.Add(t.Context(), principal.NewGuest("gus", "Gus", noon)))
	return &passwordtest.Work{UnitOfWork: store}
}

func stored(t *testing.T, w *passwordtest.Work, id principal.ID) principal.Snapshot {
	t.Helper()
	p, err := w.UnitOfWork.Single().Principals.ByID(t.Context(), id)
	check(t, err)
	return p.Snapshot()
}

func update(as principal.ID, name *string) inbound.UpdateSelf {
	return inbound.UpdateSelf{Context: inbound.Context{Caller: session.Caller{PrincipalID: as}}, Name: name}
}

func TestWhoAmIAnswersWhatTheAccessCheckRead(t *testing.T) {
	ada := principal.NewGuest("ada", "Ada", noon)
	for name, tc := range map[string]struct {
		fails error
		want  fault.Code
	}{
		"read":       {},
		"gone":       {fmt.Errorf("load: %w", outbound.ErrNotFound), fault.PrincipalNotFound},
		"unreadable": {fault.New(fault.DatabaseEncryptionFailure), fault.DatabaseEncryptionFailure},
		"broken":     {io.ErrUnexpectedEOF, fault.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := app.NewMirror().Do(t.Context(), inbound.WhoAmI{Access: inbound.Access{
				Self: func() (*principal.Principal, error) {
					if tc.fails != nil {
						return nil, tc.fails
					}
					return ada, nil
				},
			}})
			if fault.CodeOf(err) != tc.want || (err == nil) != (p == ada) {
				t.Errorf("Do = %v, %v", p, err)
			}
			if !errors.Is(err, tc.fails) {
				t.Errorf("Do = %v without its cause", err)
			}
		})
	}
}

func TestUpdateSelf(t *testing.T) {
	for name, tc := range map[string]struct {
		as     principal.ID
		name   *string
		want   fault.Code
		broken []fault.Rule
		stored string
	}{
		"a user":        {as: "ada", name: new(" Ada\u0301 "), stored: "Adá"},
		"a guest":       {as: "gus", name: new("Gustav"), stored: "Gustav"},
		"nothing":       {as: "ada", stored: "Ada"},
		"a blank name":  {as: "ada", name: new(" "), want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleNotBlank}, stored: "Ada"},
		"a bad name":    {as: "ada", name: new(strings.Repeat("a", 101) + "\x00b"), want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleMaxLength, fault.RuleControlCharacters}, stored: "Ada"},
		"nobody":        {as: "eve", name: new("Eve"), want: fault.PrincipalNotFound},
		"nobody, no-op": {as: "eve", want: fault.PrincipalNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWork(t)
			w.Twice = true
			var before principal.Snapshot
			if tc.as != "eve" {
				before = stored(t, w, tc.as)
			}
			p, err := app.NewUpdater(app.UpdaterDeps{Work: w}).Do(t.Context(), update(tc.as, tc.name))
			if fault.CodeOf(err) != tc.want || (err == nil) != (p != nil) {
				t.Fatalf("Do = %v, %v, want code %q", p, err, tc.want)
			}
			if got := broken(err); !slices.Equal(got, tc.broken) {
				t.Errorf("broken = %v, want %v", got, tc.broken)
			}
			if tc.as == "eve" {
				return
			}
			want := before
			if want.Name = tc.stored; want.Name != before.Name {
				want.Version++
			}
			if after := stored(t, w, tc.as); !reflect.DeepEqual(after, want) {
				t.Errorf("after %+v\nwant  %+v", after, want)
			}
			if err == nil && p.Name() != tc.stored {
				t.Errorf("answer is called %q", p.Name())
			}
		})
	}
}

func broken(err error) (rules []fault.Rule) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, v := range f.Broken() {
			if v.Field != "name" {
				rules = append(rules, "not on name")
			}
			rules = append(rules, v.Rule)
		}
	}
	return rules
}

func TestNothingToChangeIsNoWrite(t *testing.T) {
	w := newWork(t)
	_, err := app.NewUpdater(app.UpdaterDeps{Work: w}).Do(t.Context(), update("ada", nil))
	check(t, err)
	if w.Units() != 0 || w.Calls() != 1 {
		t.Errorf("%d transactions and %d calls", w.Units(), w.Calls())
	}
}

func TestUpdateSelfReadsAgainWhatSomebodySavedMeanwhile(t *testing.T) {
	for failures, want := range map[int]fault.Code{1: "", 2: "", 3: fault.InternalError} {
		w := &overtaken{Work: newWork(t), left: failures}
		p, err := app.NewUpdater(app.UpdaterDeps{Work: w}).Do(t.Context(), update("ada", new("Augusta")))
		if fault.CodeOf(err) != want || (err == nil) != (p != nil) {
			t.Errorf("after %d failures: %v, %v", failures, p, err)
		}
		if got := stored(t, w.Work, "ada").Name; (got == "Augusta") != (want == "") {
			t.Errorf("after %d failures the name is %q", failures, got)
		}
	}
}

// overtaken is a store in which somebody else is faster some times.
type overtaken struct {
	*passwordtest.Work

	left int
}

func (o *overtaken) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	if o.left--; o.left >= 0 {
		return fmt.Errorf("save: %w", outbound.ErrStale)
	}
	return o.Work.Within(ctx, fn)
}

func TestUpdateSelfPassesFailuresOn(t *testing.T) {
	for _, name := range []*string{nil, new("Augusta")} {
		for n := 1; ; n++ {
			w := newWork(t)
			w.FailAt, w.Err = n, fault.New(fault.DatabaseFailure).Because(io.ErrUnexpectedEOF)
			_, err := app.NewUpdater(app.UpdaterDeps{Work: w}).Do(t.Context(), update("ada", name))
			if err == nil {
				break
			}
			if fault.CodeOf(err) != fault.DatabaseFailure || stored(t, w, "ada").Name != "Ada" {
				t.Errorf("with call %d failing, Do = %v", n, err)
			}
		}
	}
}

func TestParallelUpdatesAllSucceed(t *testing.T) {
	w := newWork(t)
	use := app.NewUpdater(app.UpdaterDeps{Work: w})
	const crowd = 50
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			if _, err := use.Do(t.Context(), update("ada", new(fmt.Sprint("Ada ", i)))); err != nil {
				t.Errorf("Do = %v", err)
			}
		})
	}
	all.Wait()
	if got := stored(t, w, "ada").Version; got != crowd {
		t.Errorf("saved %d times, want %d", got, crowd)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
