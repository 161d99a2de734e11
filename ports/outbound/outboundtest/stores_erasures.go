package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

var erasureChecks = []storeCheck{
	{"DeleteTakesEverything", deleteTakesEverything},
	{"DeleteHasOneWinner", deleteHasOneWinner},
	{"OneAdminIsNeitherDeletedNorDemoted", oneAdminIsNeitherDeletedNorDemoted},
	{"DisownLetsMailsGo", disownLetsMailsGo},
	{"ForgetRemovesCounters", forgetRemovesCounters},
	{"ErasuresAreKeptOnce", erasuresAreKeptOnce},
	{"PurgeGuestsLeavesTheActive", purgeGuestsLeavesTheActive},
	{"PurgeGuestsIsOvertakenByActivity", purgeGuestsIsOvertakenByActivity},
}

func deleteTakesEverything(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	addSessions(t, w, signedIn("s1", "u1"), signedIn("s2", "u2"))
	item := onetime.Item{Hash: onetime.Hash{1}, Kind: onetime.PasswordReset, Principal: "u1", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
	within(t, w, func(ctx context.Context, s stores) error {
		_, _, err := s.Devices.Mark(ctx, "u1", "laptop", at, at)
		return errors.Join(err, s.OneTime.Add(ctx, item))
	})
	rotated, err := w.Single().Sessions.Rotate(t.Context(), session.Rotation{
		SessionID: "s1", PrincipalID: "u1", Presented: "refresh-s1", Next: "next", At: at, ExpiresAt: at.Add(time.Hour), GraceUntil: at.Add(time.Hour),
	})
	if err != nil || !rotated {
		t.Fatalf("Rotate = %t, %v", rotated, err)
	}
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Delete(ctx, "u1") })

	s := w.Single()
	_, byID := s.Principals.ByID(t.Context(), "u1")
	_, byEmail := s.Principals.ByEmail(t.Context(), user("u1").Email.Normal())
	_, access := s.Sessions.Access(t.Context(), "s1")
	_, _, refresh := s.Sessions.Refreshable(t.Context(), "s1", "refresh-s1", at)
	_, find := s.OneTime.Find(t.Context(), onetime.PasswordReset, item.Hash)
	for what, err := range map[string]error{"ByID": byID, "ByEmail": byEmail, "Access": access, "Refreshable": refresh, "Find": find} {
		if !errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("%s = %v, want ErrNotFound", what, err)
		}
	}
	if _, err := s.Sessions.Access(t.Context(), "s2"); err != nil {
		t.Errorf("Access to somebody else's session = %v", err)
	}
	heir := user("u1") // the id, the address and both identities are free
	add(t, w, heir)
	samePrincipal(t, load(t, w, "u1"), heir)
	within(t, w, func(ctx context.Context, s stores) error {
		known, ever, err := s.Devices.Mark(ctx, "u1", "laptop", at, at)
		if known || ever {
			t.Error("the heir is known to use a device")
		}
		return err
	})
}

func deleteHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	var done, missing atomic.Int32
	race(crowd, func(int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			if _, err := s.Principals.ByID(ctx, "u1"); err != nil {
				return err
			}
			return s.Principals.Delete(ctx, "u1")
		})
		switch {
		case err == nil:
			done.Add(1)
		case errors.Is(err, outbound.ErrNotFound):
			missing.Add(1)
		default:
			t.Errorf("Within = %v", err)
		}
	})
	if done.Load() != 1 || missing.Load() != crowd-1 {
		t.Errorf("of %d parallel deletions %d were done and %d found nobody", crowd, done.Load(), missing.Load())
	}
}

// Everybody tries to get rid of the next one, in one way or the other.
func oneAdminIsNeitherDeletedNorDemoted(t *testing.T, w work) {
	const n = 8
	for i := range n {
		add(t, w, admin(fmt.Sprint("a", i)))
	}
	race(n, func(i int) {
		victim := principal.ID(fmt.Sprint("a", (i+1)%n))
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			admins, err := s.Principals.EnabledAdmins(ctx)
			if err != nil || len(admins) < 2 {
				return err
			}
			p, err := s.Principals.ByID(ctx, victim)
			if err != nil {
				return err
			}
			if i%2 == 0 {
				return s.Principals.Delete(ctx, victim)
			}
			p.SetAdmin(false)
			return s.Principals.Save(ctx, p)
		})
		if err != nil {
			t.Errorf("Within = %v", err)
		}
	})
	if left, err := w.Single().Principals.EnabledAdmins(t.Context()); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v, want one", left, err)
	}
}

func disownLetsMailsGo(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	link, alert, leased, other, sent := letter("n1", "u1"), letter("n2", "u1"), letter("n3", "u1"), letter("n4", "u2"), letter("n0", "u1")
	alert.Kind, leased.Kind, sent.Kind = notice.LoginAlert, notice.LoginAlert, notice.LoginAlert
	addNotices(t, w, sent)
	settle(t, w, claim(t, w, "me", at, 1)[0], outbound.Outcome{At: at})
	addNotices(t, w, leased)
	held := claim(t, w, "me", at, 1)[0]
	addNotices(t, w, link, alert, other)
	within(t, w, func(ctx context.Context, s stores) error {
		if err := s.Outbox.Disown(ctx, "u1", []notice.Kind{notice.EmailVerification}, "gone", at); err != nil {
			return err
		}
		return s.Principals.Delete(ctx, "u1")
	})
	all := claim(t, w, "another", at, 9)
	if got := idsOf(all); got != "n2 n4 " {
		t.Fatalf("claimed %q, want the alert and what is another's", got)
	}
	alert.Principal = ""
	for _, n := range []*notice.Notice{&alert, &all[0].Notice} {
		inUTC(&n.CreatedAt, &n.ExpiresAt)
	}
	same(t, "alert", all[0].Notice, alert)
	settle(t, w, held, outbound.Outcome{At: at, RetryAt: at}) // whoever has one leased keeps it
	if got := idsOf(claim(t, w, "me", at, 9)); got != "n3 " {
		t.Errorf("claimed %q, want the one that was leased", got)
	}
	if b, err := w.Single().Outbox.Backlog(t.Context()); err != nil || b.Dead != 1 {
		t.Errorf("Backlog = %+v, %v, want one that was given up", b, err)
	}
}

func forgetRemovesCounters(t *testing.T, w work) {
	here, there := throttle.Subject{Account: "ada@example.com", Network: "n1"}, throttle.Subject{Account: "bob@example.com", Network: "n1"}
	counted := throttle.State{Network: throttle.Counter{Failures: 3, Last: at}, Account: throttle.Counter{Failures: 4, Last: at}}
	within(t, w, func(ctx context.Context, s stores) error {
		return errors.Join(s.Attempts.Save(ctx, here, counted), s.Attempts.Save(ctx, there, counted))
	})
	must(t, w.Single().Attempts.Forget(t.Context(), here))
	must(t, w.Single().Attempts.Forget(t.Context(), here))
	got, err := w.Single().Attempts.State(t.Context(), here)
	must(t, err)
	same(t, "forgotten", got, throttle.State{})
	if got, err = w.Single().Attempts.State(t.Context(), there); err != nil || got.Account.Failures != 4 || got.Network.Failures != 3 {
		t.Errorf("another account's are %+v, %v", got, err)
	}
}

func erasuresAreKeptOnce(t *testing.T, w work) {
	within(t, w, func(ctx context.Context, s stores) error {
		var errs []error
		for i, id := range []principal.ID{"b", "C", "a", "b"} {
			errs = append(errs, s.Erasures.Add(ctx, principal.Erasure{ID: id, At: at.Add(time.Duration(i) * time.Hour)}))
		}
		return errors.Join(errs...)
	})
	for _, tc := range []struct {
		after principal.ID
		limit int
		want  string
	}{{"", 9, "C+1 a+2 b+0 "}, {"", 2, "C+1 a+2 "}, {"C", 1, "a+2 "}, {"b", 9, ""}} {
		all, err := w.Single().Erasures.After(t.Context(), tc.after, tc.limit)
		must(t, err)
		got := ""
		for _, e := range all {
			got += fmt.Sprintf("%s+%d ", e.ID, e.At.Sub(at)/time.Hour)
		}
		if got != tc.want {
			t.Errorf("After(%q, %d) = %q, want %q", tc.after, tc.limit, got, tc.want)
		}
	}
	for id, want := range map[principal.ID]bool{"a": true, "b": true, "C": true, "c": false, "B": false, "": false, "aa": false} {
		if has, err := w.Single().Erasures.Has(t.Context(), id); has != want || err != nil {
			t.Errorf("Has(%q) = %v, %v", id, has, err)
		}
	}
}

func purgeGuestsLeavesTheActive(t *testing.T, w work) {
	add(t, w, user("u1"))
	for i, active := range []time.Duration{-3 * time.Hour, -2 * time.Hour, -time.Hour, 0, time.Hour} { // after the limit
		g := guest(fmt.Sprint("g", i))
		g.CreatedAt, g.LastActive = at.Add(-9*time.Hour), at.Add(active)
		add(t, w, g)
	}
	addSessions(t, w, signedIn("s0", "g0"))
	for _, step := range []struct{ limit, want int }{{2, 2}, {2, 1}, {2, 0}} {
		n, err := w.Single().Principals.PurgeGuests(t.Context(), at, step.limit)
		if err != nil || n != step.want {
			t.Fatalf("PurgeGuests = %d, %v, want %d", n, err, step.want)
		}
	}
	if _, err := w.Single().Sessions.Access(t.Context(), "s0"); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("Access to a session of a guest who is gone = %v", err)
	}
	for _, id := range []principal.ID{"u1", "g3", "g4"} {
		load(t, w, id)
	}
}

// A guest who refreshes while the housekeeping looks for guests stays (faults
// F95).
func purgeGuestsIsOvertakenByActivity(t *testing.T, w work) {
	const n = 16
	for i := range n {
		g := guest(fmt.Sprint("g", i))
		add(t, w, g)
		addSessions(t, w, signedIn(session.ID(fmt.Sprint("s", i)), g.ID))
	}
	now := at.Add(time.Minute)
	var refreshed [n]bool
	race(n+1, func(i int) {
		if i == n {
			if _, err := w.Single().Principals.PurgeGuests(t.Context(), now, n); err != nil {
				t.Errorf("PurgeGuests = %v", err)
			}
			return
		}
		done, err := w.Single().Sessions.Rotate(t.Context(), session.Rotation{
			SessionID: session.ID(fmt.Sprint("s", i)), PrincipalID: principal.ID(fmt.Sprint("g", i)),
			Presented: fmt.Sprint("refresh-s", i), Next: "next", At: now, ExpiresAt: now.Add(time.Hour), GraceUntil: now.Add(time.Minute),
		})
		if err != nil {
			t.Errorf("Rotate = %v", err)
		}
		refreshed[i] = done
	})
	for i, stays := range refreshed {
		_, err := w.Single().Principals.ByID(t.Context(), principal.ID(fmt.Sprint("g", i)))
		if gone := errors.Is(err, outbound.ErrNotFound); gone == stays {
			t.Errorf("guest %d: refreshed %t, gone %t", i, stays, gone)
		}
	}
}
