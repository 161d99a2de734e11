package http_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// effect is an event of the contract's matrix and what it does to an account
// with two sessions and something outstanding of every kind (contract §12).
type effect struct {
	event    string // as the matrix calls it, with more behind a comma
	how      func(w *world, a, b account) answer
	live     string // sessions of the two that go on, and new ones
	usable   string // items
	mails    []notice.Kind
	accessOK string // of the two access tokens
}

// all is what is outstanding.
const all = "challenge, other link, own link, reset"

func effects() []effect {
	return []effect{
		{"A1, taken", func(w *world, _, _ account) answer { return w.send(registerAs("ada@example.com")) }, "a b", all, []notice.Kind{notice.RegistrationAlert}, "a b"},
		{"A2 sign-in, known device", func(w *world, _, _ account) answer { return w.send(loginOf("ada@example.com", goodPassword)) }, "a b new", all, nil, "a b"},
		{"A2 sign-in, unseen device", func(w *world, _, _ account) answer {
			return w.send(loginOf("ada@example.com", goodPassword, set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")))
		}, "a b new", all, []notice.Kind{notice.LoginAlert}, "a b"},
		{"A2, wrong", func(w *world, _, _ account) answer { return w.send(loginOf("ada@example.com", "wrong")) }, "a b", all, nil, "a b"},
		{"A3", func(w *world, a, _ account) answer { return w.send(req("POST /api/auth/logout", "", bearer(a.access))) }, "b", all, nil, "b"},
		{"A4", func(w *world, a, _ account) answer {
			return w.send(req("POST /api/auth/refresh", "", bearer(a.refresh)))
		}, "a b", all, nil, "a b"},
		{"A4, reused token", func(w *world, a, _ account) answer {
			w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh)))
			w.clock.advance(11 * time.Second)
			return w.send(req("POST /api/auth/refresh", "", bearer(a.refresh)))
		}, "b", all, []notice.Kind{notice.RefreshTokenReused}, "b"},
		{"A5 step-up granted", func(w *world, a, _ account) answer {
			return w.send(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access)))
		}, "a b", all, nil, "a b"},
		{"A7, same address", func(w *world, _, _ account) answer {
			return w.send(req("POST /api/auth/email/verification?token=own", ""))
		}, "a b", "challenge, reset", nil, "a b"},
		{"A9", func(w *world, a, _ account) answer {
			return w.send(req("POST /api/auth/email/verification/send", "", bearer(a.access)))
		}, "a b", "challenge, reset", []notice.Kind{notice.EmailVerification}, "a b"},
		{"A7, address changed", func(w *world, _, _ account) answer { return w.send(confirm("other")) }, "", "challenge", []notice.Kind{notice.EmailChanged}, ""},
		{"A8", func(w *world, a, _ account) answer {
			return w.send(req("GET /api/auth/email/verification/cooldown", "", bearer(a.access)))
		}, "a b", all, nil, "a b"},
		{"A10", func(w *world, _, _ account) answer { return w.send(resetBy("reset")) }, "", "own link", []notice.Kind{notice.PasswordChanged}, ""},
		{"A10, that fails", func(w *world, _, _ account) answer {
			w.faults.plan("commit", broken("DATABASE_FAILURE"))
			got := w.send(resetBy("reset"))
			w.faults.clear()
			return got
		}, "a b", all, nil, "a b"},
		{"A11", func(w *world, _, _ account) answer {
			return w.send(req("GET /api/auth/password/reset/cooldown?email=ada@example.com", ""))
		}, "a b", all, nil, "a b"},
		{"A12", func(w *world, _, _ account) answer { return w.send(forgot("ada@example.com")) }, "a b", "challenge, other link, own link", []notice.Kind{notice.PasswordReset}, "a b"},
		{"A12, unknown", func(w *world, _, _ account) answer { return w.send(forgot("eve@example.com")) }, "a b", all, []notice.Kind{notice.NoAccountInfo}, "a b"},
		{"P4, mail on", func(w *world, a, _ account) answer { return w.send(moveBy(w.proven(a), "ada@third.example")) }, "a b", "challenge, reset", []notice.Kind{notice.EmailVerification, notice.EmailChangeRequested}, "a b"},
		{"S2", func(w *world, _, _ account) answer { return w.send(req("POST /api/users/me/sessions/token", "")) }, "a b", all, nil, "a b"},
		{"P1", func(w *world, a, _ account) answer { return w.send(req("GET /api/users/me", "", bearer(a.access))) }, "a b", all, nil, "a b"},
		{"P2", func(w *world, a, _ account) answer {
			return w.send(req("PUT /api/users/me", `{"name":"X"}`, bearer(a.access)))
		}, "a b", all, nil, "a b"},
		{"P6", func(w *world, a, _ account) answer { return w.send(uploadBy(a, square())) }, "a b", all, nil, "a b"},
		{"P7", func(w *world, a, _ account) answer {
			return w.send(req("DELETE /api/users/me/avatar", "", bearer(a.access)))
		}, "a b", all, nil, "a b"},
		{"P5", func(w *world, a, _ account) answer { return w.send(changeBy(w.proven(a))) }, "a", "own link", []notice.Kind{notice.PasswordChanged}, "a"},
		{"P5, that fails", func(w *world, a, _ account) answer {
			r := changeBy(w.proven(a))
			w.faults.plan("commit", broken("DATABASE_FAILURE"))
			got := w.send(r)
			w.faults.clear()
			return got
		}, "a b", all, nil, "a b"},
		{"S3", func(w *world, a, b account) answer {
			return w.send(req("DELETE /api/users/me/sessions/"+b.session, "", bearer(a.access)))
		}, "a", all, nil, "a"},
		{"S4", func(w *world, a, _ account) answer {
			return w.send(req("DELETE /api/users/me/sessions", "", bearer(a.access)))
		}, "", all, nil, ""},
		{"R5", func(w *world, a, _ account) answer {
			r := w.joining(a)
			w.ok(r)
			return w.send(r.but(by("DELETE"), to("/api/groups/staff")))
		}, "a b", all, nil, ""},
		{"R6", func(w *world, a, _ account) answer { return w.send(w.joining(a)) }, "a b", all, nil, ""},
		{"R7, no member", func(w *world, a, _ account) answer { return w.send(w.joining(a).but(by("DELETE"))) }, "a b", all, nil, "a b"},
		{"A2 challenge", func(w *world, a, _ account) answer {
			w.withBoth(a)
			return w.send(loginOf("ada@example.com", goodPassword))
		}, "a b", all, nil, "a b"},
		{"A2 challenge, mailed codes preferred", func(w *world, a, _ account) answer {
			w.ok(preferBy(w.withBoth(a), "email"))
			return w.send(loginOf("ada@example.com", goodPassword))
		}, "a b", all, []notice.Kind{notice.EmailAuthentication}, "a b"},
		{"A5 challenge", func(w *world, a, _ account) answer {
			w.ok(preferBy(w.withBoth(a), "email"))
			return w.send(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access)))
		}, "a b", all, []notice.Kind{notice.EmailAuthentication}, "a b"},
		{"T1 sign-in", func(w *world, a, _ account) answer {
			by := w.given(a)
			return w.send(completeWith(w.halfway(), byTOTP(w.code(by))))
		}, "a b new", all, nil, "a b"},
		{"T1, wrong", func(w *world, a, _ account) answer {
			by := w.given(a)
			return w.send(completeWith(w.halfway(), byTOTP(w.wrong(by))))
		}, "a b", all, nil, "a b"},
		{"T2 step-up granted", func(w *world, a, _ account) answer {
			by := w.given(a)
			return w.send(stepUpWith(a, w.challengeIn(a), byTOTP(w.code(by))))
		}, "a b", all, nil, "a b"},
		{"T7 sign-in", func(w *world, a, _ account) answer {
			by := w.given(a)
			return w.send(recoverWith(w.halfway(), by.codes[0]))
		}, "a b new", all, []notice.Kind{notice.RecoveryCodeUsed}, "a b"},
		{"T8", func(w *world, a, _ account) answer { return w.send(req(sendCode, "", bearer(a.access))) }, "a b", all, []notice.Kind{notice.EmailAuthentication}, "a b"},
		{"T3", func(w *world, a, _ account) answer { return w.send(preferBy(w.withBoth(a), "email")) }, "a b", all, nil, "a b"},
		{"T4", func(w *world, a, _ account) answer { return w.send(beginBy(w.proven(a))) }, "a b", all, nil, "a b"},
		{"T5", func(w *world, a, _ account) answer {
			a = w.proven(a)
			s := w.begin(a)
			return w.send(confirmBy(a, s.token, w.code(s)))
		}, "a", "other link, own link, reset", []notice.Kind{notice.TwoFactorAdded}, "a"},
		{"T5, wrong", func(w *world, a, _ account) answer {
			a = w.proven(a)
			s := w.begin(a)
			return w.send(confirmBy(a, s.token, w.wrong(s)))
		}, "a b", all, nil, "a b"},
		{"T6", func(w *world, a, _ account) answer { return w.send(offBy(w.withBoth(a), "totp")) }, "a", "other link, own link, reset", []notice.Kind{notice.TwoFactorRemoved}, "a"},
		{"T9", func(w *world, a, _ account) answer {
			a = w.proven(a)
			w.mailedCode(a)
			return w.send(mailBy(a, mailedCode))
		}, "a", all, []notice.Kind{notice.TwoFactorAdded}, "a"},
		{"T10", func(w *world, a, _ account) answer { return w.send(offBy(w.withBoth(a), "email")) }, "a", "other link, own link, reset", []notice.Kind{notice.TwoFactorRemoved}, "a"},
		{"T11", func(w *world, a, _ account) answer { return w.send(req(codeWait, "", bearer(a.access))) }, "a b", all, nil, "a b"},
		{"T12", func(w *world, a, _ account) answer { return w.send(renewBy(w.withBoth(a))) }, "a b", all, []notice.Kind{notice.RecoveryCodesReplaced}, "a b"},
		{"Y1", func(w *world, a, _ account) answer {
			return w.send(req("POST /api/users/me/passkeys/options", "", byOwner(w.proven(a))))
		}, "a b", all, nil, "a b"},
		{"Y2", func(w *world, a, _ account) answer { return w.send(w.adding(w.proven(a), w.device(), "Phone")) }, "a", "other link, own link, reset", []notice.Kind{notice.TwoFactorAdded}, "a"},
		{"Y2 that fails", func(w *world, a, _ account) answer {
			d := w.device()
			d.Unverified = true
			return w.send(w.adding(w.proven(a), d, "Phone"))
		}, "a b", all, nil, "a b"},
		{"Y3", func(w *world, a, _ account) answer {
			return w.send(req("GET /api/users/me/passkeys", "", bearer(a.access)))
		}, "a b", all, nil, "a b"},
		{"Y4", func(w *world, a, _ account) answer {
			return w.send(req("PUT /api/users/me/passkeys/"+w.putPasskey(a, newID()), `{"name":"x"}`, byOwner(w.proven(a))))
		}, "a b", all, nil, "a b"},
		{"Y5", func(w *world, a, _ account) answer {
			return w.send(req("DELETE /api/users/me/passkeys/"+w.putPasskey(a, newID()), "", byOwner(w.proven(a))))
		}, "a", "other link, own link, reset", []notice.Kind{notice.TwoFactorRemoved}, "a"},
		{"Y6", func(w *world, _, _ account) answer { return w.send(req("POST /api/auth/passkeys/login/options", "")) }, "a b", all, nil, "a b"},
		{"G1", func(w *world, _, _ account) answer { return w.send(req("POST /api/guests", `{"name":"x"}`)) }, "a b", all, nil, "a b"},
	}
}

func TestEffectsAreThoseOfTheMatrix(t *testing.T) {
	for _, e := range effects() {
		t.Run(e.event, func(t *testing.T) {
			w := newWorld(t)
			a := w.member("ada@example.com")
			e.check(w, a, w.signIn("ada@example.com", goodPassword))
		})
	}
}

// check makes the event happen to an account with two sessions.
func (e effect) check(w *world, a, b account) {
	w.t.Helper()
	w.clock.advance(2 * time.Minute)
	w.outstanding(a.id)
	w.mailedKinds()
	w.mailed = nil
	e.how(w, a, b)
	if got := w.live(a, b); got != e.live {
		w.t.Errorf("sessions %q, want %q", got, e.live)
	}
	if got := w.usable(); got != e.usable {
		w.t.Errorf("items %q, want %q", got, e.usable)
	}
	if got := w.mailedKinds(); !slices.Equal(got, e.mails) {
		w.t.Errorf("mails %v, want %v", got, e.mails)
	}
	if got := w.accepted(a, b); got != e.accessOK {
		w.t.Errorf("access tokens %q, want %q", got, e.accessOK)
	}
}

// mailedKinds are the kinds of all mails that were claimed, each as often as it
// is there.
func (w *world) mailedKinds() (kinds []notice.Kind) {
	w.t.Helper()
	for _, kind := range notice.Kinds() {
		for range w.mails(kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// joining puts an account into a new group.
func (w *world) joining(a account) request {
	w.t.Helper()
	w.groups("staff")
	admin := w.put(principal.Snapshot{Hash: hashOf(goodPassword), Admin: true})
	return req("POST /api/groups/staff/members/"+a.id, "", bearer(admin.access))
}

var outstanding = map[string]struct {
	kind    onetime.Kind
	address string
}{
	"own": {onetime.EmailVerification, "ada@example.com"}, "other": {onetime.EmailVerification, "ada@elsewhere.example"},
	"reset": {onetime.PasswordReset, ""}, "challenge": {onetime.Challenge, ""},
}

// outstanding gives an account one item of each kind, which some endpoint that
// is not built would make.
func (w *world) outstanding(id string) {
	w.t.Helper()
	now := w.clock.now()
	err := w.store.Within(w.t.Context(), func(ctx context.Context, s outbound.Stores) error {
		var errs []error
		for name, o := range outstanding {
			i := onetime.Item{
				Hash: onetime.HashOf(secret.New(name)), Kind: o.kind, Principal: principal.ID(id), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
			}
			if o.address != "" {
				i.Address, _ = email.Parse(o.address)
			}
			errs = append(errs, s.OneTime.Add(ctx, i))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) usable() string {
	w.t.Helper()
	var names []string
	for name, o := range outstanding {
		i, err := w.store.Single().OneTime.Find(w.t.Context(), o.kind, onetime.HashOf(secret.New(name)))
		if errors.Is(err, outbound.ErrNotFound) {
			continue // with its owner
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if i.State(w.clock.now()) == onetime.Usable {
			names = append(names, strings.Replace(strings.Replace(name, "own", "own link", 1), "other", "other link", 1))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (w *world) live(a, b account) string {
	w.t.Helper()
	all, err := w.store.Single().Sessions.Of(w.t.Context(), principal.ID(a.id), w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, s := range all {
		switch string(s.ID) {
		case a.session:
			names = append(names, "a")
		case b.session:
			names = append(names, "b")
		default:
			names = append(names, "new")
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (w *world) accepted(a, b account) string {
	w.t.Helper()
	var names []string
	for _, one := range []struct{ name, token string }{{"a", a.access}, {"b", b.access}} {
		if w.send(req("GET /api/users/me", "", bearer(one.token))).status == 200 {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, " ")
}
