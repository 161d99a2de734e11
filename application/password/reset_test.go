package password_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	app "gatehouse/application/password"
	"gatehouse/application/password/passwordtest"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

func (w *world) resetter() *app.Resetter {
	d := w.deps()
	return app.NewResetter(app.ResetterDeps{
		Work: w.work, Hasher: w.hasher, Attempts: d.Attempts, Policy: w.policy, Revocations: w.caches, Alert: w.alert, Now: d.Now, NewID: d.NewID,
	})
}

// reset comes from who is signed in to another account.
func reset() inbound.ResetPassword {
	c := change().Context
	c.Caller = session.Caller{PrincipalID: "bob", SessionID: "bobs"}
	return inbound.ResetPassword{Context: c, Token: secret.New("reset"), New: password.NewPlain(next)}
}

func TestAResetPasswordHasEveryEffectOfTheContractAndNoOther(t *testing.T) {
	for name, user := range map[string]func(*principal.Snapshot){
		"of who had one": func(*principal.Snapshot) {}, "of who had none": providerOnly,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, user)
			w.work.Twice = true
			before := w.look(t)
			out, err := w.resetter().Do(t.Context(), reset())
			check(t, err)
			check(t, w.hasher.Misused())
			same(t, "hashes made", w.hasher.Made(), 1)
			who, in := out.Whom()
			same(t, "whom", who, principal.ID("ada"))
			same(t, "session", in, session.ID(""))
			after := w.look(t)

			want := before
			want.ada.CredVersion, want.ada.Version, want.ada.EmailVerified = before.ada.CredVersion+1, before.ada.Version+1, true
			same(t, "replaced", after.ada.Hash.Equal(passwordtest.HashOf(next)), true)
			want.ada.Hash = after.ada.Hash // compared by value above
			want.sessions = []session.ID{"bobs"}
			want.links = map[string]onetime.State{
				"reset": onetime.Used, "challenge": onetime.Voided, "pending": onetime.Voided,
				"present": onetime.Usable, "bobs reset": onetime.Usable,
			}
			want.attempts = throttle.State{}
			want.mails = after.mails
			if !reflect.DeepEqual(after, want) {
				t.Errorf("after  %+v\nwant   %+v", after, want)
			}
			same(t, "mails", len(after.mails), 1)
			if n := after.mails[0]; n.Kind != notice.PasswordChanged || n.To.Typed() != "Ada@Example.com" || n.Locale != "de" || n.From.Device.OS != "Linux" {
				t.Errorf("mail = %+v", n)
			}
			if told := w.caches.Told(); !slices.Equal(told, []outbound.Revocation{{Principal: "ada"}}) {
				t.Errorf("caches were told %+v", told)
			}
		})
	}
}

func TestNobodyIsToldOfAResetWhereAlertsAreOff(t *testing.T) {
	w := newWorld(t)
	w.alert = false
	_, err := w.resetter().Do(t.Context(), reset())
	check(t, err)
	same(t, "mails", len(w.look(t).mails), 0)
}

func TestResetPasswordRefuses(t *testing.T) {
	weak := func(c *inbound.ResetPassword) { c.New = password.NewPlain("weak") }
	for name, tc := range map[string]struct {
		cmd    func(*inbound.ResetPassword)
		user   func(*principal.Snapshot)
		given  func(*testing.T, *world)
		want   fault.Code
		broken []fault.Rule
	}{
		"no token":               {cmd: func(c *inbound.ResetPassword) { c.Token = secret.Text{} }, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleRequired}},
		"an empty token":         {cmd: func(c *inbound.ResetPassword) { c.Token = secret.New("") }, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleRequired}},
		"a weak password":        {cmd: weak, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleMinLength, fault.RuleUpper, fault.RuleDigit, fault.RuleSpecial}},
		"neither":                {cmd: func(c *inbound.ResetPassword) { weak(c); c.Token = secret.Text{} }, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleMinLength, fault.RuleUpper, fault.RuleDigit, fault.RuleSpecial, fault.RuleRequired}},
		"a guess":                {cmd: func(c *inbound.ResetPassword) { c.Token = secret.New("guess") }, want: fault.PasswordResetTokenInvalid},
		"a link of another kind": {cmd: func(c *inbound.ResetPassword) { c.Token = secret.New("present") }, want: fault.PasswordResetTokenInvalid},
		"an expired one":         {given: spoil(func(i *onetime.Item) { i.ExpiresAt = noon }), want: fault.PasswordResetTokenExpired},
		"a used one":             {given: spoil(func(i *onetime.Item) { i.UsedAt = noon.Add(-1000) }), want: fault.PasswordResetTokenInvalid},
		"a voided one":           {given: spoil(func(i *onetime.Item) { i.VoidedAt = noon.Add(-1000) }), want: fault.PasswordResetTokenInvalid},
		"a link of nobody":       {given: spoil(func(i *onetime.Item) { i.Principal = "" }), want: fault.UserNotFound},
		"a guest's":              {given: spoil(func(i *onetime.Item) { i.Principal = "gus" }), want: fault.UserNotFound},
		"who was disabled":       {user: func(s *principal.Snapshot) { s.Disabled = true }, want: fault.PasswordResetTokenInvalid},
		"the name in it":         {cmd: func(c *inbound.ResetPassword) { c.New = password.NewPlain("the one of ada l, or another") }, given: nist, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleContainsIdentity}},
		"the name in it, by guess": {cmd: func(c *inbound.ResetPassword) {
			c.New, c.Token = password.NewPlain("the one of ada l, or another"), secret.New("x")
		}, given: nist, want: fault.PasswordResetTokenInvalid},
		"no turn":           {given: full, want: fault.ServiceOverloaded},
		"no hash to be had": {given: func(_ *testing.T, w *world) { w.hasher.Fails = true }, want: fault.HashFailure},
	} {
		t.Run(name, func(t *testing.T) {
			users := []func(*principal.Snapshot){}
			if tc.user != nil {
				users = append(users, tc.user)
			}
			w := newWorld(t, users...)
			cmd := reset()
			if tc.given != nil {
				tc.given(t, w)
				if _, err := w.store.Single().OneTime.Find(t.Context(), onetime.PasswordReset, onetime.HashOf(secret.New("spoilt"))); err == nil {
					cmd.Token = secret.New("spoilt")
				}
			}
			if tc.cmd != nil {
				tc.cmd(&cmd)
			}
			before := w.look(t)
			out, err := w.resetter().Do(t.Context(), cmd)
			if got := fault.CodeOf(err); got != tc.want || out.Of != "" {
				t.Fatalf("Do = %v, %v, want code %q", out, err, tc.want)
			}
			check(t, w.hasher.Misused())
			same(t, "hashes made", w.hasher.Made(), 0)
			same(t, "told", len(w.caches.Told()), 0)
			if got := rules(err); !slices.Equal(got, tc.broken) {
				t.Errorf("broken = %v, want %v", got, tc.broken)
			}
			if after := w.look(t); !reflect.DeepEqual(after, before) {
				t.Errorf("after  %+v\nbefore %+v", after, before)
			}
		})
	}
}

// spoil adds a reset link of ada that is not what it should be.
func spoil(how func(*onetime.Item)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		i := item("spoilt", onetime.PasswordReset, "ada", "ada@example.com")
		i.CreatedAt = noon.Add(-time.Hour)
		how(&i)
		check(t, w.store.Single().OneTime.Add(t.Context(), i))
	}
}

// Whatever happens while the new password is hashed is seen before it counts.
func TestAResetSeesWhatHappenedMeanwhile(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(t *testing.T, w *world)
		want      fault.Code
	}{
		"disabled": {func(t *testing.T, w *world) { w.edit(t, func(p *principal.Principal) { p.Disable() }) }, fault.PasswordResetTokenInvalid},
		"voided": {func(t *testing.T, w *world) {
			check(t, w.store.Single().OneTime.Void(t.Context(), "ada", onetime.PasswordReset, "", noon))
		}, fault.PasswordResetTokenInvalid},
		"used": {func(t *testing.T, w *world) {
			check(t, w.store.Single().OneTime.Use(t.Context(), onetime.PasswordReset, onetime.HashOf(secret.New("reset")), noon))
		}, fault.PasswordResetTokenInvalid},
		"renamed": {func(t *testing.T, w *world) { w.edit(t, func(p *principal.Principal) { p.Rename("Eve") }) }, ""},
		"a new secret": {func(t *testing.T, w *world) {
			w.edit(t, func(p *principal.Principal) { p.ChangePassword(passwordtest.HashOf("x")) })
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.hasher.OnHash = func() { tc.meanwhile(t, w) }
			_, err := w.resetter().Do(t.Context(), reset())
			same(t, "code", fault.CodeOf(err), tc.want)
			after := w.look(t)
			same(t, "stored", after.ada.Hash.Equal(passwordtest.HashOf(next)), tc.want == "")
			same(t, "mails", len(after.mails) == 1, tc.want == "")
		})
	}
}

func TestResetPasswordPassesFailuresOnAndChangesNothing(t *testing.T) {
	boom := fault.New(fault.DatabaseFailure).Because(io.ErrUnexpectedEOF)
	for n := 1; ; n++ {
		w := newWorld(t)
		before := w.look(t)
		w.work.FailAt, w.work.Err = n, boom
		_, err := w.resetter().Do(t.Context(), reset())
		if err == nil {
			same(t, "calls that can fail", n-1, 12)
			return
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) || fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("with call %d failing, Do = %v", n, err)
		}
		check(t, w.hasher.Misused())
		if after := w.look(t); !reflect.DeepEqual(after, before) {
			t.Errorf("with call %d failing, after  %+v\nbefore %+v", n, after, before)
		}
		same(t, "told", len(w.caches.Told()), 0)
	}
}

func TestAResetStandsThoughCachesWereNotTold(t *testing.T) {
	w := newWorld(t)
	w.caches.Fails = io.ErrClosedPipe
	out, err := w.resetter().Do(t.Context(), reset())
	same(t, "code", fault.CodeOf(err), fault.PostCommitSideEffectFailure)
	same(t, "whom", out.Of, principal.ID("ada"))
	same(t, "stored", w.look(t).ada.Hash.Equal(passwordtest.HashOf(next)), true)
}

func TestOfManyResetsByOneLinkOneWins(t *testing.T) {
	const crowd = 20
	w := newWorld(t)
	w.hasher.Busy = nil // another one may be inside a transaction
	var met sync.WaitGroup
	met.Add(crowd)
	w.hasher.OnHash = func() { met.Done(); met.Wait() } // all have found the link good by then
	use := w.resetter()
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			cmd := reset()
			cmd.New = password.NewPlain(fmt.Sprint(next, i))
			switch _, err := use.Do(t.Context(), cmd); fault.CodeOf(err) {
			case "":
				won.Add(1)
			case fault.PasswordResetTokenInvalid:
			default:
				t.Errorf("Do = %v", err)
			}
		})
	}
	all.Wait()
	same(t, "won", won.Load(), 1)
	same(t, "mails", len(w.look(t).mails), 1)
}
