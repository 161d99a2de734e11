package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	app "gatehouse/application/session"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

func TestSignOut(t *testing.T) {
	rubbish := secret.New("rubbish")
	for name, tc := range map[string]struct {
		tokens func(mine, other session.Pair) (access, refresh secret.Text)
		after  time.Duration
		mine   bool // ends
		other  bool // ends
	}{
		"by the access token":          {tokens: func(m, _ session.Pair) (a, r secret.Text) { return m.Access, r }, mine: true},
		"by an expired access token":   {tokens: func(m, _ session.Pair) (a, r secret.Text) { return m.Access, r }, after: time.Hour, mine: true},
		"by the refresh token":         {tokens: func(m, _ session.Pair) (a, r secret.Text) { return a, m.Refresh }, mine: true},
		"by both":                      {tokens: func(m, _ session.Pair) (a, r secret.Text) { return m.Access, m.Refresh }, mine: true},
		"the access token counts":      {tokens: func(m, o session.Pair) (a, r secret.Text) { return m.Access, o.Refresh }, mine: true},
		"a bad access token does not":  {tokens: func(m, _ session.Pair) (a, r secret.Text) { return rubbish, m.Refresh }, mine: true},
		"tokens in each other's place": {tokens: func(m, _ session.Pair) (a, r secret.Text) { return m.Refresh, m.Access }},
		"no token":                     {tokens: func(_, _ session.Pair) (a, r secret.Text) { return a, r }},
		"rubbish":                      {tokens: func(_, _ session.Pair) (a, r secret.Text) { return rubbish, rubbish }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			mine, other := w.enter(t), w.enter(t)
			usable, others := w.challenge(t, "ada", mine.SessionID), w.challenge(t, "ada", other.SessionID)
			w.now = w.now.Add(tc.after)
			var cmd inbound.SignOut
			cmd.AccessToken, cmd.RefreshToken = tc.tokens(mine.Tokens, other.Tokens)
			if _, err := w.signerOut().Do(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
			if ended := !w.stored(t, mine.SessionID).EndedAt.IsZero(); ended != tc.mine {
				t.Errorf("ended: %v", ended)
			}
			if ended := !w.stored(t, other.SessionID).EndedAt.IsZero(); ended != tc.other {
				t.Errorf("the other one ended: %v", ended)
			}
			if usable() == tc.mine || others() == tc.other {
				t.Errorf("challenges usable: %v and %v", usable(), others())
			}
			var told []outbound.Revocation
			if tc.mine {
				told = []outbound.Revocation{{Principal: "ada", Session: mine.SessionID}}
			}
			if !slices.Equal(w.caches.Told(), told) {
				t.Errorf("caches were told %v, want %v", w.caches.Told(), told)
			}
		})
	}
}

// Q3: the first one may have ended the session, and failed before it told the
// caches. Whoever repeats it relies on that they know.
func TestSigningOutTwiceEndsNothingMoreAndTellsTheCachesAgain(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	signedOut(t, w, in)
	ended := w.stored(t, in.SessionID)
	w.now = w.now.Add(time.Minute)
	signedOut(t, w, in)
	if again := w.stored(t, in.SessionID); !again.EndedAt.Equal(ended.EndedAt) || len(w.caches.Told()) != 2 {
		t.Errorf("ended at %v, then %v; caches were told %v", ended.EndedAt, again.EndedAt, w.caches.Told())
	}
}

// F05
func TestNothingOfAnEndedSessionWorks(t *testing.T) {
	ends := map[string]func(*testing.T, *world, inbound.SignedIn) error{
		"signed out": func(t *testing.T, w *world, in inbound.SignedIn) error {
			_, err := w.signerOut().Do(t.Context(), inbound.SignOut{AccessToken: in.Tokens.Access})
			return err
		},
		"ended": func(t *testing.T, w *world, in inbound.SignedIn) error {
			_, err := app.NewEnder(w.ending()).Do(t.Context(), inbound.EndSession{Context: by("ada", "s-other"), SessionID: in.SessionID})
			return err
		},
		"all ended": func(t *testing.T, w *world, in inbound.SignedIn) error {
			_, err := app.NewAllEnder(w.ending()).Do(t.Context(), inbound.EndAllSessions{Context: by("ada", in.SessionID)})
			return err
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.enter(t)
			next := w.mustRefresh(t, in.Tokens.Refresh)
			if err := end(t, w, in); err != nil {
				t.Fatal(err)
			}
			for _, p := range []session.Pair{in.Tokens, next.Tokens} {
				if code := w.accepts(t, p.Access); code != fault.AccessTokenExpired {
					t.Errorf("an access token is %q", code)
				}
				if _, err := w.refresh(t.Context(), p.Refresh); fault.CodeOf(err) != fault.RefreshTokenInvalid {
					t.Errorf("a refresh token: %v", err)
				}
			}
			if _, err := w.stepperUp().Do(t.Context(), stepUp("ada", in.SessionID, right)); fault.CodeOf(err) != fault.SessionExpired {
				t.Errorf("step-up: %v", err)
			}
			if n := len(w.mails(t)); n != 0 {
				t.Errorf("%d mails", n)
			}
		})
	}
}

func by(of principal.ID, in session.ID) inbound.Context {
	return inbound.Context{Caller: session.Caller{PrincipalID: of, SessionID: in}}
}

func TestCachesThatFailAreOnlyToldOfAfterwards(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *world, inbound.SignedIn) error{
		"sign-out": func(t *testing.T, w *world, in inbound.SignedIn) error {
			_, err := w.signerOut().Do(t.Context(), inbound.SignOut{RefreshToken: in.Tokens.Refresh})
			return err
		},
		"one": func(t *testing.T, w *world, in inbound.SignedIn) error {
			_, err := app.NewEnder(w.ending()).Do(t.Context(), inbound.EndSession{Context: by("ada", in.SessionID), SessionID: in.SessionID})
			return err
		},
		"all": func(t *testing.T, w *world, in inbound.SignedIn) error {
			_, err := app.NewAllEnder(w.ending()).Do(t.Context(), inbound.EndAllSessions{Context: by("ada", in.SessionID)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.enter(t)
			w.caches.Fails = errors.New("cache down")
			if err := end(t, w, in); fault.CodeOf(err) != fault.PostCommitSideEffectFailure || !errors.Is(err, w.caches.Fails) {
				t.Errorf("Do = %v", err)
			}
			if w.stored(t, in.SessionID).EndedAt.IsZero() {
				t.Error("the session goes on")
			}
		})
	}
}

// leaving is a store whose caller is gone once something is committed.
type leaving struct {
	outbound.UnitOfWork

	leave func()
}

func (l leaving) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	err := l.UnitOfWork.Within(ctx, fn)
	l.leave()
	return err
}

func TestCachesAreToldAlsoWhenTheCallerIsGone(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.work.UnitOfWork = leaving{w.store, cancel}
	if _, err := w.signerOut().Do(ctx, inbound.SignOut{AccessToken: in.Tokens.Access}); err != nil {
		t.Fatal(err)
	}
	if w.caches.Late() || len(w.caches.Told()) != 1 {
		t.Errorf("told %v with a context that was over: %v", w.caches.Told(), w.caches.Late())
	}
}

func TestListingSessions(t *testing.T) {
	w := newWorld(t)
	first := w.enter(t)
	w.now = w.now.Add(time.Minute)
	second := w.enter(t)
	w.now = w.now.Add(time.Minute)
	third := w.enter(t)
	w.now = w.now.Add(time.Minute)
	ended := w.enter(t)
	signedOut(t, w, ended)
	w.enterGuest(t)
	for name, tc := range map[string]struct {
		caller session.ID
		want   []session.ID
	}{
		"the latest one calls":   {third.SessionID, []session.ID{third.SessionID, second.SessionID, first.SessionID}},
		"one in between calls":   {second.SessionID, []session.ID{second.SessionID, third.SessionID, first.SessionID}},
		"the oldest one calls":   {first.SessionID, []session.ID{first.SessionID, third.SessionID, second.SessionID}},
		"one that is gone calls": {ended.SessionID, []session.ID{third.SessionID, second.SessionID, first.SessionID}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.lister().Do(t.Context(), inbound.ListSessions{Context: by("ada", tc.caller)})
			if err != nil || !slices.Equal(ids(got), tc.want) {
				t.Errorf("Do = %v, %v, want %v", ids(got), err, tc.want)
			}
		})
	}
	w.now = first.Tokens.RefreshExpires.Add(time.Second)
	got, err := w.lister().Do(t.Context(), inbound.ListSessions{Context: by("ada", third.SessionID)})
	if want := []session.ID{third.SessionID, second.SessionID}; err != nil || !slices.Equal(ids(got), want) {
		t.Errorf("after the first one expired: %v, %v, want %v", ids(got), err, want)
	}
}

func ids(all inbound.Sessions) (out []session.ID) {
	for _, s := range all {
		out = append(out, s.ID)
	}
	return out
}

func TestEndingOneSession(t *testing.T) {
	for name, tc := range map[string]struct {
		which func(mine, other, foreign session.ID) session.ID
		ended string
	}{
		"another one":    {func(_, other, _ session.ID) session.ID { return other }, "other"},
		"the own one":    {func(mine, _, _ session.ID) session.ID { return mine }, "mine"},
		"a foreign one":  {func(_, _, foreign session.ID) session.ID { return foreign }, ""},
		"an unknown one": {func(_, _, _ session.ID) session.ID { return "s9" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			mine, other, foreign := w.enter(t).SessionID, w.enter(t).SessionID, w.enterGuest(t).SessionID
			which := tc.which(mine, other, foreign)
			usable := w.challenge(t, "ada", other)
			got, err := app.NewEnder(w.ending()).Do(t.Context(), inbound.EndSession{Context: by("ada", mine), SessionID: which})
			if err != nil {
				t.Fatal(err)
			}
			want, told := []session.ID{mine, other}, []outbound.Revocation{{Principal: "ada", Session: which}}
			if tc.ended != "" {
				want = slices.DeleteFunc(want, func(id session.ID) bool { return id == which })
			}
			if !slices.Equal(ids(got), want) || len(w.sessions(t, "gus")) != 1 {
				t.Errorf("left: %v, want %v; of gus %d", ids(got), want, len(w.sessions(t, "gus")))
			}
			if !slices.Equal(w.caches.Told(), told) || usable() != (tc.ended != "other") {
				t.Errorf("caches were told %v, want %v; challenge usable: %v", w.caches.Told(), told, usable())
			}
		})
	}
}

func TestEndingAllSessions(t *testing.T) {
	w := newWorld(t)
	mine := w.enter(t)
	w.enter(t)
	usable, foreign := w.challenge(t, "ada", mine.SessionID), w.challenge(t, "gus", w.enterGuest(t).SessionID)
	if _, err := app.NewAllEnder(w.ending()).Do(t.Context(), inbound.EndAllSessions{Context: by("ada", mine.SessionID)}); err != nil {
		t.Fatal(err)
	}
	if len(w.sessions(t, "ada")) != 0 || len(w.sessions(t, "gus")) != 1 {
		t.Errorf("sessions %v and %v", w.sessions(t, "ada"), w.sessions(t, "gus"))
	}
	if usable() || !foreign() {
		t.Errorf("challenges usable: %v and %v", usable(), foreign())
	}
	if want := []outbound.Revocation{{Principal: "ada"}}; !slices.Equal(w.caches.Told(), want) {
		t.Errorf("caches were told %v, want %v", w.caches.Told(), want)
	}
}

func TestOwnSessionsOfNobody(t *testing.T) {
	w := newWorld(t)
	gone := by("eve", "s9")
	_, err1 := w.lister().Do(t.Context(), inbound.ListSessions{Context: gone})
	_, err2 := app.NewEnder(w.ending()).Do(t.Context(), inbound.EndSession{Context: gone, SessionID: "s9"})
	_, err3 := app.NewAllEnder(w.ending()).Do(t.Context(), inbound.EndAllSessions{Context: gone})
	for _, err := range []error{err1, err2, err3} {
		if fault.CodeOf(err) != fault.PrincipalNotFound {
			t.Errorf("Do = %v", err)
		}
	}
}

func TestEndingWithoutADatabase(t *testing.T) {
	for name, act := range map[string]func(context.Context, *world, inbound.SignedIn) error{
		"sign-out": func(ctx context.Context, w *world, in inbound.SignedIn) error {
			_, err := w.signerOut().Do(ctx, inbound.SignOut{AccessToken: in.Tokens.Access})
			return err
		},
		"one": func(ctx context.Context, w *world, in inbound.SignedIn) error {
			_, err := app.NewEnder(w.ending()).Do(ctx, inbound.EndSession{Context: by("ada", in.SessionID), SessionID: in.SessionID})
			return err
		},
		"all": func(ctx context.Context, w *world, in inbound.SignedIn) error {
			_, err := app.NewAllEnder(w.ending()).Do(ctx, inbound.EndAllSessions{Context: by("ada", in.SessionID)})
			return err
		},
		"list": func(ctx context.Context, w *world, in inbound.SignedIn) error {
			_, err := w.lister().Do(ctx, inbound.ListSessions{Context: by("ada", in.SessionID)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			everyFailure(t, func(t *testing.T) (*world, func(context.Context) error) {
				w := newWorld(t)
				in := w.enter(t)
				return w, func(ctx context.Context) error { return act(ctx, w, in) }
			}, func(t *testing.T, w *world, err error) {
				if fault.CodeOf(err) != fault.DatabaseFailure || len(w.sessions(t, "ada")) != 1 || len(w.caches.Told()) != 0 {
					t.Errorf("Do = %v, sessions %v, caches were told %v", err, w.sessions(t, "ada"), w.caches.Told())
				}
			})
		})
	}
}
