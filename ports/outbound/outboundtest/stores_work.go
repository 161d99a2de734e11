package outboundtest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

var workChecks = []storeCheck{
	{"WithinCommitsTogether", withinCommitsTogether},
	{"ErrorRollsBack", errorRollsBack},
	{"PanicRollsBack", panicRollsBack},
	{"CancelRollsBack", cancelRollsBack},
	{"NoLostUpdate", noLostUpdate},
	{"ViewSeesOneSnapshot", viewSeesOneSnapshot},
	{"ViewKeepsNothing", viewKeepsNothing},
	{"SingleCallsAreAtomic", singleCallsAreAtomic},
	{"DeadContextIsADatabaseFailure", deadContextIsADatabaseFailure},
}

func withinCommitsTogether(t *testing.T, w work) {
	within(t, w, func(ctx context.Context, s stores) error {
		return errors.Join(
			s.Principals.Add(ctx, restore(user("u1"))),
			s.Sessions.Add(ctx, signedIn("s1", "u1")),
			s.Outbox.Add(ctx, letter("n1", "u1")),
		)
	})
	a, err := w.Single().Sessions.Access(t.Context(), "s1")
	if err != nil || a.Session.PrincipalID != "u1" {
		t.Errorf("Access after Within = %+v, %v", a.Session, err)
	}
}

func errorRollsBack(t *testing.T, w work) {
	boom := errors.New("boom")
	err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
		must(t, s.Principals.Add(ctx, restore(user("u1"))))
		return boom
	})
	if err != boom { //nolint:errorlint // the very error is promised, not one around it
		t.Errorf("Within = %v, want fn's own error", err)
	}
	isGone(t, w)
}

func panicRollsBack(t *testing.T, w work) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Within swallowed the panic")
			}
		}()
		_ = w.Within(t.Context(), func(ctx context.Context, s stores) error {
			must(t, s.Principals.Add(ctx, restore(user("u1"))))
			panic("boom")
		})
	}()
	isGone(t, w)
}

func cancelRollsBack(t *testing.T, w work) {
	ctx, cancel := context.WithCancel(t.Context())
	err := w.Within(ctx, func(ctx context.Context, s stores) error {
		must(t, s.Principals.Add(ctx, restore(user("u1"))))
		cancel()
		return nil
	})
	if fault.CodeOf(err) != fault.DatabaseFailure {
		t.Errorf("Within, cancelled before its commit = %v, want DATABASE_FAILURE", err)
	}
	isGone(t, w)
}

// isGone also proves that the store can be written to after what happened.
func isGone(t *testing.T, w work) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error {
		if _, err := s.Principals.ByID(ctx, "u1"); !errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("ByID of what was rolled back = %v, want ErrNotFound", err)
		}
		return s.Principals.Add(ctx, restore(user("u9")))
	})
}

// Who reads in order to write is alone with the principal until the end.
func noLostUpdate(t *testing.T, w work) {
	add(t, w, user("u1"))
	var failed atomic.Int32
	race(16, func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			p, err := s.Principals.ByID(ctx, "u1")
			if i%2 == 0 {
				p, err = s.Principals.ByEmail(ctx, user("u1").Email.Normal())
			}
			if err != nil {
				return err
			}
			p.ChangePassword(password.NewHash("$argon2id$2"))
			return s.Principals.Save(ctx, p)
		})
		if err != nil {
			failed.Add(1)
			t.Logf("Within = %v", err)
		}
	})
	got := load(t, w, "u1")
	if failed.Load() != 0 || got.CredVersion != user("u1").CredVersion+16 || got.Version != user("u1").Version+16 {
		t.Errorf("16 parallel changes: %d failed, now version %d, credentials %d", failed.Load(), got.Version, got.CredVersion)
	}
}

// A view does not wait for the writer beside it, and sees nothing of what is
// committed after it began.
func viewSeesOneSnapshot(t *testing.T, w work) {
	add(t, w, user("u1"))
	raise := func(ctx context.Context, s stores) error {
		p, err := s.Principals.ByID(ctx, "u1")
		if err != nil {
			return err
		}
		return s.Principals.Save(ctx, p)
	}
	version := func(ctx context.Context, s stores) int {
		p, err := s.Principals.ByID(ctx, "u1")
		must(t, err)
		return p.Snapshot().Version
	}
	within(t, w, func(ctx context.Context, s stores) error {
		if err := raise(ctx, s); err != nil {
			return err
		}
		view(t, w, func(ctx context.Context, s stores) error {
			if got := version(ctx, s); got != user("u1").Version {
				t.Errorf("a view sees version %d, which is not committed", got)
			}
			return nil
		})
		return nil
	})
	view(t, w, func(ctx context.Context, s stores) error {
		before := version(ctx, s)
		within(t, w, raise)
		if after := version(ctx, s); after != before {
			t.Errorf("one view sees versions %d and %d", before, after)
		}
		return nil
	})
}

func viewKeepsNothing(t *testing.T, w work) {
	add(t, w, user("u2"))
	addSessions(t, w, signedIn("s2", "u2"))
	for _, write := range []func(context.Context, stores) error{
		func(ctx context.Context, s stores) error { return s.Principals.Add(ctx, restore(user("u1"))) },
		func(ctx context.Context, s stores) error { return s.Outbox.Add(ctx, letter("n1", "u2")) },
		func(ctx context.Context, s stores) error {
			_, err := s.Sessions.EndEvery(ctx, session.EndedByOperator, at)
			return err
		},
	} {
		_ = w.View(t.Context(), func(ctx context.Context, s stores) error {
			_ = write(ctx, s)
			return nil
		})
	}
	isGone(t, w)
	a, err := w.Single().Sessions.Access(t.Context(), "s2")
	if err != nil || !a.Session.EndedAt.IsZero() {
		t.Errorf("session after a view that ended it: %+v, %v", a.Session, err)
	}
	b, err := w.Single().Outbox.Backlog(t.Context())
	if err != nil || b.Queued != 0 {
		t.Errorf("backlog after a view that added a notice: %+v, %v", b, err)
	}
}

// Save writes more than one row, so a half of it would show.
func singleCallsAreAtomic(t *testing.T, w work) {
	ctx, s := t.Context(), w.Single()
	must(t, s.Principals.Add(ctx, restore(user("u1"))))
	must(t, s.Principals.Add(ctx, restore(user("u2"))))
	samePrincipal(t, load(t, w, "u1"), user("u1"))

	thief := user("u2")
	thief.Name, thief.Email, thief.Identities = "Thief", user("u1").Email, nil
	if err := s.Principals.Save(ctx, restore(thief)); !errors.Is(err, outbound.ErrTaken) {
		t.Errorf("Save of another's address = %v, want ErrTaken", err)
	}
	samePrincipal(t, load(t, w, "u2"), user("u2"))

	twin := user("u3")
	twin.Email = user("u1").Email
	if err := s.Principals.Add(ctx, restore(twin)); !errors.Is(err, outbound.ErrTaken) {
		t.Errorf("Add of another's address = %v, want ErrTaken", err)
	}
	if _, err := s.Principals.ByID(ctx, "u3"); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("ByID of what was not added = %v, want ErrNotFound", err)
	}
}

// No call answers a failure with a sentinel or with nothing.
func deadContextIsADatabaseFailure(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"))
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range everyCall() {
		if err := call(dead, w.Single()); fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("%s = %v, want DATABASE_FAILURE", name, err)
		}
	}
	run := func(ctx context.Context, s stores) error {
		_, err := s.Principals.ByID(ctx, "u1")
		return err
	}
	for name, err := range map[string]error{"Within": w.Within(dead, run), "View": w.View(dead, run)} {
		if fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("%s = %v, want DATABASE_FAILURE", name, err)
		}
	}
}

type call = func(context.Context, stores) error

func everyCall() map[string]call {
	h := onetime.Hash{1}
	c := outbound.Claim{Notice: letter("n1", "u1"), Owner: "me", Fence: 1}
	of := throttle.Subject{Account: "ada@example.com", Network: "192.0.2.0/24"}
	return map[string]call{
		"Principals.ByID":      func(ctx context.Context, s stores) error { return second(s.Principals.ByID(ctx, "u1")) },
		"Principals.ByEmail":   func(ctx context.Context, s stores) error { return second(s.Principals.ByEmail(ctx, "x")) },
		"Principals.Add":       func(ctx context.Context, s stores) error { return s.Principals.Add(ctx, restore(user("u2"))) },
		"Principals.Save":      func(ctx context.Context, s stores) error { return s.Principals.Save(ctx, restore(user("u1"))) },
		"Principals.Users":     func(ctx context.Context, s stores) error { return second(s.Principals.Users(ctx, "", 9)) },
		"EnabledAdmins":        func(ctx context.Context, s stores) error { return second(s.Principals.EnabledAdmins(ctx)) },
		"Sessions.Add":         func(ctx context.Context, s stores) error { return s.Sessions.Add(ctx, signedIn("s2", "u1")) },
		"Sessions.Access":      func(ctx context.Context, s stores) error { return second(s.Sessions.Access(ctx, "s1")) },
		"Sessions.Refreshable": func(ctx context.Context, s stores) error { return third(s.Sessions.Refreshable(ctx, "s1", "r", at)) },
		"Sessions.Rotate":      func(ctx context.Context, s stores) error { return second(s.Sessions.Rotate(ctx, rotation("s1", "u1"))) },
		"Sessions.Of":          func(ctx context.Context, s stores) error { return second(s.Sessions.Of(ctx, "u1", at)) },
		"Sessions.End": func(ctx context.Context, s stores) error {
			return second(s.Sessions.End(ctx, "u1", "s1", session.SignedOut, at))
		},
		"Sessions.EndAll": func(ctx context.Context, s stores) error {
			return s.Sessions.EndAll(ctx, "u1", "", session.SignedOut, at)
		},
		"Sessions.EndEvery": func(ctx context.Context, s stores) error {
			return second(s.Sessions.EndEvery(ctx, session.SignedOut, at))
		},
		"Sessions.Purge": func(ctx context.Context, s stores) error { return second(s.Sessions.Purge(ctx, at, at, 9)) },
		"OneTime.Add":    func(ctx context.Context, s stores) error { return s.OneTime.Add(ctx, item(1, "u1")) },
		"OneTime.Find": func(ctx context.Context, s stores) error {
			return second(s.OneTime.Find(ctx, onetime.PasswordReset, h))
		},
		"OneTime.Use": func(ctx context.Context, s stores) error { return s.OneTime.Use(ctx, onetime.PasswordReset, h, at) },
		"OneTime.Void": func(ctx context.Context, s stores) error {
			return s.OneTime.Void(ctx, "u1", onetime.PasswordReset, "", at)
		},
		"OneTime.VoidEvery": func(ctx context.Context, s stores) error { return second(s.OneTime.VoidEvery(ctx, at)) },
		"OneTime.Purge":     func(ctx context.Context, s stores) error { return second(s.OneTime.Purge(ctx, at, 9)) },
		"Outbox.Add":        func(ctx context.Context, s stores) error { return s.Outbox.Add(ctx, letter("n1", "u1")) },
		"Outbox.Claim":      func(ctx context.Context, s stores) error { return second(s.Outbox.Claim(ctx, "me", at, at, 9)) },
		"Outbox.Settle":     func(ctx context.Context, s stores) error { return s.Outbox.Settle(ctx, c, outbound.Outcome{At: at}) },
		"Outbox.Release":    func(ctx context.Context, s stores) error { return s.Outbox.Release(ctx, "me", at) },
		"Outbox.Drop": func(ctx context.Context, s stores) error {
			return second(s.Outbox.Drop(ctx, notice.Kinds(), "x", at))
		},
		"Outbox.Backlog": func(ctx context.Context, s stores) error { return second(s.Outbox.Backlog(ctx)) },
		"Outbox.Purge":   func(ctx context.Context, s stores) error { return second(s.Outbox.Purge(ctx, at, at, 9)) },
		"Attempts.State": func(ctx context.Context, s stores) error { return second(s.Attempts.State(ctx, of)) },
		"Attempts.Save":  func(ctx context.Context, s stores) error { return s.Attempts.Save(ctx, of, throttle.State{}.Count(at)) },
		"Attempts.Swap": func(ctx context.Context, s stores) error {
			return second(s.Attempts.Swap(ctx, of, throttle.State{}, throttle.State{}.Count(at)))
		},
		"Attempts.Purge": func(ctx context.Context, s stores) error { return second(s.Attempts.Purge(ctx, at, 9)) },
		"Cooldowns.Start": func(ctx context.Context, s stores) error {
			return second(s.Cooldowns.Start(ctx, notice.EmailVerification, "x", at, time.Minute))
		},
		"Cooldowns.Left": func(ctx context.Context, s stores) error {
			return second(s.Cooldowns.Left(ctx, notice.EmailVerification, "x", at))
		},
		"Cooldowns.Purge": func(ctx context.Context, s stores) error { return second(s.Cooldowns.Purge(ctx, at, 9)) },
		"Devices.Mark":    func(ctx context.Context, s stores) error { return third(s.Devices.Mark(ctx, "u1", "x", at, at)) },
		"Entry.Look":      func(ctx context.Context, s stores) error { return third(s.Entry.Look(ctx, of)) },
		"Entry.SignIn": func(ctx context.Context, s stores) error {
			return second(s.Entry.SignIn(ctx, entering(restore(user("u1")), "s2", "lynx")))
		},
		"Entry.Register": func(ctx context.Context, s stores) error {
			return second(s.Entry.Register(ctx, registering(newcomer("u2", "bob@example.com"), 1)))
		},
		"Entry.TurnAway": func(ctx context.Context, s stores) error {
			return second(s.Entry.TurnAway(ctx, outbound.Collision{Owner: restore(user("u1"))}))
		},
		"Keys.All":       func(ctx context.Context, s stores) error { return second(s.Keys.All(ctx)) },
		"Keys.Add":       func(ctx context.Context, s stores) error { return s.Keys.Add(ctx, wrapped("k1", key.Signing)) },
		"Restores.Epoch": func(ctx context.Context, s stores) error { return second(s.Restores.Epoch(ctx)) },
		"Restores.Raise": func(ctx context.Context, s stores) error { return second(s.Restores.Raise(ctx, 1)) },
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }
