package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

var sessionChecks = []storeCheck{
	{"SessionRoundTrip", sessionRoundTrip},
	{"SessionNeedsItsPrincipal", sessionNeedsItsPrincipal},
	{"AccessReadsTheMarks", accessReadsTheMarks},
	{"AccessFindsWhatIsOver", accessFindsWhatIsOver},
	{"AccessNotFound", accessNotFound},
	{"AccessOpensThePrincipalAsRead", accessOpensThePrincipalAsRead},
	{"OfListsLiveSessions", ofListsLiveSessions},
	{"RotateExchanges", rotateExchanges},
	{"RotateKeepsWhatIsNotStated", rotateKeepsWhatIsNotStated},
	{"RotateRefuses", rotateRefuses},
	{"RotateHasOneWinner", rotateHasOneWinner},
	{"RotateAndEndAllAreOrdered", rotateAndEndAllAreOrdered},
	{"RefreshableFindsThePair", refreshableFindsThePair},
	{"EndEndsOne", endEndsOne},
	{"EndAllKeepsOne", endAllKeepsOne},
	{"EndEveryCounts", endEveryCounts},
	{"SessionsPurge", sessionsPurge},
	{"ARefreshedSessionIsPurgedByItsNewEnd", refreshedPurge},
	{"PairsPurge", pairsPurge},
}

// rotation exchanges the first refresh token of [signedIn], a second after
// [at].
func rotation(id session.ID, of principal.ID) session.Rotation {
	return session.Rotation{
		SessionID: id, PrincipalID: of, Presented: "refresh-" + string(id), Next: "next-" + string(id),
		Client: client.Info{Address: from("192.0.2.7").Address, Device: client.Device{Browser: "Safari", OS: "macOS"}},
		At:     at.Add(time.Second), ExpiresAt: at.Add(90 * time.Minute), GraceUntil: at.Add(11 * time.Second),
		Pair: session.Pair{
			Access: secret.New("access-" + string(id)), Refresh: secret.New("second-" + string(id)),
			AccessExpires: at.Add(15 * time.Minute), RefreshExpires: at.Add(90 * time.Minute),
		},
	}
}

func rotate(t *testing.T, w work, r session.Rotation) bool {
	t.Helper()
	done, err := w.Single().Sessions.Rotate(t.Context(), r)
	must(t, err)
	return done
}

func access(t *testing.T, w work, id session.ID) outbound.Access {
	t.Helper()
	a, err := w.Single().Sessions.Access(t.Context(), id)
	must(t, err)
	return a
}

// list returns the ids of the live sessions of a principal.
func list(t *testing.T, w work, of principal.ID) string {
	t.Helper()
	all, err := w.Single().Sessions.Of(t.Context(), of, at)
	must(t, err)
	ids := ""
	for _, s := range all {
		ids += string(s.ID) + " "
	}
	return ids
}

func sessionRoundTrip(t *testing.T, w work) {
	add(t, w, user("u1"), guest("g1"))
	bare := signedIn("s2", "g1")
	bare.Proven, bare.Client = session.Proven{session.AsGuest}, client.Info{}
	somewhere := signedIn("s3", "g1")
	somewhere.LastActive = at.Add(-time.Hour)
	somewhere.Client.Location = &client.Location{Country: "FR"}
	for _, want := range []session.Session{signedIn("s1", "u1"), bare, somewhere} {
		addSessions(t, w, want)
		all, err := w.Single().Sessions.Of(t.Context(), want.PrincipalID, at)
		must(t, err)
		sameSession(t, all[len(all)-1], want)
	}
}

func sessionNeedsItsPrincipal(t *testing.T, w work) {
	err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
		return s.Sessions.Add(ctx, signedIn("s1", "nobody"))
	})
	if fault.CodeOf(err) != fault.DatabaseFailure {
		t.Errorf("Add for nobody = %v, want DATABASE_FAILURE", err)
	}
}

func accessReadsTheMarks(t *testing.T, w work) {
	disabled := user("u2")
	disabled.Disabled, disabled.TokenGen = true, 0
	for i, p := range []principal.Snapshot{user("u1"), disabled, guest("g1")} {
		add(t, w, p)
		want := signedIn(session.ID(fmt.Sprint("s", i)), p.ID)
		addSessions(t, w, want)
		a, pair, err := w.Single().Sessions.Refreshable(t.Context(), want.ID, "unknown", at)
		must(t, err)
		if pair != nil {
			t.Error("Refreshable found a pair for a token that was never exchanged")
		}
		want.Client = client.Info{}
		for _, a := range []outbound.Access{access(t, w, want.ID), a} {
			sameSession(t, a.Session, want)
			if a.Guest != (p.Kind == principal.Guest) || a.Disabled != p.Disabled || a.TokenGen != p.TokenGen {
				t.Errorf("marks of %s: guest %t, disabled %t, generation %d", p.ID, a.Guest, a.Disabled, a.TokenGen)
			}
			opened, err := a.Open()
			must(t, err)
			samePrincipal(t, opened.Snapshot(), p)
		}
	}
}

// What an ended session is answered with is not for the store to say.
func accessFindsWhatIsOver(t *testing.T, w work) {
	add(t, w, user("u1"))
	ended, expired := signedIn("s1", "u1"), signedIn("s2", "u1")
	ended.EndedAt = at.Add(-time.Second)
	expired.ExpiresAt = at.Add(-time.Second)
	addSessions(t, w, ended, expired)
	for _, want := range []session.Session{ended, expired} {
		want.Client = client.Info{}
		sameSession(t, access(t, w, want.ID).Session, want)
	}
}

func accessNotFound(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"))
	_, err1 := w.Single().Sessions.Access(t.Context(), "s2")
	_, _, err2 := w.Single().Sessions.Refreshable(t.Context(), "s2", "refresh-s1", at)
	if !errors.Is(err1, outbound.ErrNotFound) || !errors.Is(err2, outbound.ErrNotFound) {
		t.Errorf("Access = %v, Refreshable = %v, want ErrNotFound", err1, err2)
	}
}

func accessOpensThePrincipalAsRead(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"))
	a := access(t, w, "s1")
	within(t, w, func(ctx context.Context, s stores) error {
		p, err := s.Principals.ByID(ctx, "u1")
		if err != nil {
			return err
		}
		p.Rename("Changed")
		return s.Principals.Save(ctx, p)
	})
	p, err := a.Open()
	must(t, err)
	samePrincipal(t, p.Snapshot(), user("u1"))
}

func ofListsLiveSessions(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	changed := func(id session.ID, change func(*session.Session)) session.Session {
		s := signedIn(id, "u1")
		change(&s)
		return s
	}
	addSessions(
		t, w,
		changed("b", func(*session.Session) {}), changed("a", func(*session.Session) {}), changed("C", func(*session.Session) {}),
		changed("latest", func(s *session.Session) { s.LastActive = at }),
		changed("oldest", func(s *session.Session) { s.LastActive = at.Add(-time.Minute - time.Microsecond) }),
		changed("ended", func(s *session.Session) { s.EndedAt = at }),
		changed("expired", func(s *session.Session) { s.ExpiresAt = at }),
		changed("too long", func(s *session.Session) { s.Until = at }),
		changed("just live", func(s *session.Session) {
			s.LastActive = at.Add(-time.Hour)
			s.ExpiresAt, s.Until = at.Add(time.Microsecond), at.Add(time.Microsecond)
		}),
		signedIn("another's", "u2"),
	)
	if got, want := list(t, w, "u1"), "latest C a b oldest just live "; got != want {
		t.Errorf("Of lists %s, want %s", got, want)
	}
	if got := list(t, w, "nobody"); got != "" {
		t.Errorf("Of nobody lists %s", got)
	}
}

func rotateExchanges(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"), signedIn("s2", "u1"))
	r := rotation("s1", "u1")
	if !rotate(t, w, r) {
		t.Fatal("Rotate of the current token = false")
	}
	want := signedIn("s1", "u1")
	want.RefreshID, want.Client, want.LastActive, want.ExpiresAt = r.Next, r.Client, r.At, r.ExpiresAt
	all, err := w.Single().Sessions.Of(t.Context(), "u1", at)
	must(t, err)
	sameSession(t, all[0], want)
	sameSession(t, all[1], signedIn("s2", "u1"))
	active := user("u1")
	active.LastActive = r.At
	if active.LastActive.Before(user("u1").LastActive) {
		active.LastActive = user("u1").LastActive
	}
	samePrincipal(t, load(t, w, "u1"), active)

	r.Presented, r.Next, r.At = r.Next, "third", at.Add(2*time.Minute)
	if !rotate(t, w, r) {
		t.Fatal("Rotate of the successor = false")
	}
	active.LastActive = r.At
	samePrincipal(t, load(t, w, "u1"), active)
}

// A refresh that does not state its device says nothing about the device; what
// it comes from is known anyway.
func rotateKeepsWhatIsNotStated(t *testing.T, w work) {
	add(t, w, user("u1"))
	for i, stated := range []client.Device{{}, {Browser: "Safari"}, {OS: "macOS"}} {
		id := session.ID(fmt.Sprint("s", i))
		addSessions(t, w, signedIn(id, "u1"))
		r := rotation(id, "u1")
		r.Client.Device = stated
		if !rotate(t, w, r) {
			t.Fatal("Rotate of the current token = false")
		}
		all, err := w.Single().Sessions.Of(t.Context(), "u1", at)
		must(t, err)
		for _, s := range all {
			if s.ID == id {
				want := r.Client
				want.Device = stated.Or(signedIn(id, "u1").Client.Device)
				same(t, "client", s.Client, want)
			}
		}
	}
}

func rotateRefuses(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	for i, tc := range []struct {
		name   string
		change func(*session.Session, *session.Rotation)
	}{
		{"other token", func(_ *session.Session, r *session.Rotation) { r.Presented = "other" }},
		{"unknown session", func(_ *session.Session, r *session.Rotation) { r.SessionID = "unknown" }},
		{"other principal", func(_ *session.Session, r *session.Rotation) { r.PrincipalID = "u2" }},
		{"ended", func(s *session.Session, _ *session.Rotation) { s.EndedAt = at }},
		{"expired", func(s *session.Session, r *session.Rotation) { s.ExpiresAt = r.At }},
		{"too long", func(s *session.Session, r *session.Rotation) { s.Until = r.At }},
	} {
		s := signedIn(session.ID(fmt.Sprint("s", i)), "u1")
		r := rotation(s.ID, "u1")
		r.At = at.Add(5 * time.Minute)
		r.GraceUntil = at.Add(time.Hour)
		tc.change(&s, &r)
		addSessions(t, w, s)
		if rotate(t, w, r) {
			t.Errorf("%s: Rotate = true", tc.name)
		}
		a, pair, err := w.Single().Sessions.Refreshable(t.Context(), s.ID, r.Presented, at)
		if pair != nil || err != nil {
			t.Errorf("%s: a pair was kept, %v", tc.name, err)
		}
		s.Client = client.Info{}
		sameSession(t, a.Session, s)
	}
	samePrincipal(t, load(t, w, "u1"), user("u1"))
}

func rotateHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"))
	var winner atomic.Value
	var wins atomic.Int32
	race(crowd, func(i int) {
		r := rotation("s1", "u1")
		r.Next = fmt.Sprint("next-", i)
		r.Pair.Refresh = secret.New(r.Next)
		var done bool
		var err error
		if i%2 == 0 {
			done, err = w.Single().Sessions.Rotate(t.Context(), r)
		} else {
			err = w.Within(t.Context(), func(ctx context.Context, s stores) (err error) {
				done, err = s.Sessions.Rotate(ctx, r)
				return err
			})
		}
		if err != nil {
			t.Errorf("Rotate = %v", err)
		}
		if done {
			wins.Add(1)
			winner.Store(r)
		}
	})
	if wins.Load() != 1 {
		t.Fatalf("%d of %d callers rotated", wins.Load(), crowd)
	}
	won := winner.Load().(session.Rotation)
	a, pair, err := w.Single().Sessions.Refreshable(t.Context(), "s1", won.Presented, at)
	if err != nil || pair == nil || a.Session.RefreshID != won.Next || pair.Refresh.Reveal() != won.Next {
		t.Errorf("session and pair are not the winner's: %v", err)
	}
}

// Whichever comes second sees the other: a session never outlives the end of
// all of them by being refreshed at the same time.
func rotateAndEndAllAreOrdered(t *testing.T, w work) {
	add(t, w, user("u1"))
	const n = 10
	for i := range n {
		addSessions(t, w, signedIn(session.ID(fmt.Sprint("s", i)), "u1"))
	}
	race(2*n, func(i int) {
		if i%2 == 0 {
			r := rotation(session.ID(fmt.Sprint("s", i/2)), "u1")
			if _, err := w.Single().Sessions.Rotate(t.Context(), r); err != nil {
				t.Errorf("Rotate = %v", err)
			}
			return
		}
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			p, err := s.Principals.ByID(ctx, "u1")
			if err != nil {
				return err
			}
			if err := s.Principals.Save(ctx, p); err != nil {
				return err
			}
			return s.Sessions.EndAll(ctx, "u1", "", session.PasswordChanged, at)
		})
		if err != nil {
			t.Errorf("Within = %v", err)
		}
	})
	if left := list(t, w, "u1"); left != "" {
		t.Errorf("sessions %s outlive the end of all", left)
	}
}

func refreshableFindsThePair(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"), signedIn("s2", "u1"))
	r := rotation("s1", "u1")
	rotate(t, w, r)
	for _, tc := range []struct {
		name      string
		id        session.ID
		presented string
		now       time.Time
		found     bool
	}{
		{"at once", "s1", r.Presented, r.At, true},
		{"in the last moment", "s1", r.Presented, r.GraceUntil.Add(-time.Microsecond), true},
		{"after the grace window", "s1", r.Presented, r.GraceUntil, false},
		{"the current token", "s1", r.Next, r.At, false},
		{"another session", "s2", r.Presented, r.At, false},
	} {
		a, pair, err := w.Single().Sessions.Refreshable(t.Context(), tc.id, tc.presented, tc.now)
		if err != nil || (pair != nil) != tc.found || a.Session.ID != tc.id {
			t.Errorf("%s: pair %v, %v", tc.name, pair, err)
		}
		if pair == nil {
			continue
		}
		got, want := *pair, r.Pair
		inUTC(&got.AccessExpires, &got.RefreshExpires, &want.AccessExpires, &want.RefreshExpires)
		if !got.Access.Equal(want.Access) || !got.Refresh.Equal(want.Refresh) {
			t.Errorf("%s: other tokens", tc.name)
		}
		same(t, tc.name, got, want)
	}
}

func endEndsOne(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	expired := signedIn("s3", "u1")
	expired.ExpiresAt = at
	addSessions(t, w, signedIn("s1", "u1"), signedIn("s2", "u1"), expired)
	for _, tc := range []struct {
		name string
		of   principal.ID
		id   session.ID
		want bool
	}{
		{"another's", "u2", "s1", false},
		{"unknown", "u1", "s9", false},
		{"expired", "u1", "s3", false},
		{"live", "u1", "s1", true},
		{"again", "u1", "s1", false},
	} {
		got, err := w.Single().Sessions.End(t.Context(), tc.of, tc.id, session.SignedOut, at)
		if err != nil || got != tc.want {
			t.Errorf("End of %s session = %t, %v, want %t", tc.name, got, err, tc.want)
		}
	}
	if ended := access(t, w, "s1").Session.EndedAt; !ended.Equal(at) {
		t.Errorf("EndedAt = %v, want %v", ended, at)
	}
	if got := list(t, w, "u1"); got != "s2 " {
		t.Errorf("left: %s", got)
	}
}

func endAllKeepsOne(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	before := signedIn("s4", "u1")
	before.EndedAt = at.Add(-time.Hour)
	addSessions(t, w, signedIn("s1", "u1"), signedIn("s2", "u1"), signedIn("s3", "u1"), before, signedIn("t1", "u2"))
	end := func(keep session.ID) {
		within(t, w, func(ctx context.Context, s stores) error {
			return s.Sessions.EndAll(ctx, "u1", keep, session.PasswordChanged, at)
		})
	}
	end("s2")
	if got := list(t, w, "u1") + list(t, w, "u2"); got != "s2 t1 " {
		t.Errorf("EndAll but s2 left %s", got)
	}
	if ended := access(t, w, "s4").Session.EndedAt; !ended.Equal(before.EndedAt) {
		t.Error("EndAll ended what was over")
	}
	end("")
	if got := list(t, w, "u1") + list(t, w, "u2"); got != "t1 " {
		t.Errorf("EndAll left %s", got)
	}
}

func endEveryCounts(t *testing.T, w work) {
	add(t, w, user("u1"), guest("g1"))
	before := signedIn("s3", "u1")
	before.EndedAt = at.Add(-time.Hour)
	addSessions(t, w, signedIn("s1", "u1"), signedIn("s2", "g1"), before)
	for _, want := range []int{2, 0} {
		n, err := w.Single().Sessions.EndEvery(t.Context(), session.EndedByOperator, at)
		if err != nil || n != want {
			t.Errorf("EndEvery = %d, %v, want %d", n, err, want)
		}
	}
	if got := list(t, w, "u1") + list(t, w, "g1"); got != "" {
		t.Errorf("EndEvery left %s", got)
	}
}

func sessionsPurge(t *testing.T, w work) {
	add(t, w, user("u1"))
	before := at.Add(-time.Hour)
	just := before.Add(-time.Microsecond)
	for id, change := range map[session.ID]func(*session.Session){
		"ended": func(s *session.Session) { s.EndedAt = just }, "expired": func(s *session.Session) { s.ExpiresAt = just },
		"too long": func(s *session.Session) { s.Until = just }, "live": func(*session.Session) {},
		"ended later": func(s *session.Session) { s.EndedAt = before }, "expired later": func(s *session.Session) { s.ExpiresAt = before },
	} {
		s := signedIn(id, "u1")
		change(&s)
		addSessions(t, w, s)
	}
	purged(t, "Sessions", 2, []int{2, 1, 0}, func(limit int) (int, error) {
		return w.Single().Sessions.Purge(t.Context(), at, before, limit)
	})
	for _, id := range []session.ID{"live", "ended later", "expired later"} {
		access(t, w, id)
	}
}

func refreshedPurge(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"))
	r := rotation("s1", "u1")
	if !rotate(t, w, r) || !r.ExpiresAt.After(signedIn("s1", "u1").ExpiresAt) {
		t.Fatal("the session does not live longer than before")
	}
	for _, tc := range []struct {
		before time.Time
		want   int
	}{{r.ExpiresAt, 0}, {r.ExpiresAt.Add(time.Microsecond), 1}} {
		for range 2 {
			n, err := w.Single().Sessions.Purge(t.Context(), at, tc.before, 9)
			must(t, err)
			if n != tc.want {
				t.Errorf("%d sessions purged that ended before %s, want %d", n, tc.before, tc.want)
			}
			tc.want = 0
		}
	}
}

// purged calls fn with a limit until there is nothing left.
func purged(t *testing.T, what string, limit int, want []int, fn func(limit int) (int, error)) {
	t.Helper()
	for i, n := range want {
		if got, err := fn(limit); got != n || err != nil {
			t.Errorf("%s.Purge number %d = %d, %v, want %d", what, i+1, got, err, n)
		}
	}
}

func pairsPurge(t *testing.T, w work) {
	add(t, w, user("u1"))
	for i := range 3 {
		id := session.ID(fmt.Sprint("s", i))
		addSessions(t, w, signedIn(id, "u1"))
		r := rotation(id, "u1")
		if i == 2 {
			r.GraceUntil = r.GraceUntil.Add(time.Microsecond)
		}
		rotate(t, w, r)
	}
	until := rotation("s0", "u1").GraceUntil
	purged(t, "Sessions", 1, []int{1, 1, 0}, func(limit int) (int, error) {
		return w.Single().Sessions.Purge(t.Context(), until, at.Add(-time.Hour), limit)
	})
	_, pair, err := w.Single().Sessions.Refreshable(t.Context(), "s2", "refresh-s2", until)
	if pair == nil || err != nil {
		t.Errorf("the pair inside its grace window is gone, %v", err)
	}
}
