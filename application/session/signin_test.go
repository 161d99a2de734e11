package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/application/grant/granttest"
	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

func TestSignIn(t *testing.T) {
	for name, tc := range map[string]struct {
		email, password string
		world           func(*testing.T, *world)
		want            fault.Code
		counted         int // wrong passwords afterwards
		hashes          int32
		mails           int // about the refusal
	}{
		"right":                           {hashes: 1},
		"the address spelled otherwise":   {email: " ADA@Example.COM\n", hashes: 1},
		"right forgives wrong ones":       {world: guessed(4), hashes: 1},
		"wrong":                           {password: wrong, want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"no password":                     {password: "-", want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"unknown address":                 {email: "eve@example.com", want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"no address at all":               {email: "]", want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"no password identity":            {email: "fay@example.com", want: fault.InvalidCredentials, counted: 1, hashes: 1, mails: 1},
		"longer than any password":        {password: strings.Repeat("x", 5000), want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"a hash longer than 4 KiB":        {password: long, world: longHash, want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"throttled":                       {world: guessed(5), want: fault.TooManyAttempts, counted: 5},
		"throttled, unknown":              {email: "eve@example.com", world: guessed(5), want: fault.TooManyAttempts, counted: 5},
		"throttled, full":                 {world: both(guessed(5), full), want: fault.TooManyAttempts, counted: 5},
		"full":                            {world: full, want: fault.ServiceOverloaded},
		"full, unknown":                   {email: "eve@example.com", world: full, want: fault.ServiceOverloaded},
		"disabled, right":                 {world: disabled, want: fault.UserDisabled, hashes: 1},
		"disabled, right, guessed before": {world: both(guessed(4), disabled), want: fault.UserDisabled, counted: 4, hashes: 1},
		"disabled, wrong":                 {world: disabled, password: wrong, want: fault.InvalidCredentials, counted: 1, hashes: 1},
		"the hasher is broken":            {world: func(_ *testing.T, w *world) { w.hasher.broken.Store(true) }, want: fault.HashFailure, counted: 1, hashes: 1},
		"no access token today":           {world: noToken(token.Access), want: fault.TokenCreationFailure, hashes: 1},
		"no refresh token today":          {world: noToken(token.Refresh), want: fault.TokenCreationFailure, hashes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			address, pw := or(tc.email, "ada@example.com"), or(tc.password, right)
			if pw == "-" {
				pw = ""
			}
			if tc.world != nil {
				tc.world(t, w)
			}
			if strings.HasPrefix(name, "throttled, unknown") {
				w.setCounted(t, address, 5)
			}
			before := w.load(t, "ada").Snapshot()
			w.work.units.Store(0)
			got, err := w.signerIn().Do(t.Context(), signIn(address, pw))
			if fault.CodeOf(err) != tc.want {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			if n := w.counted(t, address); n != tc.counted {
				t.Errorf("%d wrong passwords are counted, want %d", n, tc.counted)
			}
			if n := w.hasher.hashes.Load(); n != tc.hashes {
				t.Errorf("%d hashes, want %d", n, tc.hashes)
			}
			if tc.want != "" {
				after := w.load(t, "ada").Snapshot()
				if after.Version != before.Version || len(w.sessions(t, "ada")) != 0 || len(w.mails(t)) != tc.mails || got.Principal != nil || !got.Tokens.Access.Missing() {
					t.Errorf("refused, and yet sessions %v, mails %v, version %d, answer %+v", w.sessions(t, "ada"), w.mails(t), after.Version, got)
				}
				return
			}
			if n := w.work.units.Load(); n > 3 {
				t.Errorf("%d units of work, want three at most", n)
			}
			w.checkSignedIn(t, got)
		})
	}
}

func TestWhoHasNoPasswordIsToldHowToSignInOnceAnHour(t *testing.T) {
	w := newWorld(t)
	w.policy.Off = true
	for _, tc := range []struct {
		after time.Duration
		mails int
	}{{0, 1}, {time.Hour - time.Microsecond, 1}, {time.Microsecond, 2}} {
		w.now = w.now.Add(tc.after)
		_, err := w.signerIn().Do(t.Context(), signIn("FAY@example.com", wrong))
		if fault.CodeOf(err) != fault.InvalidCredentials || len(w.mails(t)) != tc.mails {
			t.Fatalf("after %v: %v, %d mails, want %d", tc.after, err, len(w.mails(t)), tc.mails)
		}
	}
	n := w.mails(t)[0]
	if n.Kind != notice.IdentityProviderInfo || n.To.Typed() != "fay@Example.com" || n.Principal != "fay" || n.Provider != "github" ||
		n.Locale != "de" || n.From.Address.String() != home {
		t.Errorf("mail %+v", n)
	}
}

func TestWhoHasNoPasswordIsNotToldWhereMailIsOffOrNothingWasJudged(t *testing.T) {
	for name, tc := range map[string]struct {
		world func(*testing.T, *world)
		want  fault.Code
	}{
		"mail off":       {func(_ *testing.T, w *world) { w.mailOn = false }, fault.InvalidCredentials},
		"throttled":      {func(t *testing.T, w *world) { w.setCounted(t, "fay@example.com", 5) }, fault.TooManyAttempts},
		"full":           {full, fault.ServiceOverloaded},
		"hashing broken": {func(_ *testing.T, w *world) { w.hasher.broken.Store(true) }, fault.HashFailure},
	} {
		w := newWorld(t)
		tc.world(t, w)
		if _, err := w.signerIn().Do(t.Context(), signIn("fay@example.com", right)); fault.CodeOf(err) != tc.want || len(w.mails(t)) != 0 {
			t.Errorf("%s: %v, %d mails", name, err, len(w.mails(t)))
		}
	}
}

func (w *world) checkSignedIn(t *testing.T, got inbound.SignedIn) {
	t.Helper()
	if got.Principal.ID() != "ada" || !got.Principal.LastActive().Equal(w.now) || !w.load(t, "ada").LastActive().Equal(w.now) {
		t.Errorf("principal %+v", got.Principal)
	}
	all := w.sessions(t, "ada")
	if len(all) != 1 || all[0].ID != got.SessionID {
		t.Fatalf("sessions %+v, want %s", all, got.SessionID)
	}
	s := all[0]
	place := "City of 192.0.2.0/24"
	if s.Client.Address.String() != home || s.Client.Device.Browser != "Firefox" || s.Client.Location.City != place || got.Location.City != place {
		t.Errorf("client %+v, location %+v", s.Client, got.Location)
	}
	if code := w.accepts(t, got.Tokens.Access); code != "" {
		t.Errorf("the access token is %s", code)
	}
	r, err := granttest.Read(got.Tokens.Refresh, token.Refresh)
	if err != nil || r.ID != s.RefreshID {
		t.Errorf("refresh token %+v, %v, want id %s", r, err, s.RefreshID)
	}
}

var long = strings.Repeat("x", 5000)

func longHash(t *testing.T, w *world) {
	w.change(t, "ada", func(p *principal.Principal) { p.ChangePassword(password.NewHash("v1:" + long)) })
}

func guessed(n int) func(*testing.T, *world) {
	return func(t *testing.T, w *world) { w.setCounted(t, "ada@example.com", n) }
}

func full(_ *testing.T, w *world) { w.hasher.full.Store(true) }

func disabled(t *testing.T, w *world) {
	w.change(t, "ada", func(p *principal.Principal) { p.Disable() })
}

func noToken(k token.Kind) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) { w.tokens.Fails = k }
}

func both(a, b func(*testing.T, *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		a(t, w)
		b(t, w)
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func TestUnknownAndKnownAccountsTakeTheSameSteps(t *testing.T) {
	type steps struct {
		units, hashes int32
		wait          time.Duration
		text          string
	}
	run := func(address string) (all []steps) {
		w := newWorld(t)
		for range 8 {
			w.work.units.Store(0)
			w.hasher.hashes.Store(0)
			_, err := w.signerIn().Do(t.Context(), signIn(address, wrong))
			f, ok := errors.AsType[*fault.Error](err)
			if !ok {
				t.Fatal(err)
			}
			all = append(all, steps{w.work.units.Load(), w.hasher.hashes.Load(), f.Wait(), f.Error()})
		}
		return all
	}
	known := run("ada@example.com")
	for _, other := range []string{"eve@example.com", "fay@example.com", "no address"} {
		if got := run(other); !slices.Equal(got, known) {
			t.Errorf("%s:\n got %v\nwant %v", other, got, known)
		}
	}
}

func TestTheSessionSaysThatAPasswordWasProven(t *testing.T) {
	w := newWorld(t)
	in := w.enter(t)
	c, err := granttest.Read(in.Tokens.Access, token.Access)
	if err != nil || !slices.Equal(c.AMR, []string{"pwd"}) || c.ACR != "aal1" {
		t.Errorf("access token %+v, %v", c, err)
	}
}

func TestOutdatedHashesAreRenewed(t *testing.T) {
	for name, unable := range map[string]bool{"v2:" + right: false, "v1:" + right: true} {
		w := newWorld(t)
		w.hasher.params.Store(new("v2"))
		w.hasher.unable.Store(unable)
		before := w.load(t, "ada").CredVersion()
		w.enter(t)
		p := w.load(t, "ada")
		if got := p.PasswordHash().Encoded(); got != name || p.CredVersion() != before {
			t.Errorf("hash %s, want %s; version of the credentials %d, want %d", got, name, p.CredVersion(), before)
		}
	}
}

func TestLoginAlerts(t *testing.T) {
	elsewhere := from("198.51.100.1")
	otherBrowser := from(home)
	otherBrowser.Device.Browser = "Lynx"
	neighbour := from("192.0.2.99")
	for name, tc := range map[string]struct {
		from  client.Info
		after time.Duration
		off   func(*world)
		first bool
		want  bool
	}{
		"the very first device": {from: from(home), first: true},
		"the same device":       {from: from(home), after: 180 * day},
		"the same network":      {from: neighbour},
		"another network":       {from: elsewhere, want: true},
		"another browser":       {from: otherBrowser, want: true},
		"not seen for long":     {from: from(home), after: 180*day + time.Second, want: true},
		"alerts are off":        {from: elsewhere, off: func(w *world) { w.alerts.Login = false }},
		"mail is off":           {from: elsewhere, off: func(w *world) { w.mailOn = false }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if !tc.first {
				w.enter(t)
			}
			if tc.off != nil {
				tc.off(w)
			}
			w.now = w.now.Add(tc.after)
			cmd := signIn("ada@example.com", right)
			cmd.From = tc.from
			if _, err := w.signerIn().Do(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
			owed := w.mails(t)
			if len(owed) > 1 || (len(owed) == 1) != tc.want {
				t.Fatalf("mails %+v, want one: %v", owed, tc.want)
			}
			if !tc.want {
				return
			}
			n := owed[0]
			if n.Kind != notice.LoginAlert || n.Principal != "ada" || n.To.Typed() != "ada@Example.com" || n.Locale != "de" ||
				!n.CreatedAt.Equal(w.now) || n.From.Address != tc.from.Address || n.From.Location == nil {
				t.Errorf("mail %+v", n)
			}
			// The device is known from now on, alert or not.
			if _, err := w.signerIn().Do(t.Context(), cmd); err != nil || len(w.mails(t)) != 1 {
				t.Errorf("again: %v, mails %+v", err, w.mails(t))
			}
		})
	}
}

// Labels hold no control characters, so they cannot be shifted into each other.
func TestDevicesAreNotConfused(t *testing.T) {
	w := newWorld(t)
	for _, d := range []client.Device{{Browser: "ab", OS: "c"}, {Browser: "a", OS: "bc"}, {Browser: "abc"}, {OS: "abc"}} {
		cmd := signIn("ada@example.com", right)
		cmd.From.Device = d
		if _, err := w.signerIn().Do(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.mails(t)); n != 3 {
		t.Errorf("%d alerts for three more devices", n)
	}
}

func TestSignInOvertaken(t *testing.T) {
	replace := func(pw string) func(*principal.Principal) {
		return func(p *principal.Principal) { p.ChangePassword(password.NewHash("v1:" + pw)) }
	}
	moved, _ := email.Parse("ada@elsewhere.example")
	for name, tc := range map[string]struct {
		change  func(*principal.Principal)
		always  bool
		want    fault.Code
		counted int
	}{
		"by a change of the password": {change: replace("Other-Secret1"), want: fault.InvalidCredentials, counted: 1},
		"by the same password again":  {change: replace(right)},
		"by a change, every time":     {change: replace(right), always: true, want: fault.InternalError},
		"by a change of the address":  {change: func(p *principal.Principal) { p.VerifyEmail(moved) }, want: fault.InvalidCredentials, counted: 1},
		"by disabling":                {change: func(p *principal.Principal) { p.Disable() }, want: fault.UserDisabled},
		"by nothing that matters":     {change: func(p *principal.Principal) { p.Rename("Countess") }},
		"by a change of rights":       {change: func(p *principal.Principal) { p.SetAdmin(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			changes := 0
			w.hasher.meet = func() {
				if changes++; changes == 1 || tc.always {
					w.change(t, "ada", tc.change)
				}
			}
			got, err := w.signerIn().Do(t.Context(), signIn("ada@example.com", right))
			if fault.CodeOf(err) != tc.want {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			if n := w.counted(t, "ada@example.com"); n != tc.counted {
				t.Errorf("%d wrong passwords are counted, want %d", n, tc.counted)
			}
			if live := len(w.sessions(t, "ada")); (tc.want == "") != (live == 1) {
				t.Errorf("%d sessions", live)
			}
			if tc.want == "" {
				if code := w.accepts(t, got.Tokens.Access); code != "" {
					t.Errorf("the access token is %s", code)
				}
			}
			if tc.always && changes != 3 {
				t.Errorf("tried %d times", changes)
			}
		})
	}
}

// A sign-in that verified the old password and a change of it that ends all
// sessions: whichever is second sees the other.
func TestNoSessionSurvivesAChangeThatRacesWithItsSignIn(t *testing.T) {
	for range 100 {
		w := newWorld(t)
		crowd(2, func(i int) {
			if i == 0 {
				_, _ = w.signerIn().Do(t.Context(), signIn("ada@example.com", right))
				return
			}
			w.within(t, func(ctx context.Context, s outbound.Stores) error {
				p, err := s.Principals.ByID(ctx, "ada")
				if err != nil {
					return err
				}
				p.ChangePassword(password.NewHash("v1:Other-Secret1"))
				return errors.Join(s.Principals.Save(ctx, p), s.Sessions.EndAll(ctx, "ada", "", "", noon))
			})
		})
		if all := w.sessions(t, "ada"); len(all) != 0 {
			t.Fatalf("sessions %+v", all)
		}
	}
}

func TestParallelGuessesDoNotSlipThrough(t *testing.T) {
	const guesses = 50
	for _, address := range []string{"ada@example.com", "eve@example.com"} {
		w := newWorld(t)
		var missing sync.WaitGroup
		missing.Add(guesses)
		w.hasher.waiting = func() { // nobody is judged before everybody is there
			missing.Done()
			missing.Wait()
		}
		spellings := []string{address, strings.ToUpper(address), " " + address}
		var refused, throttled atomic.Int32
		crowd(guesses, func(i int) {
			_, err := w.signerIn().Do(t.Context(), signIn(spellings[i%len(spellings)], wrong))
			switch fault.CodeOf(err) {
			case fault.InvalidCredentials:
				refused.Add(1)
			case fault.TooManyAttempts:
				throttled.Add(1)
			default:
				t.Errorf("Do = %v", err)
			}
		})
		if n := w.hasher.hashes.Load(); n != free || refused.Load() != free || throttled.Load() != guesses-free {
			t.Errorf("%s: %d of %d parallel guesses were judged, want %d", address, n, guesses, free)
		}
	}
}

func TestAStrangerElsewhereDoesNotLockTheOwnerOut(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		cmd := signIn("ada@example.com", wrong)
		cmd.From = from("198.51.100.1")
		_, _ = w.signerIn().Do(t.Context(), cmd)
	}
	w.enter(t)
}

func TestSignInWithoutADatabase(t *testing.T) {
	everyFailure(t, func(t *testing.T) (*world, func(context.Context) error) {
		w := newWorld(t)
		cmd := signIn("ada@example.com", right)
		w.enter(t)
		cmd.From = from("198.51.100.1")
		return w, func(ctx context.Context) error {
			_, err := w.signerIn().Do(ctx, cmd)
			return err
		}
	}, func(t *testing.T, w *world, err error) {
		if fault.CodeOf(err) != fault.DatabaseFailure || len(w.sessions(t, "ada")) != 1 || len(w.mails(t)) != 0 {
			t.Errorf("Do = %v, sessions %v, mails %v", err, w.sessions(t, "ada"), w.mails(t))
		}
	})
}
