package session_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/application/grant/granttest"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

func TestRefresh(t *testing.T) {
	for name, tc := range map[string]struct {
		token func(*testing.T, *world, inbound.SignedIn) secret.Text
		world func(*testing.T, *world, inbound.SignedIn)
		after time.Duration
		want  fault.Code
		ends  bool
	}{
		"the current token":              {after: time.Hour},
		"the last instant":               {after: 90*day - time.Second},
		"no token":                       {token: func(*testing.T, *world, inbound.SignedIn) secret.Text { return secret.Text{} }, want: fault.RefreshTokenMissing},
		"an empty token":                 {token: says(""), want: fault.RefreshTokenInvalid},
		"rubbish":                        {token: says("rubbish"), want: fault.RefreshTokenInvalid},
		"an access token":                {token: accessToken, want: fault.RefreshTokenInvalid},
		"past its end":                   {after: 90 * day, want: fault.RefreshTokenExpired},
		"session gone":                   {token: edited(func(c *token.Claims) { c.Session = "s9" }), want: fault.RefreshTokenInvalid},
		"of another principal":           {token: edited(func(c *token.Claims) { c.Subject = "gus" }), want: fault.RefreshTokenInvalid},
		"session ended":                  {world: signedOut, want: fault.RefreshTokenInvalid},
		"session ended and past its end": {world: signedOut, after: 90 * day, want: fault.RefreshTokenExpired},
		"disabled":                       {world: func(t *testing.T, w *world, _ inbound.SignedIn) { disabled(t, w) }, want: fault.RefreshTokenInvalid},
		"session at its end, token not": {
			token: edited(func(c *token.Claims) { c.ExpiresAt = noon.Add(365 * day) }), after: 90 * day, want: fault.RefreshTokenExpired,
		},
		"never current":          {token: edited(func(c *token.Claims) { c.ID = "r9" }), want: fault.RefreshTokenInvalid, ends: true},
		"no access token today":  {world: noTokens(token.Access), want: fault.TokenCreationFailure},
		"no refresh token today": {world: noTokens(token.Refresh), want: fault.TokenCreationFailure},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.enter(t)
			presented := in.Tokens.Refresh
			if tc.token != nil {
				presented = tc.token(t, w, in)
			}
			if tc.world != nil {
				tc.world(t, w, in)
			}
			before := w.stored(t, in.SessionID)
			w.now = w.now.Add(tc.after)
			w.work.units.Store(0)
			got, err := w.refresh(t.Context(), presented)
			if fault.CodeOf(err) != tc.want {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			after := w.stored(t, in.SessionID)
			if ended := after.EndedAt.After(before.EndedAt); ended != tc.ends {
				t.Errorf("ended: %v", ended)
			}
			if tc.want != "" {
				if after.RefreshID != before.RefreshID || !after.ExpiresAt.Equal(before.ExpiresAt) || got.Principal != nil || !got.Tokens.Access.Missing() {
					t.Errorf("refused, and yet %+v, answer %+v", after, got)
				}
				return
			}
			if n := w.work.units.Load(); n > 2 {
				t.Errorf("%d round trips, want two at most", n)
			}
			w.checkRefreshed(t, in, got)
		})
	}
}

func (w *world) checkRefreshed(t *testing.T, before, after inbound.SignedIn) {
	t.Helper()
	if after.SessionID != before.SessionID || !after.Principal.LastActive().Equal(w.now) || !w.load(t, "ada").LastActive().Equal(w.now) {
		t.Errorf("session %s, active %v, stored %v", after.SessionID, after.Principal.LastActive(), w.load(t, "ada").LastActive())
	}
	s := w.stored(t, before.SessionID)
	c, err := granttest.Read(after.Tokens.Refresh, token.Refresh)
	if err != nil || c.ID != s.RefreshID || c.ExpiresAt.After(s.ExpiresAt) || !s.ExpiresAt.Equal(w.now.Add(90*day)) || !s.LastActive.Equal(w.now) {
		t.Errorf("refresh token %+v, %v; session %+v", c, err, s)
	}
	if after.Tokens.Refresh.Equal(before.Tokens.Refresh) || after.Tokens.Access.Equal(before.Tokens.Access) {
		t.Error("the same token again")
	}
	if code := w.accepts(t, after.Tokens.Access); code != "" {
		t.Errorf("the access token is %s", code)
	}
}

func says(text string) func(*testing.T, *world, inbound.SignedIn) secret.Text {
	return func(*testing.T, *world, inbound.SignedIn) secret.Text { return secret.New(text) }
}

func accessToken(_ *testing.T, _ *world, in inbound.SignedIn) secret.Text { return in.Tokens.Access }

// edited is a token that we signed, but with other claims.
func edited(edit func(*token.Claims)) func(*testing.T, *world, inbound.SignedIn) secret.Text {
	return func(t *testing.T, w *world, in inbound.SignedIn) secret.Text {
		c, err := granttest.Read(in.Tokens.Refresh, token.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		edit(&c)
		s, err := w.tokens.Mint(token.Refresh, c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func signedOut(t *testing.T, w *world, in inbound.SignedIn) {
	if _, err := w.signerOut().Do(t.Context(), inbound.SignOut{AccessToken: in.Tokens.Access}); err != nil {
		t.Fatal(err)
	}
}

func noTokens(k token.Kind) func(*testing.T, *world, inbound.SignedIn) {
	return func(_ *testing.T, w *world, _ inbound.SignedIn) { w.tokens.Fails = k }
}

func (w *world) mustRefresh(t *testing.T, s secret.Text) inbound.SignedIn {
	t.Helper()
	got, err := w.refresh(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(a, b session.Pair) bool {
	return a.Access.Reveal() == b.Access.Reveal() && a.Refresh.Reveal() == b.Refresh.Reveal() &&
		a.AccessExpires.Equal(b.AccessExpires) && a.RefreshExpires.Equal(b.RefreshExpires)
}

// F01
func TestParallelRefreshesGetOnePair(t *testing.T) {
	const callers = 50
	for range 20 {
		w := newWorld(t)
		in := w.enter(t)
		won := &winners{UnitOfWork: w.work.UnitOfWork}
		w.work.UnitOfWork = won
		pairs := make([]session.Pair, callers)
		crowd(callers, func(i int) {
			got, err := w.refresh(t.Context(), in.Tokens.Refresh)
			if err != nil {
				t.Errorf("Do = %v", err)
				return
			}
			pairs[i] = got.Tokens
		})
		for _, p := range pairs {
			if !same(p, pairs[0]) {
				t.Fatal("two callers got two pairs")
			}
		}
		if won.rotations != 1 {
			t.Fatalf("%d rotations", won.rotations)
		}
		if got := w.mustRefresh(t, pairs[0].Refresh); same(got.Tokens, pairs[0]) {
			t.Fatal("the successor is not current")
		}
	}
}

// winners counts the rotations that took place.
type winners struct {
	outbound.UnitOfWork

	mu        sync.Mutex
	rotations int
}

func (w *winners) Single() outbound.Stores {
	s := w.UnitOfWork.Single()
	s.Sessions = &counted{s.Sessions, w}
	return s
}

type counted struct {
	outbound.Sessions

	by *winners
}

func (c *counted) Rotate(ctx context.Context, r session.Rotation) (bool, error) {
	done, err := c.Sessions.Rotate(ctx, r)
	if done {
		c.by.mu.Lock()
		c.by.rotations++
		c.by.mu.Unlock()
	}
	return done, err
}

// F03
func TestARepetitionGetsTheSameAnswerAndWritesNothing(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	w.now = w.now.Add(time.Hour)
	first := w.mustRefresh(t, in.Tokens.Refresh)
	rotated := w.now
	w.now = rotated.Add(3 * time.Second)
	second := w.mustRefresh(t, first.Tokens.Refresh)
	before := w.stored(t, in.SessionID)
	for _, after := range []time.Duration{4 * time.Second, grace - time.Microsecond, 5 * time.Second} {
		w.now = rotated.Add(after)
		w.work.units.Store(0)
		got := w.mustRefresh(t, in.Tokens.Refresh)
		if !same(got.Tokens, first.Tokens) || got.Principal.ID() != "ada" || got.SessionID != in.SessionID {
			t.Errorf("after %v: another pair", after)
		}
		if n := w.work.units.Load(); n != 1 {
			t.Errorf("after %v: %d round trips", after, n)
		}
	}
	if after := w.stored(t, in.SessionID); !reflect.DeepEqual(after, before) {
		t.Errorf("session\n got %+v\nwant %+v", after, before)
	}
	if got := w.mustRefresh(t, first.Tokens.Refresh); !same(got.Tokens, second.Tokens) {
		t.Error("the successor has another successor")
	}
	for _, pair := range []session.Pair{first.Tokens, second.Tokens} {
		if code := w.accepts(t, pair.Access); code != "" {
			t.Errorf("an access token of the session is %s", code)
		}
	}
}

// F02
func TestReuseEndsTheSessionAlthoughItIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		world func(*world)
		after time.Duration
		mails int
	}{
		"just after the window": {after: grace, mails: 1},
		"long after the window": {after: 30 * day, mails: 1},
		"alerts are off":        {after: grace, world: func(w *world) { w.alerts.RefreshReused = false }},
		"mail is off":           {after: grace, world: func(w *world) { w.mailOn = false }},
		"caches do not listen":  {after: grace, world: func(w *world) { w.caches.Fails = errors.New("cache down") }, mails: 1},
		"no window at all":      {world: func(w *world) { w.lifetimes.ReuseGrace = 0 }, mails: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.world != nil {
				tc.world(w)
			}
			in, other := w.enter(t), w.enter(t)
			next := w.mustRefresh(t, in.Tokens.Refresh)
			usable := w.challenge(t, "ada", in.SessionID)
			w.now = w.now.Add(tc.after)
			cmd := inbound.Refresh{Context: at("198.51.100.1"), RefreshToken: in.Tokens.Refresh}
			got, err := w.refresher().Do(t.Context(), cmd)
			if fault.CodeOf(err) != fault.RefreshTokenInvalid || got.Principal != nil {
				t.Fatalf("Do = %+v, %v", got, err)
			}
			w.checkReused(t, tc.mails, usable())
			if want := []outbound.Revocation{{Principal: "ada", Session: in.SessionID}}; !slices.Equal(w.caches.Told(), want) {
				t.Errorf("caches were told %v, want %v", w.caches.Told(), want)
			}
			if !errors.Is(err, w.caches.Fails) && w.caches.Fails != nil {
				t.Errorf("Do = %v, which hides that the caches failed", err)
			}
			for _, s := range []secret.Text{in.Tokens.Refresh, next.Tokens.Refresh} {
				if _, err := w.refresh(t.Context(), s); fault.CodeOf(err) != fault.RefreshTokenInvalid {
					t.Errorf("afterwards: %v", err)
				}
			}
			if code := w.accepts(t, next.Tokens.Access); code != fault.AccessTokenExpired {
				t.Errorf("the access token is %q", code)
			}
			if n := len(w.mails(t)); n != tc.mails {
				t.Errorf("%d mails after repetitions", n)
			}
			w.mustRefresh(t, other.Tokens.Refresh)
		})
	}
}

func (w *world) checkReused(t *testing.T, mails int, usable bool) {
	t.Helper()
	if usable {
		t.Error("a challenge still works")
	}
	owed := w.mails(t)
	if len(owed) != mails {
		t.Fatalf("mails %+v, want %d", owed, mails)
	}
	for _, n := range owed {
		if n.Kind != notice.RefreshTokenReused || n.To.Typed() != "ada@Example.com" || n.Locale != "de" ||
			n.From.Address.String() != "198.51.100.1" || n.From.Location == nil {
			t.Errorf("mail %+v", n)
		}
	}
}

// preceded is a store in which somebody else always commits first.
type preceded struct {
	outbound.UnitOfWork

	by func()
}

func (p preceded) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	p.by()
	return p.UnitOfWork.Within(ctx, fn)
}

func TestReuseFoundOutTwiceIsToldOnce(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	w.mustRefresh(t, in.Tokens.Refresh)
	w.now = w.now.Add(grace)
	reuse := func() {
		if _, err := w.refresh(t.Context(), in.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenInvalid {
			t.Errorf("Do = %v", err)
		}
	}
	w.work.UnitOfWork = preceded{w.store, func() {
		w.work.UnitOfWork = w.store
		reuse()
	}}
	reuse()
	if n := len(w.mails(t)); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestReuseByAGuestMailsNobody(t *testing.T) {
	w := newWorld(t)
	in := w.enterGuest(t)
	w.mustRefresh(t, in.Tokens.Refresh)
	w.now = w.now.Add(grace)
	if _, err := w.refresh(t.Context(), in.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenInvalid {
		t.Fatalf("Do = %v", err)
	}
	if len(w.mails(t)) != 0 || len(w.sessions(t, "gus")) != 0 {
		t.Errorf("mails %v, sessions %v", w.mails(t), w.sessions(t, "gus"))
	}
}

// sealed is a store in which no principal can be opened.
type sealed struct{ outbound.UnitOfWork }

func (s sealed) Single() outbound.Stores {
	st := s.UnitOfWork.Single()
	st.Sessions = sealedSessions{st.Sessions}
	return st
}

type sealedSessions struct{ outbound.Sessions }

func (s sealedSessions) Refreshable(ctx context.Context, id session.ID, presented string, now time.Time) (outbound.Access, *session.Pair, error) {
	a, pair, err := s.Sessions.Refreshable(ctx, id, presented, now)
	a.Open = func() (*principal.Principal, error) { return nil, fault.New(fault.DatabaseEncryptionFailure) }
	return a, pair, err
}

func TestWhatCannotBeOpenedIsNotRefreshed(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	w.work.UnitOfWork = sealed{w.store}
	if _, err := w.refresh(t.Context(), in.Tokens.Refresh); fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
		t.Errorf("the current token: %v", err)
	}
	w.work.UnitOfWork = w.store
	next := w.mustRefresh(t, in.Tokens.Refresh)
	w.work.UnitOfWork = sealed{w.store}
	if _, err := w.refresh(t.Context(), in.Tokens.Refresh); fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
		t.Errorf("a repetition: %v", err)
	}
	w.now = w.now.Add(grace)
	if _, err := w.refresh(t.Context(), in.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenInvalid || !errors.Is(err, fault.DatabaseEncryptionFailure) {
		t.Errorf("a token used again: %v", err)
	}
	if _, err := w.refresh(t.Context(), next.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenInvalid {
		t.Errorf("a thief goes on when the owner cannot be told: %v", err)
	}
}

func TestRefreshKeepsWhatTheClientDoesNotState(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	stated := from("198.51.100.1")
	stated.Device = client.Device{OS: "Plan 9"}
	got, err := w.refresher().Do(t.Context(), inbound.Refresh{Context: inbound.Context{From: stated}, RefreshToken: in.Tokens.Refresh})
	if err != nil {
		t.Fatal(err)
	}
	c := w.sessions(t, "ada")[0].Client
	place := "City of 198.51.100.0/24"
	if c.Device != (client.Device{Browser: "Firefox", OS: "Plan 9"}) || c.Address != stated.Address || c.Location.City != place || got.Location.City != place {
		t.Errorf("client %+v at %+v", c, c.Location)
	}
}

func TestRefreshRereadsRightsButNotWhatWasProven(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	w.change(t, "ada", func(p *principal.Principal) { p.SetAdmin(true) })
	if code := w.accepts(t, in.Tokens.Access); code != fault.AccessTokenExpired {
		t.Errorf("the stale access token is %q", code)
	}
	w.now = w.now.Add(time.Hour)
	got := w.mustRefresh(t, in.Tokens.Refresh)
	c, err := granttest.Read(got.Tokens.Access, token.Access)
	if err != nil || !slices.Equal(c.Roles, []string{"USER", "ADMIN"}) || c.ACR != "aal1" || !c.AuthTime.Equal(noon.Truncate(time.Second)) {
		t.Errorf("access token %+v, %v", c, err)
	}
	if code := w.accepts(t, got.Tokens.Access); code != "" {
		t.Errorf("the fresh access token is %s", code)
	}
}

func TestNoRefreshLeadsPastTheCap(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	for _, after := range []time.Duration{80 * day, 160 * day, 180*day - time.Minute} {
		w.now = noon.Add(after)
		in = w.mustRefresh(t, in.Tokens.Refresh)
	}
	if end := noon.Add(180 * day).Truncate(time.Second); !in.Tokens.RefreshExpires.Equal(end) || !in.Tokens.AccessExpires.Equal(end) {
		t.Errorf("tokens until %v and %v, want %v", in.Tokens.AccessExpires, in.Tokens.RefreshExpires, end)
	}
	w.now = noon.Add(180 * day)
	if _, err := w.refresh(t.Context(), in.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenExpired {
		t.Errorf("at the cap: %v", err)
	}
}

func TestGuestsRefreshForThirtyDays(t *testing.T) {
	w := newWorld(t)
	in := w.enterGuest(t)
	w.now = noon.Add(30*day - time.Second)
	in = w.mustRefresh(t, in.Tokens.Refresh)
	if want := w.now.Add(30 * day).Truncate(time.Second); !in.Tokens.RefreshExpires.Equal(want) {
		t.Errorf("until %v, want %v", in.Tokens.RefreshExpires, want)
	}
	w.now = w.now.Add(30 * day)
	if _, err := w.refresh(t.Context(), in.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenExpired {
		t.Errorf("Do = %v", err)
	}
}

// F30: an end is an instant, whatever the clock does in between.
func TestClockStepsLengthenNothing(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	end := in.Tokens.RefreshExpires
	w.now = noon.Add(10 * time.Minute)
	next := w.mustRefresh(t, in.Tokens.Refresh)
	w.now = noon.Add(-10 * time.Minute) // ten minutes behind the sign-in
	if got := w.mustRefresh(t, in.Tokens.Refresh); !same(got.Tokens, next.Tokens) {
		t.Error("a repetition has another successor")
	}
	back := w.mustRefresh(t, next.Tokens.Refresh)
	if !back.Tokens.RefreshExpires.Before(end) {
		t.Errorf("until %v, later than %v", back.Tokens.RefreshExpires, end)
	}
	if active := w.load(t, "ada").LastActive(); !active.Equal(noon.Add(10 * time.Minute)) {
		t.Errorf("last active %v", active)
	}
	w.now = noon.Add(time.Hour)
	if _, err := w.refresh(t.Context(), next.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenInvalid {
		t.Errorf("a token rotated an hour ago: %v", err)
	}
}

func TestRefreshWithoutADatabaseNeverCallsTheTokenInvalid(t *testing.T) {
	for name, after := range map[string]time.Duration{"rotation": -1, "repetition": 0, "reuse": grace} {
		t.Run(name, func(t *testing.T) {
			var in inbound.SignedIn
			sound := func(t *testing.T) *world {
				w := newWorld(t)
				in = w.enter(t)
				if after >= 0 {
					w.mustRefresh(t, in.Tokens.Refresh)
					w.now = w.now.Add(after)
				}
				return w
			}
			for calls := range int32(20) {
				w := sound(t)
				ctx := &dying{Context: t.Context()}
				ctx.left.Store(calls)
				before := w.stored(t, in.SessionID)
				_, err := w.refresh(ctx, in.Tokens.Refresh)
				if ctx.left.Load() >= 0 {
					return
				}
				if fault.CodeOf(err) != fault.DatabaseFailure {
					t.Errorf("dead after %d calls: %v", calls, err)
				}
				if s := w.stored(t, in.SessionID); !reflect.DeepEqual(s, before) || len(w.mails(t)) != 0 {
					t.Errorf("dead after %d calls, and yet %+v, mails %v", calls, s, w.mails(t))
				}
			}
			t.Error("it never got through")
		})
	}
}

// lagging is a store whose rotations come to nothing, although no one else's
// does either.
type lagging struct{ outbound.UnitOfWork }

func (l lagging) Single() outbound.Stores {
	s := l.UnitOfWork.Single()
	s.Sessions = laggingSessions{s.Sessions}
	return s
}

type laggingSessions struct{ outbound.Sessions }

func (laggingSessions) Rotate(context.Context, session.Rotation) (bool, error) { return false, nil }

func TestARefreshThatNeverWinsGivesUp(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	w.work.UnitOfWork = lagging{w.store}
	w.work.units.Store(0)
	_, err := w.refresh(t.Context(), in.Tokens.Refresh)
	if fault.CodeOf(err) != fault.InternalError || w.work.units.Load() != 6 {
		t.Errorf("Do = %v after %d round trips", err, w.work.units.Load())
	}
}

// F06, F07: whichever of the two is second sees the other.
func TestARefreshThatRacesWithTheEndOfAllSessionsGainsNothing(t *testing.T) {
	for range 100 {
		w := newWorld(t)
		in := w.enter(t)
		var got inbound.SignedIn
		crowd(2, func(i int) {
			if i == 0 {
				got, _ = w.refresh(t.Context(), in.Tokens.Refresh)
				return
			}
			w.within(t, func(ctx context.Context, s outbound.Stores) error {
				return s.Sessions.EndAll(ctx, "ada", "", session.PasswordChanged, w.now)
			})
		})
		if got.Principal == nil {
			continue
		}
		if _, err := w.refresh(t.Context(), got.Tokens.Refresh); fault.CodeOf(err) != fault.RefreshTokenInvalid {
			t.Fatalf("Do = %v", err)
		}
		if code := w.accepts(t, got.Tokens.Access); code != fault.AccessTokenExpired {
			t.Fatalf("the access token is %q", code)
		}
	}
}
