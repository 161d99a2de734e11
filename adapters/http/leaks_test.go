package http_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/application/account/accounttest"
	appsession "gatehouse/application/session"
	"gatehouse/domain/audit"
	"gatehouse/domain/principal"
)

func withLeaks(b *accounttest.Breaches, required bool) option {
	return func(s *setup) { s.leaks = b.Leaks(required) }
}

// settings are the requests that set a password, and where it stands.
var settings = map[string]struct {
	field string
	of    func(w *world) request
}{
	"A1, a free address": {"password", anyone("POST /api/auth/register", registerAs("new@example.com").body)},
	"A1, a taken address": {"password", func(w *world) request {
		w.member("ada@example.com")
		return registerAs("ada@example.com")
	}},
	"A10": {"newPassword", func(w *world) request {
		w.member("ada@example.com")
		return resetBy(w.resetLink("ada@example.com"))
	}},
	"P5": {"newPassword", ownChange},
	"G2": {"password", func(w *world) request { return converting(w.guest(), "gus@example.com") }},
}

func TestALeakedPasswordIsRefusedWhereverOneIsSet(t *testing.T) {
	for name, set := range settings {
		t.Run(name, func(t *testing.T) {
			b := &accounttest.Breaches{}
			w := newWorld(t, withLeaks(b, false))
			r := set.of(w)
			b.Leaked = []string{goodPassword, nextPassword}
			a := w.want(400, "INVALID_REQUEST", r)
			if !slices.Equal(a.rules(), []string{set.field + ":breached"}) || !bytes.Contains(a.body, []byte("leak")) && !bytes.Contains(a.body, []byte("fuite")) {
				t.Errorf("%s", a.body)
			}
			b.Leaked, b.Fails = nil, errors.New("nobody answers")
			w.ok(r)
		})
	}
}

func TestWhereAnAnswerIsRequiredNoPasswordIsSetWithoutOne(t *testing.T) {
	for name, set := range settings {
		t.Run(name, func(t *testing.T) {
			b := &accounttest.Breaches{}
			w := newWorld(t, withLeaks(b, true))
			r := set.of(w)
			b.Fails = errors.New("nobody answers")
			if a := w.want(503, "SERVICE_OVERLOADED", r); a.header.Get("Retry-After") != "30" {
				t.Errorf("%v", a.header)
			}
			b.Fails = nil
			w.ok(r)
		})
	}
}

// Whoever cannot set a password makes nobody ask about one.
func TestNobodyIsAskedForThoseWhoAreRefusedAnyway(t *testing.T) {
	b := &accounttest.Breaches{}
	w := newWorld(t, withLeaks(b, true))
	a := w.proven(w.member("ada@example.com"))
	w.ok(req("POST /api/guests", `{"name":"Passer-by"}`))
	before := b.Asked()
	w.want(400, "INVALID_REQUEST", registerAs("ada@example.com").but(body(`{"email":"x","password":"`+goodPassword+`","name":"Ada"}`)))
	w.want(401, "PASSWORD_RESET_TOKEN_INVALID", resetBy("guessed"))
	w.want(400, "INVALID_REQUEST", changeBy(a).but(body(changeBody(goodPassword, goodPassword))))
	w.want(401, "STEP_UP_TOKEN_MISSING", changeBy(a).but(del("X-Step-Up-Token")))
	w.want(409, "GUEST_EMAIL_TAKEN", converting(w.guest(), "ada@example.com"))
	if n := b.Asked() - before; n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// records is an audit log in memory.
type records struct {
	mu  sync.Mutex
	all []audit.Entry
}

func (r *records) Record(_ context.Context, e audit.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

func TestSigningInWithALeakedPassword(t *testing.T) {
	for name, c := range map[string]struct {
		refuse   bool
		fails    error
		password string
		disabled bool
		status   int
		code     string
		rules    []string
		asked    int
		recorded int
	}{
		"is refused":                         {refuse: true, password: goodPassword, status: 400, code: "INVALID_REQUEST", rules: []string{"password:breached"}, asked: 1},
		"is put on record":                   {password: goodPassword, status: 200, asked: 1, recorded: 1},
		"goes on when nobody can tell":       {refuse: true, fails: errors.New("nobody answers"), password: goodPassword, status: 200, asked: 1},
		"that is wrong asks nobody":          {refuse: true, password: "Wr0ng-Secret!", status: 401, code: "INVALID_CREDENTIALS"},
		"as somebody disabled asks nobody":   {refuse: true, disabled: true, password: goodPassword, status: 403, code: "USER_DISABLED"},
		"of another account asks nobody too": {refuse: true, password: nextPassword, status: 401, code: "INVALID_CREDENTIALS"},
	} {
		t.Run(name, func(t *testing.T) {
			b, log := &accounttest.Breaches{Leaked: []string{goodPassword, nextPassword, "Wr0ng-Secret!"}, Fails: c.fails}, &records{}
			w := newWorld(t, func(s *setup) {
				s.onLeak = appsession.OnLeak{Leaks: b.Leaks(true), Refuse: c.refuse, Audit: log}
			})
			w.ok(registerAs("ada@example.com"))
			if c.disabled {
				p, err := w.store.Single().Principals.ByEmail(t.Context(), "ada@example.com")
				if err != nil {
					t.Fatal(err)
				}
				w.rewrite(string(p.ID()), func(p *principal.Principal) { p.Disable() })
			}
			a := w.want(c.status, c.code, loginOf("ada@example.com", c.password))
			if !slices.Equal(a.rules(), c.rules) || c.status != 200 && len(a.cookies()) > 0 {
				t.Errorf("%s", a.body)
			}
			if b.Asked() != c.asked || len(log.all) != c.recorded {
				t.Errorf("asked %d times, records %+v", b.Asked(), log.all)
			}
			for _, e := range log.all {
				if e.Command != "UseLeakedPassword" || e.Principal == "" || e.At.IsZero() || strings.Contains(string(e.Outcome), "leak") {
					t.Errorf("record %+v", e)
				}
			}
		})
	}
}

// A right password that is refused is no guess.
func TestALeakedPasswordIsNoWrongOne(t *testing.T) {
	b := &accounttest.Breaches{Leaked: []string{goodPassword}}
	w := newWorld(t, func(s *setup) { s.onLeak = appsession.OnLeak{Leaks: b.Leaks(false), Refuse: true} })
	w.ok(registerAs("ada@example.com"))
	for range 6 { // five wrong ones would be enough
		w.want(400, "INVALID_REQUEST", loginOf("ada@example.com", goodPassword))
	}
	w.ok(resetBy(w.resetLink("ada@example.com")))
	w.ok(loginOf("ada@example.com", nextPassword))
}
