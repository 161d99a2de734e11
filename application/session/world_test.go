package session_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/access"
	"gatehouse/application/account/accounttest"
	"gatehouse/application/attempt"
	"gatehouse/application/grant"
	"gatehouse/application/grant/granttest"
	"gatehouse/application/mailcode"
	app "gatehouse/application/session"
	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

const (
	day   = 24 * time.Hour
	right = "Right-Secret1"
	wrong = "Wr0ng-Secret!"
	grace = 10 * time.Second
	free  = 5
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

// visible is a fake hasher: fast, and visibly not what it was given.
type visible struct {
	full    atomic.Bool
	broken  atomic.Bool
	unable  atomic.Bool            // to make new hashes
	waiting func()                 // called before a turn is given
	meet    func()                 // called once a password was judged
	hashes  atomic.Int32           // compared or made
	params  atomic.Pointer[string] // of new hashes; another one in a hash is outdated
}

func (h *visible) current() string {
	if p := h.params.Load(); p != nil {
		return *p
	}
	return "v1"
}

func (h *visible) Admit(context.Context, string) (outbound.Turn, error) {
	if h.waiting != nil {
		h.waiting()
	}
	if h.full.Load() {
		return nil, fault.New(fault.ServiceOverloaded).RetryIn(time.Second)
	}
	return h, nil
}

func (h *visible) Hash(p password.Plain) (password.Hash, error) {
	h.hashes.Add(1)
	if h.unable.Load() {
		return password.Hash{}, fault.New(fault.HashFailure)
	}
	return password.NewHash(h.current() + ":" + p.Reveal()), nil
}

func (h *visible) HashLike(p password.Plain, _ password.Hash) (password.Hash, error) {
	return h.Hash(p)
}

func (h *visible) Matches(p password.Plain, of password.Hash) (ok, outdated bool, err error) {
	h.hashes.Add(1)
	if h.broken.Load() {
		return false, false, fault.New(fault.HashFailure)
	}
	params, plain, _ := strings.Cut(of.Encoded(), ":")
	ok = !of.IsZero() && !p.TooLong() && plain == p.Reveal()
	if h.meet != nil {
		h.meet()
	}
	return ok, ok && params != h.current(), nil
}

func (h *visible) Done() {}

// counting counts the round trips to a store: a unit is one, and so is each
// use of a store outside of any.
type counting struct {
	outbound.UnitOfWork

	units atomic.Int32
}

func (c *counting) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	c.units.Add(1)
	return c.UnitOfWork.Within(ctx, fn)
}

func (c *counting) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	c.units.Add(1)
	return c.UnitOfWork.View(ctx, fn)
}

func (c *counting) Single() outbound.Stores {
	s := c.UnitOfWork.Single()
	s.Sessions = countedSessions{s.Sessions, c}
	s.Attempts = countedAttempts{s.Attempts, c}
	s.Entry = countedEntry{s.Entry, c}
	return s
}

type countedAttempts struct {
	outbound.Attempts

	by *counting
}

func (a countedAttempts) Swap(ctx context.Context, of throttle.Subject, old, next throttle.State) (bool, error) {
	a.by.units.Add(1)
	return a.Attempts.Swap(ctx, of, old, next)
}

type countedEntry struct {
	outbound.Entry

	by *counting
}

func (e countedEntry) Look(ctx context.Context, of throttle.Subject) (throttle.State, *principal.Principal, error) {
	e.by.units.Add(1)
	return e.Entry.Look(ctx, of)
}

func (e countedEntry) SignIn(ctx context.Context, in outbound.SignIn) (outbound.Effect, error) {
	e.by.units.Add(1)
	return e.Entry.SignIn(ctx, in)
}

// countedSessions counts the calls that this package makes outside of a unit.
type countedSessions struct {
	outbound.Sessions

	by *counting
}

func (s countedSessions) Refreshable(ctx context.Context, id session.ID, presented string, now time.Time) (outbound.Access, *session.Pair, error) {
	s.by.units.Add(1)
	return s.Sessions.Refreshable(ctx, id, presented, now)
}

func (s countedSessions) Rotate(ctx context.Context, r session.Rotation) (bool, error) {
	s.by.units.Add(1)
	return s.Sessions.Rotate(ctx, r)
}

// dying is the context of a caller to whom the database stops answering after
// some more calls, for the memory store asks it before each one and before a
// commit.
type dying struct {
	context.Context

	left atomic.Int32
}

func (d *dying) Err() error {
	if d.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// world is a service with ada, who has a password, fay, who signs in elsewhere,
// and gus, a guest.
type world struct {
	store     outbound.UnitOfWork
	work      *counting
	hasher    *visible
	tokens    *granttest.Tokens
	caches    *accounttest.Caches
	alerts    app.Alerts
	mailOn    bool
	policy    throttle.Policy
	lifetimes session.Lifetimes
	now       time.Time
	ids       atomic.Int32
}

// fataler is what is common to tests and properties.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Context() context.Context
}

func newWorld(t fataler) *world {
	t.Helper()
	return newWorldIn(t, memory.New())
}

func newWorldIn(t fataler, store outbound.UnitOfWork) *world {
	t.Helper()
	w := &world{
		store: store, work: &counting{UnitOfWork: store}, hasher: &visible{}, tokens: &granttest.Tokens{}, caches: &accounttest.Caches{},
		alerts: app.Alerts{Login: true, RefreshReused: true}, mailOn: true,
		policy:    throttle.Policy{Attempts: free, TotalAttempts: 50, MaxDelay: 15 * time.Minute},
		lifetimes: session.Lifetimes{Refresh: 90 * day, GuestRefresh: 30 * day, Max: 180 * day, ReuseGrace: grace},
		now:       noon,
	}
	w.within(t, func(ctx context.Context, s outbound.Stores) error {
		return errors.Join(
			s.Principals.Add(ctx, w.user(t, "ada", password.NewHash("v1:"+right))),
			s.Principals.Add(ctx, w.user(t, "fay", password.Hash{})),
			s.Principals.Add(ctx, principal.NewGuest("gus", "Gus", noon)),
		)
	})
	return w
}

func (w *world) user(t fataler, name string, hash password.Hash) *principal.Principal {
	t.Helper()
	address, broken := email.Parse(name + "@Example.com")
	s := principal.Snapshot{
		ID: principal.ID(name), Kind: principal.User, Name: name, Email: address, Hash: hash,
		CreatedAt: noon.Add(-day), LastActive: noon.Add(-day),
	}
	if hash.IsZero() {
		s.Identities = []principal.Identity{{Provider: "github", Subject: "1"}}
	}
	p, err := principal.Restore(s)
	if err != nil || broken != nil {
		t.Fatal(err, broken)
	}
	return p
}

func (w *world) id() string { return fmt.Sprintf("id-%d", w.ids.Add(1)) }

func (w *world) clock() time.Time { return w.now }

func (w *world) issuer() *grant.Issuer {
	return grant.New(grant.Deps{
		Minter: w.tokens, Session: w.lifetimes, NewID: w.id,
		Token: token.Lifetimes{Access: 15 * time.Minute, StepUp: 10 * time.Minute, Challenge: 10 * time.Minute},
	})
}

func (w *world) taker() *attempt.Taker {
	return attempt.New(attempt.Deps{Work: w.work, Hasher: w.hasher, Policy: w.policy, Now: w.clock})
}

func locate(a client.Address) *client.Location {
	if a.String() == "" {
		return nil
	}
	return &client.Location{City: "City of " + a.Network()}
}

func (w *world) signerIn() *app.SignerIn {
	return app.NewSignerIn(app.SignerInDeps{
		Work: w.work, Attempts: w.taker(), Entrance: w.entrance(), MailOn: w.mailOn, NewID: w.id, Now: w.clock, InfoCooldown: time.Hour,
	})
}

func (w *world) entrance() *app.Entrance {
	return app.NewEntrance(app.EntranceDeps{
		Attempts: w.taker(), Issuer: w.issuer(), Codes: w.codes(), Locate: locate, Alerts: w.alerts, MailOn: w.mailOn, NewID: w.id, Now: w.clock,
	})
}

// mailed is every code that is mailed.
const mailed = "424242"

func (w *world) codes() *mailcode.Sender {
	return mailcode.New(mailcode.Deps{
		Work: w.work, MailOn: w.mailOn, Cooldown: time.Minute, TTL: 10 * time.Minute, NewID: w.id, Now: w.clock,
		NewCode: func() factor.Code { return factor.Code{Text: secret.New(mailed)} },
	})
}

func (w *world) refresher() *app.Refresher {
	return app.NewRefresher(app.RefresherDeps{
		Work: w.work, Verifier: w.tokens, Issuer: w.issuer(), Revocations: w.caches, Locate: locate,
		Alerts: w.alerts, MailOn: w.mailOn, NewID: w.id, Now: w.clock,
	})
}

func (w *world) stepperUp() *app.StepperUp {
	return app.NewStepperUp(app.StepperUpDeps{
		Work: w.work, Attempts: w.taker(), Entrance: w.entrance(), GuestWindow: 10 * time.Minute, Now: w.clock,
	})
}

func (w *world) signerOut() *app.SignerOut {
	return app.NewSignerOut(app.SignerOutDeps{Work: w.work, Verifier: w.tokens, Revocations: w.caches, Now: w.clock})
}

func (w *world) ending() app.EnderDeps {
	return app.EnderDeps{Work: w.work, Revocations: w.caches, Now: w.clock}
}

func (w *world) lister() *app.Lister {
	return app.NewLister(app.ListerDeps{Work: w.work, Now: w.clock})
}

func from(ip string) client.Info {
	return client.Info{
		Address: client.NewAddress(netip.MustParseAddr(ip)),
		Device:  client.Device{Browser: "Firefox", OS: "Linux"},
	}
}

func at(ip string) inbound.Context { return inbound.Context{From: from(ip), Locale: "de"} }

// home is where everybody is unless a test says otherwise.
const home = "192.0.2.7"

func signIn(address, pw string) inbound.SignIn {
	return inbound.SignIn{Context: at(home), Email: address, Password: password.NewPlain(pw)}
}

// enter signs ada in.
func (w *world) enter(t fataler) inbound.SignedIn {
	t.Helper()
	in, err := w.signerIn().Do(t.Context(), signIn("ada@example.com", right))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// enterGuest gives gus a session.
func (w *world) enterGuest(t fataler) inbound.SignedIn {
	t.Helper()
	p, err := w.store.Single().Principals.ByID(t.Context(), "gus")
	if err != nil {
		t.Fatal(err)
	}
	return w.admit(t, p, session.AsGuest)
}

// admit gives p a session for a factor.
func (w *world) admit(t fataler, p *principal.Principal, f session.Factor) inbound.SignedIn {
	t.Helper()
	in, err := w.issuer().Admit(p, session.Proven{f}, grant.Purpose{From: from(home)}, w.now)
	if err != nil {
		t.Fatal(err)
	}
	s := in.SignIn.Session
	w.within(t, func(ctx context.Context, st outbound.Stores) error { return st.Sessions.Add(ctx, s) })
	return inbound.SignedIn{Principal: p, SessionID: s.ID, Tokens: in.SignIn.Tokens}
}

func (w *world) refresh(ctx context.Context, t secret.Text) (inbound.SignedIn, error) {
	return w.refresher().Do(ctx, inbound.Refresh{Context: at(home), RefreshToken: t})
}

// accepts answers why an access token is refused, "" if it is not.
func (w *world) accepts(t fataler, s secret.Text) fault.Code {
	t.Helper()
	_, err := access.NewAuthenticator(access.AuthenticatorDeps{Work: w.store, Marks: memory.NoCache{}, Verifier: w.tokens, Now: w.clock}).
		Do(t.Context(), inbound.Authenticate{AccessToken: s})
	return fault.CodeOf(err)
}

func (w *world) within(t fataler, fn func(context.Context, outbound.Stores) error) {
	t.Helper()
	if err := w.store.Within(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (w *world) change(t fataler, id principal.ID, fn func(*principal.Principal)) {
	t.Helper()
	w.within(t, func(ctx context.Context, s outbound.Stores) error {
		p, err := s.Principals.ByID(ctx, id)
		if err != nil {
			return err
		}
		fn(p)
		return s.Principals.Save(ctx, p)
	})
}

func (w *world) load(t fataler, id principal.ID) *principal.Principal {
	t.Helper()
	p, err := w.store.Single().Principals.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) sessions(t fataler, of principal.ID) []session.Session {
	t.Helper()
	all, err := w.store.Single().Sessions.Of(t.Context(), of, w.now)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// stored returns a session whatever became of it.
func (w *world) stored(t fataler, id session.ID) session.Session {
	t.Helper()
	a, err := w.store.Single().Sessions.Access(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Session
}

// mails returns what the outbox owes, without taking it.
func (w *world) mails(t fataler) (owed []notice.Notice) {
	t.Helper()
	undone := errors.New("not to be committed")
	err := w.store.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		claims, err := s.Outbox.Claim(ctx, "test", w.now.Add(400*day), w.now.Add(401*day), 1000)
		owed = nil
		for _, c := range claims {
			owed = append(owed, c.Notice)
		}
		return cmp.Or(err, undone)
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	return owed
}

// counted returns how many wrong passwords are counted for an address at home.
func (w *world) counted(t fataler, address string) int {
	t.Helper()
	s, err := w.store.Single().Attempts.State(t.Context(), attempt.Subject(address, from(home).Address))
	if err != nil {
		t.Fatal(err)
	}
	return s.Network.Failures
}

func (w *world) setCounted(t fataler, address string, n int) {
	t.Helper()
	s := throttle.State{}
	for range n {
		s = s.Count(w.now)
	}
	w.within(t, func(ctx context.Context, st outbound.Stores) error {
		return st.Attempts.Save(ctx, attempt.Subject(address, from(home).Address), s)
	})
}

// challenge gives a principal a challenge in a session, and returns whether it
// still works.
func (w *world) challenge(t fataler, of principal.ID, in session.ID) (usable func() bool) {
	t.Helper()
	c := token.Claims{ID: w.id(), Subject: of, Session: in, Purpose: session.ForStepUp, IssuedAt: w.now, ExpiresAt: w.now.Add(365 * day)}
	named, err := w.tokens.Mint(token.TwoFactor, c)
	if err != nil {
		t.Fatal(err)
	}
	w.within(t, func(ctx context.Context, s outbound.Stores) error {
		return s.OneTime.Add(ctx, onetime.Item{
			Hash: grant.ChallengeHash(c), Kind: onetime.Challenge, Principal: of, Session: in, Purpose: c.Purpose,
			CreatedAt: w.now, ExpiresAt: c.ExpiresAt,
		})
	})
	checker := access.NewChallengeChecker(access.ChallengeCheckerDeps{Work: w.store, Verifier: w.tokens, Now: w.clock})
	return func() bool {
		_, err := checker.Do(t.Context(), inbound.CheckChallenge{Token: named})
		if err != nil && fault.CodeOf(err) != fault.TwoFactorAuthenticationTokenInvalid {
			t.Fatal(err)
		}
		return err == nil
	}
}

// everyFailure lets the database die at each call that do makes, one after the
// other, each time in a fresh world, and tells check what came of it, until do
// gets through.
func everyFailure(t *testing.T, do func(t *testing.T) (w *world, act func(context.Context) error), check func(t *testing.T, w *world, err error)) {
	t.Helper()
	for calls := range int32(100) {
		w, act := do(t)
		ctx := &dying{Context: t.Context()}
		ctx.left.Store(calls)
		err := act(ctx)
		if ctx.left.Load() >= 0 {
			if err != nil {
				t.Fatalf("with a database in good health: %v", err)
			}
			if calls < 2 {
				t.Fatalf("there were only %d calls", calls)
			}
			return
		}
		check(t, w, err)
	}
	t.Fatal("it never got through")
}

func crowd(n int, fn func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}
