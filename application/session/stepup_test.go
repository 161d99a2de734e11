package session_test

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/application/grant/granttest"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
)

func stepUp(of principal.ID, in session.ID, pw string) inbound.StepUp {
	cmd := inbound.StepUp{Context: at(home), Password: password.NewPlain(pw)}
	cmd.Caller = session.Caller{PrincipalID: of, SessionID: in}
	return cmd
}

func TestStepUp(t *testing.T) {
	for name, tc := range map[string]struct {
		caller   func(*session.Caller)
		password string
		missing  bool
		world    func(*testing.T, *world)
		session  func(*testing.T, *world, inbound.SignedIn)
		want     fault.Code
		counted  int
		hashes   int32
	}{
		"right":                     {hashes: 1},
		"right forgives wrong ones": {world: guessed(4), hashes: 1},
		"principal gone":            {caller: func(c *session.Caller) { c.PrincipalID = "eve" }, want: fault.PrincipalNotFound},
		"nobody":                    {caller: func(c *session.Caller) { *c = session.Caller{} }, want: fault.PrincipalNotFound},
		"session gone":              {caller: func(c *session.Caller) { c.SessionID = "s9" }, want: fault.SessionExpired},
		"session ended":             {session: signedOut, missing: true, want: fault.SessionExpired},
		"session of another":        {caller: func(c *session.Caller) { c.PrincipalID = "fay" }, want: fault.SessionExpired},
		"session expired":           {world: func(_ *testing.T, w *world) { w.now = w.now.Add(90 * day) }, want: fault.SessionExpired},
		"disabled":                  {world: disabled, want: fault.SessionExpired},
		"no password sent":          {missing: true, world: guessed(5), want: fault.MissingPasswordParameter, counted: 5},
		"throttled":                 {world: both(guessed(5), full), want: fault.TooManyAttempts, counted: 5},
		"full":                      {world: full, want: fault.ServiceOverloaded},
		"wrong":                     {password: wrong, want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"longer than any password":  {password: strings.Repeat("x", 5000), want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"the hasher is broken":      {world: func(_ *testing.T, w *world) { w.hasher.broken.Store(true) }, want: fault.HashFailure, counted: 1, hashes: 1},
		"no token today":            {world: noToken(token.StepUp), want: fault.TokenCreationFailure, hashes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.enter(t)
			w.hasher.hashes.Store(0)
			cmd := stepUp("ada", in.SessionID, or(tc.password, right))
			if tc.missing {
				cmd.Password = password.Plain{}
			}
			if tc.caller != nil {
				tc.caller(&cmd.Caller)
			}
			if tc.world != nil {
				tc.world(t, w)
			}
			if tc.session != nil {
				tc.session(t, w, in)
			}
			version := w.load(t, "ada").Snapshot().Version
			got, err := w.stepperUp().Do(t.Context(), cmd)
			if fault.CodeOf(err) != tc.want {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			if n := w.counted(t, "ada@example.com"); n != tc.counted {
				t.Errorf("%d wrong passwords are counted, want %d", n, tc.counted)
			}
			if n := w.hasher.hashes.Load(); n != tc.hashes {
				t.Errorf("%d hashes, want %d", n, tc.hashes)
			}
			if n := w.load(t, "ada").Snapshot().Version; n != version {
				t.Errorf("the record was written")
			}
			if tc.want != "" {
				if !got.Token.Missing() {
					t.Error("refused, and yet there is a token")
				}
				return
			}
			w.checkSteppedUp(t, got, "ada", in.SessionID, "pwd")
		})
	}
}

func (w *world) checkSteppedUp(t *testing.T, got inbound.SteppedUp, of principal.ID, in session.ID, amr string) {
	t.Helper()
	c, err := granttest.Read(got.Token, token.StepUp)
	if err != nil {
		t.Fatal(err)
	}
	sec := w.now.Truncate(time.Second)
	want := token.Claims{
		ID: c.ID, Subject: of, Session: in, IssuedAt: sec, ExpiresAt: sec.Add(10 * time.Minute),
		AMR: []string{amr}, ACR: session.Proven{session.Factor(amr)}.ACR(), AuthTime: sec,
	}
	if !reflect.DeepEqual(c, want) || !got.ExpiresAt.Equal(want.ExpiresAt) {
		t.Errorf("token until %v\n got %+v\nwant %+v", got.ExpiresAt, c, want)
	}
}

func TestUsersWithoutPasswordStepUpElsewhere(t *testing.T) {
	w := newWorld(t)
	cmd := stepUp("fay", w.admit(t, w.load(t, "fay"), session.Provider).SessionID, right)
	cmd.Password = password.Plain{}
	if _, err := w.stepperUp().Do(t.Context(), cmd); fault.CodeOf(err) != fault.NoPasswordProvider {
		t.Errorf("Do = %v", err)
	}
}

func TestGuestsAreBelievedForAWhile(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		ended bool
		want  fault.Code
	}{
		"at once":             {},
		"the last instant":    {after: 10*time.Minute - 1},
		"too old":             {after: 10 * time.Minute, want: fault.StepUpTokenCreationForbidden},
		"the clock went back": {after: -time.Minute},
		"signed out":          {ended: true, want: fault.SessionExpired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.enterGuest(t)
			if tc.ended {
				signedOut(t, w, in)
			}
			w.now = noon.Add(tc.after)
			cmd := stepUp("gus", in.SessionID, "")
			cmd.Password = password.Plain{}
			got, err := w.stepperUp().Do(t.Context(), cmd)
			if fault.CodeOf(err) != tc.want || w.hasher.hashes.Load() != 0 {
				t.Fatalf("Do = %v after %d hashes", err, w.hasher.hashes.Load())
			}
			if tc.want == "" {
				w.checkSteppedUp(t, got, "gus", in.SessionID, "guest")
			}
		})
	}
}

func TestStepUpOvertaken(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(*testing.T, *world, inbound.SignedIn)
		want      fault.Code
		counted   int
	}{
		"by a change of the password": {meanwhile: func(t *testing.T, w *world, _ inbound.SignedIn) {
			w.change(t, "ada", func(p *principal.Principal) { p.ChangePassword(password.NewHash("v1:Other-Secret1")) })
		}, want: fault.InvalidCredentials, counted: 1},
		"by the end of the session": {meanwhile: signedOut, want: fault.SessionExpired},
		"by disabling":              {meanwhile: func(t *testing.T, w *world, _ inbound.SignedIn) { disabled(t, w) }, want: fault.SessionExpired},
		"by nothing that matters": {meanwhile: func(t *testing.T, w *world, _ inbound.SignedIn) {
			w.change(t, "ada", func(p *principal.Principal) { p.Rename("Countess") })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.enter(t)
			var once sync.Once
			w.hasher.meet = func() { once.Do(func() { tc.meanwhile(t, w, in) }) }
			got, err := w.stepperUp().Do(t.Context(), stepUp("ada", in.SessionID, right))
			if fault.CodeOf(err) != tc.want || got.Token.Missing() != (tc.want != "") {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			if n := w.counted(t, "ada@example.com"); n != tc.counted {
				t.Errorf("%d wrong passwords are counted, want %d", n, tc.counted)
			}
		})
	}
}

func TestStepUpRenewsOutdatedHashes(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	w.hasher.params.Store(new("v2"))
	if _, err := w.stepperUp().Do(t.Context(), stepUp("ada", in.SessionID, right)); err != nil {
		t.Fatal(err)
	}
	if got := w.load(t, "ada").PasswordHash().Encoded(); got != "v2:"+right {
		t.Errorf("hash %s", got)
	}
}

func TestGuessesAtSignInAndStepUpCountTogether(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	for range 3 {
		_, _ = w.signerIn().Do(t.Context(), signIn("ada@example.com", wrong))
	}
	for _, want := range []fault.Code{fault.InvalidCredentials, fault.InvalidCredentials, fault.TooManyAttempts} {
		if _, err := w.stepperUp().Do(t.Context(), stepUp("ada", in.SessionID, wrong)); fault.CodeOf(err) != want {
			t.Errorf("Do = %v, want %s", err, want)
		}
	}
}

func TestParallelGuessesAtAStepUpDoNotSlipThrough(t *testing.T) {
	const guesses = 50
	w := newWorld(t)
	in := w.enter(t)
	w.hasher.hashes.Store(0)
	var missing sync.WaitGroup
	missing.Add(guesses)
	w.hasher.waiting = func() {
		missing.Done()
		missing.Wait()
	}
	var refused atomic.Int32
	crowd(guesses, func(int) {
		_, err := w.stepperUp().Do(t.Context(), stepUp("ada", in.SessionID, wrong))
		switch fault.CodeOf(err) {
		case fault.InvalidCredentials:
			refused.Add(1)
		case fault.TooManyAttempts:
		default:
			t.Errorf("Do = %v", err)
		}
	})
	if n := w.hasher.hashes.Load(); n != free || refused.Load() != free {
		t.Errorf("%d of %d parallel guesses were judged, want %d", n, guesses, free)
	}
}

func TestStepUpWithoutADatabase(t *testing.T) {
	everyFailure(t, func(t *testing.T) (*world, func(context.Context) error) {
		w := newWorld(t)
		in := w.enter(t)
		w.hasher.params.Store(new("v2"))
		return w, func(ctx context.Context) error {
			got, err := w.stepperUp().Do(ctx, stepUp("ada", in.SessionID, right))
			if err != nil && !got.Token.Missing() {
				t.Error("failed, and yet there is a token")
			}
			return err
		}
	}, func(t *testing.T, w *world, err error) {
		if hash := w.load(t, "ada").PasswordHash().Encoded(); fault.CodeOf(err) != fault.DatabaseFailure || hash != "v1:"+right {
			t.Errorf("Do = %v, hash %s", err, hash)
		}
	})
}
