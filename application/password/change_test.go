package password_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	"gatehouse/application/attempt"
	app "gatehouse/application/password"
	"gatehouse/application/password/passwordtest"
	"gatehouse/domain/client"
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

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

const (
	old  = "Old-Secret1"
	next = "Tr4in-Station"
	free = 5
)

// world is a service at noon, where ada has two sessions and something of
// everything that can be voided.
type world struct {
	store  *memory.Store
	work   *passwordtest.Work
	hasher *passwordtest.Hasher
	caches *accounttest.Caches
	policy password.Policy
	alert  bool
	ids    atomic.Int32
}

func newWorld(t *testing.T, change ...func(*principal.Snapshot)) *world {
	t.Helper()
	store := memory.New()
	w := &world{
		store: store, work: &passwordtest.Work{UnitOfWork: store}, hasher: &passwordtest.Hasher{}, caches: &accounttest.Caches{}, alert: true,
	}
	w.hasher.Busy = w.work.Inside
	a := principal.Snapshot{
		ID: "ada", Kind: principal.User, Name: "Ada L", Email: accounttest.Address("Ada@Example.com"), Hash: passwordtest.HashOf(old),
		CredVersion: 3, TokenGen: 2, CreatedAt: noon.Add(-time.Hour), LastActive: noon.Add(-time.Hour),
	}
	for _, fn := range change {
		fn(&a)
	}
	check(t, store.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		return errors.Join(
			s.Principals.Add(ctx, restore(a)),
			s.Principals.Add(ctx, principal.NewGuest("gus", "Gus", noon)),
			s.Principals.Add(ctx, restore(principal.Snapshot{ID: "bob", Kind: principal.User, Name: "Bob", Email: accounttest.Address("bob@example.com"), Hash: passwordtest.HashOf(old)})),
			s.Sessions.Add(ctx, signedIn("mine", "ada")), s.Sessions.Add(ctx, signedIn("thief", "ada")),
			s.Sessions.Add(ctx, signedIn("bobs", "bob")),
			s.OneTime.Add(ctx, item("reset", onetime.PasswordReset, "ada", "ada@example.com")),
			s.OneTime.Add(ctx, item("challenge", onetime.Challenge, "ada", "ada@example.com")),
			s.OneTime.Add(ctx, item("present", onetime.EmailVerification, "ada", "ADA@example.com")),
			s.OneTime.Add(ctx, item("pending", onetime.EmailVerification, "ada", "elsewhere@example.com")),
			s.OneTime.Add(ctx, item("bobs reset", onetime.PasswordReset, "bob", "bob@example.com")),
			s.Attempts.Save(ctx, adas, throttle.State{
				Network: throttle.Counter{Failures: 2, Last: noon.Add(-time.Hour)}, Account: throttle.Counter{Failures: 3, Last: noon.Add(-time.Hour)},
			}),
		)
	}))
	return w
}

var adas = throttle.Subject{Account: "ada@example.com", Network: "192.0.2.0/24"}

func signedIn(id session.ID, of principal.ID) session.Session {
	end := noon.Add(time.Hour)
	return session.Session{ID: id, PrincipalID: of, StartedAt: noon.Add(-time.Hour), LastActive: noon.Add(-time.Hour), ExpiresAt: end, Until: end}
}

func item(name string, kind onetime.Kind, of principal.ID, to string) onetime.Item {
	return onetime.Item{
		Hash: onetime.HashOf(secret.New(name)), Kind: kind, Principal: of, Address: accounttest.Address(to), CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
}

func (w *world) deps() app.ChangerDeps {
	now := func() time.Time { return noon }
	return app.ChangerDeps{
		Work: w.work, Policy: w.policy, Revocations: w.caches, Alert: w.alert, Now: now,
		Attempts: attempt.New(attempt.Deps{
			Work: w.work, Hasher: w.hasher, Now: now,
			Policy: throttle.Policy{Attempts: free, TotalAttempts: 50, MaxDelay: time.Minute},
		}),
		NewID: func() string { return fmt.Sprintf("id-%04d", w.ids.Add(1)) },
	}
}

func (w *world) changer() *app.Changer { return app.NewChanger(w.deps()) }

func change() inbound.ChangePassword {
	from, _ := client.ParseAddress("192.0.2.77")
	return inbound.ChangePassword{
		Context: inbound.Context{
			Caller: session.Caller{PrincipalID: "ada", SessionID: "mine", StepUp: session.StepUpGranted},
			From:   client.Info{Address: from, Device: client.Device{Browser: "Firefox", OS: "Linux"}}, Locale: "de",
		},
		Old: password.NewPlain(old), New: password.NewPlain(next),
	}
}

// seen is what can be seen afterwards.
type seen struct {
	ada      principal.Snapshot
	sessions []session.ID // of everybody, live
	links    map[string]onetime.State
	attempts throttle.State
	mails    []notice.Notice
}

func (w *world) look(t *testing.T) (out seen) {
	t.Helper()
	s := w.store.Single()
	p, err := s.Principals.ByID(t.Context(), "ada")
	check(t, err)
	out.ada = p.Snapshot()
	for _, id := range []principal.ID{"ada", "bob"} {
		live, err := s.Sessions.Of(t.Context(), id, noon)
		check(t, err)
		for _, l := range live {
			out.sessions = append(out.sessions, l.ID)
		}
	}
	out.links = map[string]onetime.State{}
	for name, kind := range map[string]onetime.Kind{
		"reset": onetime.PasswordReset, "challenge": onetime.Challenge, "present": onetime.EmailVerification,
		"pending": onetime.EmailVerification, "bobs reset": onetime.PasswordReset,
	} {
		i, err := s.OneTime.Find(t.Context(), kind, onetime.HashOf(secret.New(name)))
		check(t, err)
		out.links[name] = i.State(noon)
	}
	out.attempts, err = s.Attempts.State(t.Context(), adas)
	check(t, err)
	claims, err := s.Outbox.Claim(t.Context(), "test", noon.Add(time.Hour), noon.Add(2*time.Hour), 100)
	check(t, err)
	check(t, s.Outbox.Release(t.Context(), "test", noon))
	for _, c := range claims {
		out.mails = append(out.mails, c.Notice)
	}
	return out
}

func TestAChangedPasswordHasEveryEffectOfTheContractAndNoOther(t *testing.T) {
	w := newWorld(t)
	w.work.Twice = true
	before := w.look(t)
	p, err := w.changer().Do(t.Context(), change())
	check(t, err)
	check(t, w.hasher.Misused())
	same(t, "hashes made", w.hasher.Made(), 1)
	same(t, "answer", p.ID(), principal.ID("ada"))
	after := w.look(t)

	want := before
	want.ada.Hash, want.ada.CredVersion, want.ada.Version = passwordtest.HashOf(next), before.ada.CredVersion+1, before.ada.Version+1
	if !after.ada.Hash.Equal(want.ada.Hash) {
		t.Error("the password was not replaced")
	}
	want.ada.Hash = after.ada.Hash // compared by value above
	want.sessions = []session.ID{"mine", "bobs"}
	want.links = map[string]onetime.State{
		"reset": onetime.Voided, "challenge": onetime.Voided, "pending": onetime.Voided,
		"present": onetime.Usable, "bobs reset": onetime.Usable,
	}
	want.attempts = throttle.State{}
	want.mails = after.mails
	if !reflect.DeepEqual(after, want) {
		t.Errorf("after  %+v\nwant   %+v", after, want)
	}

	same(t, "mails", len(after.mails), 1)
	n := after.mails[0]
	if n.Kind != notice.PasswordChanged || n.To.Typed() != "Ada@Example.com" || n.Locale != "de" || n.Principal != "ada" ||
		n.From.Device.OS != "Linux" || !n.Token.Missing() {
		t.Errorf("mail = %+v", n)
	}
	if told := []outbound.Revocation{{Principal: "ada", Kept: "mine"}}; !slices.Equal(w.caches.Told(), told) {
		t.Errorf("caches were told %+v", w.caches.Told())
	}
}

func TestNobodyIsToldWhereAlertsAreOff(t *testing.T) {
	w := newWorld(t)
	w.alert = false
	_, err := w.changer().Do(t.Context(), change())
	check(t, err)
	same(t, "mails", len(w.look(t).mails), 0)
}

func TestChangePasswordRefuses(t *testing.T) {
	wrong := func(c *inbound.ChangePassword) { c.Old = password.NewPlain("guess") }
	for name, tc := range map[string]struct {
		cmd      func(*inbound.ChangePassword)
		user     func(*principal.Snapshot)
		given    func(*testing.T, *world)
		want     fault.Code
		broken   []fault.Rule
		attempts int // from this network, afterwards
		compared int
	}{
		"without a step-up":            {cmd: func(c *inbound.ChangePassword) { wrong(c); c.Caller.StepUp = session.StepUpMissing }, want: fault.StepUpTokenMissing, attempts: 2},
		"with another one's step-up":   {cmd: func(c *inbound.ChangePassword) { c.Caller.StepUp = session.StepUpInvalid }, want: fault.StepUpTokenInvalid, attempts: 2},
		"with an old step-up":          {cmd: func(c *inbound.ChangePassword) { c.Caller.StepUp = session.StepUpExpired }, want: fault.StepUpTokenExpired, attempts: 2},
		"a weak one, uncounted":        {cmd: func(c *inbound.ChangePassword) { wrong(c); c.New = password.NewPlain("Short1!") }, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleMinLength}, attempts: 2},
		"the same one":                 {cmd: func(c *inbound.ChangePassword) { c.New = c.Old }, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleUnchanged}, attempts: 2},
		"a weak one of nobody":         {cmd: func(c *inbound.ChangePassword) { c.New = password.NewPlain("weak"); c.Caller.PrincipalID = "eve" }, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleMinLength, fault.RuleUpper, fault.RuleDigit, fault.RuleSpecial}, attempts: 2},
		"an account that is gone":      {cmd: func(c *inbound.ChangePassword) { c.Caller.PrincipalID = "eve" }, want: fault.UserNotFound, attempts: 2},
		"a guest":                      {cmd: func(c *inbound.ChangePassword) { c.Caller.PrincipalID = "gus" }, want: fault.UserNotFound, attempts: 2},
		"no password to replace":       {user: providerOnly, given: throttled, want: fault.NoPasswordProvider, attempts: free},
		"too many attempts":            {given: throttled, want: fault.TooManyAttempts, attempts: free},
		"throttled before overload":    {given: both(throttled, full), want: fault.TooManyAttempts, attempts: free},
		"no turn, uncounted":           {cmd: wrong, given: full, want: fault.ServiceOverloaded, attempts: 2},
		"a wrong one, counted":         {cmd: wrong, want: fault.InvalidCredentials, attempts: 3, compared: 1},
		"no old one, counted":          {cmd: func(c *inbound.ChangePassword) { c.Old = password.Plain{} }, want: fault.InvalidCredentials, attempts: 3, compared: 1},
		"the name in it, uncounted":    {cmd: named, given: nist, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleContainsIdentity}, attempts: 2, compared: 1},
		"a wrong one hides the name":   {cmd: func(c *inbound.ChangePassword) { named(c); wrong(c) }, given: nist, want: fault.InvalidCredentials, attempts: 3, compared: 1},
		"too short for one factor":     {cmd: func(c *inbound.ChangePassword) { c.New = password.NewPlain("tenletters") }, given: nist, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleMinLength}, attempts: 2, compared: 1},
		"no hash to be had, uncounted": {given: func(_ *testing.T, w *world) { w.hasher.Fails = true }, want: fault.HashFailure, attempts: 2, compared: 1},
	} {
		t.Run(name, func(t *testing.T) {
			users := []func(*principal.Snapshot){}
			if tc.user != nil {
				users = append(users, tc.user)
			}
			w := newWorld(t, users...)
			if tc.given != nil {
				tc.given(t, w)
			}
			before := w.look(t)
			cmd := change()
			if tc.cmd != nil {
				tc.cmd(&cmd)
			}
			p, err := w.changer().Do(t.Context(), cmd)
			if got := fault.CodeOf(err); got != tc.want || p != nil {
				t.Fatalf("Do = %v, %v, want code %q", p, err, tc.want)
			}
			check(t, w.hasher.Misused())
			after := w.look(t)
			same(t, "attempts", after.attempts.Network.Failures, tc.attempts)
			same(t, "compared", w.hasher.Compared(), tc.compared)
			if got := rules(err); !slices.Equal(got, tc.broken) {
				t.Errorf("broken = %v, want %v", got, tc.broken)
			}
			same(t, "told", len(w.caches.Told()), 0)
			after.attempts, before.attempts = throttle.State{}, throttle.State{}
			if !reflect.DeepEqual(after, before) {
				t.Errorf("after  %+v\nbefore %+v", after, before)
			}
		})
	}
}

func providerOnly(s *principal.Snapshot) {
	s.Hash, s.Identities = password.Hash{}, []principal.Identity{{Provider: "github", Subject: "1"}}
}

func named(c *inbound.ChangePassword) { c.New = password.NewPlain("the one of ada l, or another") }

func throttled(t *testing.T, w *world) {
	check(t, w.store.Single().Attempts.Save(t.Context(), adas, throttle.State{Network: throttle.Counter{Failures: free, Last: noon}}))
}

func full(_ *testing.T, w *world) { w.hasher.Full = true }
func nist(_ *testing.T, w *world) { w.policy.Profile = password.NIST }

func both(fns ...func(*testing.T, *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		for _, fn := range fns {
			fn(t, w)
		}
	}
}

func TestTheRulesAreNamedOnTheNewPassword(t *testing.T) {
	cmd := change()
	cmd.New = cmd.Old
	_, err := newWorld(t).changer().Do(t.Context(), cmd)
	f, _ := errors.AsType[*fault.Error](err)
	same(t, "field", f.Broken()[0].Field, "newPassword")
}

func TestAChangeMadeMeanwhileIsJudgedAnew(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(*principal.Principal)
		want      fault.Code
		attempts  int
		rounds    int
	}{
		"the password":             {func(p *principal.Principal) { p.ChangePassword(passwordtest.HashOf("other")) }, fault.InvalidCredentials, 3, 2},
		"another way to sign in":   {func(p *principal.Principal) { p.ChangePassword(passwordtest.HashOf(old)) }, "", 0, 2},
		"newer hash parameters":    {func(p *principal.Principal) { p.RenewHash(passwordtest.HashOf(old)) }, "", 0, 1},
		"the name":                 {func(p *principal.Principal) { p.Rename("Ada Lovelace") }, "", 0, 1},
		"nothing that could count": {func(*principal.Principal) {}, "", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var once sync.Once
			w.hasher.OnHash = func() { once.Do(func() { w.edit(t, tc.meanwhile) }) }
			_, err := w.changer().Do(t.Context(), change())
			same(t, "code", fault.CodeOf(err), tc.want)
			after := w.look(t)
			same(t, "attempts", after.attempts.Network.Failures, tc.attempts)
			same(t, "compared", w.hasher.Compared(), tc.rounds)
			if want := passwordtest.HashOf(next); tc.want == "" && !after.ada.Hash.Equal(want) {
				t.Error("the password was not replaced")
			}
		})
	}
}

func TestAChangeThatIsAlwaysOvertakenGivesUp(t *testing.T) {
	w := newWorld(t)
	w.hasher.OnHash = func() { w.edit(t, func(p *principal.Principal) { p.ChangePassword(passwordtest.HashOf(old)) }) }
	_, err := w.changer().Do(t.Context(), change())
	same(t, "code", fault.CodeOf(err), fault.InternalError)
	same(t, "compared", w.hasher.Compared(), 3)
	after := w.look(t)
	same(t, "attempts", after.attempts.Network.Failures, 2)
	same(t, "sessions", len(after.sessions), 3)
}

func TestAnAccountThatGoesMeanwhileIsNotFound(t *testing.T) {
	w := newWorld(t)
	d := w.deps()
	d.Work = leaving{w.work}
	_, err := app.NewChanger(d).Do(t.Context(), change())
	same(t, "code", fault.CodeOf(err), fault.UserNotFound)
	same(t, "attempts", w.look(t).attempts.Network.Failures, 2)
}

// leaving has nobody left when a transaction begins.
type leaving struct{ *passwordtest.Work }

func (l leaving) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return l.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		s.Principals = gone{s.Principals}
		return fn(ctx, s)
	})
}

type gone struct{ outbound.Principals }

func (gone) ByID(context.Context, principal.ID) (*principal.Principal, error) {
	return nil, fmt.Errorf("load: %w", outbound.ErrNotFound)
}

func TestChangePasswordPassesFailuresOnAndChangesNothing(t *testing.T) {
	boom := fault.New(fault.DatabaseFailure).Because(io.ErrUnexpectedEOF)
	for n := 1; ; n++ {
		w := newWorld(t)
		before := w.look(t)
		w.work.FailAt, w.work.Err = n, boom
		_, err := w.changer().Do(t.Context(), change())
		if err == nil {
			same(t, "calls that can fail", n-1, 11)
			return
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) || fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("with call %d failing, Do = %v", n, err)
		}
		check(t, w.hasher.Misused())
		after := w.look(t)
		same(t, "attempts", after.attempts.Network.Failures, 2)
		after.attempts = before.attempts
		if !reflect.DeepEqual(after, before) {
			t.Errorf("with call %d failing, after  %+v\nbefore %+v", n, after, before)
		}
		same(t, "told", len(w.caches.Told()), 0)
	}
}

func TestAChangeStandsThoughCachesWereNotTold(t *testing.T) {
	w := newWorld(t)
	w.caches.Fails = io.ErrClosedPipe
	_, err := w.changer().Do(t.Context(), change())
	same(t, "code", fault.CodeOf(err), fault.PostCommitSideEffectFailure)
	same(t, "cause kept", errors.Is(err, io.ErrClosedPipe), true)
	after := w.look(t)
	same(t, "stored", after.ada.Hash.Equal(passwordtest.HashOf(next)), true)
	same(t, "mails", len(after.mails), 1)
	same(t, "attempts", after.attempts.Network.Failures, 0)
}

// The caller hangs up the moment the change is committed.
func TestCachesAreToldOfACallerWhoHasGone(t *testing.T) {
	w := newWorld(t)
	ctx, hangUp := context.WithCancel(t.Context())
	d := w.deps()
	d.Work = hanging{w.work, hangUp}
	_, err := app.NewChanger(d).Do(ctx, change())
	check(t, err)
	same(t, "told", len(w.caches.Told()), 1)
	same(t, "with a dead context", w.caches.Late(), false)
}

type hanging struct {
	*passwordtest.Work

	hangUp func()
}

func (h hanging) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	defer h.hangUp()
	return h.Work.Within(ctx, fn)
}

func TestOfTwoParallelChangesOneWins(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		w.hasher.Busy = nil // the other one may be inside a transaction
		var met sync.WaitGroup
		met.Add(2)
		var hashing atomic.Int32
		w.hasher.OnHash = func() { // both have proven the old password by then
			if hashing.Add(1) <= 2 {
				met.Done()
				met.Wait()
			}
		}
		use := w.changer()
		codes := make([]fault.Code, 2)
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() {
				cmd := change()
				cmd.New = password.NewPlain(fmt.Sprint(next, i))
				_, err := use.Do(t.Context(), cmd)
				codes[i] = fault.CodeOf(err)
			})
		}
		all.Wait()
		winner := slices.Index(codes, "")
		if winner < 0 || codes[1-winner] != fault.InvalidCredentials {
			t.Fatalf("codes = %q", codes)
		}
		after := w.look(t)
		same(t, "the winner's password", after.ada.Hash.Equal(passwordtest.HashOf(fmt.Sprint(next, winner))), true)
		same(t, "attempts", after.attempts.Network.Failures, 1)
		same(t, "mails", len(after.mails), 1)
	}
}

func TestParallelGuessesDoNotSlipThrough(t *testing.T) {
	const guesses = 50
	w := newWorld(t)
	w.hasher.Busy = nil
	check(t, w.store.Single().Attempts.Save(t.Context(), adas, throttle.State{}))
	use := w.changer()
	var all sync.WaitGroup
	for range guesses {
		all.Go(func() {
			cmd := change()
			cmd.Old = password.NewPlain("guess")
			_, err := use.Do(t.Context(), cmd)
			if got := fault.CodeOf(err); got != fault.InvalidCredentials && got != fault.TooManyAttempts {
				t.Errorf("Do = %v", err)
			}
		})
	}
	all.Wait()
	same(t, "judged", w.hasher.Compared(), free)
}

func (w *world) edit(t *testing.T, fn func(*principal.Principal)) {
	check(t, w.store.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		p, err := s.Principals.ByID(ctx, "ada")
		if err != nil {
			return err
		}
		fn(p)
		return s.Principals.Save(ctx, p)
	}))
}

func rules(err error) (broken []fault.Rule) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, v := range f.Broken() {
			broken = append(broken, v.Rule)
		}
	}
	return broken
}

func restore(s principal.Snapshot) *principal.Principal {
	p, err := principal.Restore(s)
	if err != nil {
		panic(fmt.Sprint(s.ID, err))
	}
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
