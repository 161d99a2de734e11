package twofactor_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	"gatehouse/application/attempt"
	"gatehouse/application/grant"
	"gatehouse/application/grant/granttest"
	"gatehouse/application/password/passwordtest"
	app "gatehouse/application/twofactor"
	"gatehouse/domain/client"
	"gatehouse/domain/factor"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

// The code that the app shows at noon, and the step it belongs to.
const (
	shown, mailed, other = "123456", "424242", "000000"
	step                 = 61171200
)

// apps makes one secret, and knows one code.
type apps struct{}

func (apps) NewSecret() (secret.Text, error) { return secret.New("JBSWY3DPEHPK3PXP"), nil }

func (apps) Step(of secret.Text, c factor.Code, _ time.Time, after int64) (int64, bool, error) {
	if of.Reveal() != "JBSWY3DPEHPK3PXP" || c.Reveal() != shown || after >= step {
		return 0, false, nil
	}
	return step, true, nil
}

type artist struct{ fails bool }

func (a artist) QRCode(text secret.Text) (secret.Text, error) {
	if a.fails {
		return secret.Text{}, errors.New("no room")
	}
	return secret.New("picture of " + text.Reveal()), nil
}

// world is a service at noon, where ada has two sessions, a challenge under way
// and a mailed code.
type world struct {
	store    *memory.Store
	work     *passwordtest.Work
	hasher   *passwordtest.Hasher
	caches   *accounttest.Caches
	tokens   *granttest.Tokens
	artist   artist
	required bool
	told     bool
	ids      atomic.Int32
}

var adas = throttle.Subject{Account: "ada@example.com", Network: "192.0.2.0/24"}

func newWorld(t *testing.T, on ...factor.Method) *world {
	t.Helper()
	store := memory.New()
	w := &world{
		store: store, work: &passwordtest.Work{UnitOfWork: store}, hasher: &passwordtest.Hasher{}, caches: &accounttest.Caches{},
		tokens: &granttest.Tokens{}, told: true,
	}
	w.hasher.Busy = w.work.Inside
	ada := principal.NewUser("ada", "Ada L", accounttest.Address("Ada@Example.com"), passwordtest.HashOf("secret"), noon.Add(-time.Hour))
	for _, m := range on {
		ada.EnableFactor(m)
	}
	code, _ := factor.ParseCode(secret.New(mailed))
	check(t, store.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		err := errors.Join(
			s.Principals.Add(ctx, ada), s.Sessions.Add(ctx, signedIn("mine")), s.Sessions.Add(ctx, signedIn("thief")),
			s.OneTime.Add(ctx, onetime.Item{
				Hash: challenge, Kind: onetime.Challenge, Principal: "ada", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
			}),
			s.MailedCodes.Put(ctx, "ada", factor.MailedCode{Code: code, CreatedAt: noon, ExpiresAt: noon.Add(time.Minute)}),
		)
		if slices.Contains(on, factor.TOTP) {
			err = errors.Join(err, s.Apps.Put(ctx, "ada", factor.App{Secret: secret.New("OLD"), LastStep: 1}),
				s.RecoveryCodes.Replace(ctx, "ada", recovery.Set{passwordtest.HashOf("OLD")}))
		}
		return err
	}))
	return w
}

var challenge = onetime.HashOf(secret.New("challenge"))

func signedIn(id session.ID) session.Session {
	end := noon.Add(time.Hour)
	return session.Session{ID: id, PrincipalID: "ada", StartedAt: noon.Add(-time.Hour), LastActive: noon.Add(-time.Hour), ExpiresAt: end, Until: end}
}

func clock() time.Time { return noon }

func (w *world) newID() string { return fmt.Sprintf("id-%04d", w.ids.Add(1)) }

func (w *world) deps() app.Deps {
	return app.Deps{
		Work: w.work, Revocations: w.caches, Now: clock, NewID: w.newID,
		Alerts: app.Alerts{Added: w.told, Removed: w.told, Codes: w.told},
	}
}

func (w *world) attempts() *attempt.Taker {
	return attempt.New(attempt.Deps{
		Work: w.work, Hasher: w.hasher, Now: clock, Policy: throttle.Policy{Attempts: 5, TotalAttempts: 50, MaxDelay: time.Minute},
	})
}

func newCodes() []recovery.Code {
	return []recovery.Code{recovery.Make([10]byte{1}), recovery.Make([10]byte{2}), recovery.Make([10]byte{3})}
}

func (w *world) beginner() *app.Beginner {
	return app.NewBeginner(app.BeginnerDeps{
		Work: w.work, TOTP: apps{}, QR: w.artist, NewCodes: newCodes, Service: "Gatehouse", Now: clock,
		Issuer: grant.New(grant.Deps{Minter: w.tokens, Token: token.Lifetimes{TOTPSetup: 15 * time.Minute}, NewID: w.newID}),
	})
}

func (w *world) totpEnabler() *app.TOTPEnabler {
	return app.NewTOTPEnabler(app.TOTPEnablerDeps{Deps: w.deps(), Attempts: w.attempts(), Hasher: w.hasher, Verifier: w.tokens, TOTP: apps{}})
}

func (w *world) emailEnabler() *app.EmailEnabler {
	return app.NewEmailEnabler(app.EmailEnablerDeps{Deps: w.deps(), Attempts: w.attempts()})
}

func (w *world) leaving() app.DisablerDeps {
	return app.DisablerDeps{Deps: w.deps(), Required: w.required}
}

func (w *world) replacer() *app.CodesReplacer {
	return app.NewCodesReplacer(app.CodesReplacerDeps{Deps: w.deps(), Hasher: w.hasher, NewCodes: newCodes})
}

func by() inbound.Context {
	from, _ := client.ParseAddress("192.0.2.77")
	return inbound.Context{
		Caller: session.Caller{PrincipalID: "ada", SessionID: "mine", StepUp: session.StepUpGranted}, From: client.Info{Address: from}, Locale: "de",
	}
}

// begun begins a setup and returns what confirms it with a code.
func (w *world) begun(t *testing.T, code string) inbound.EnableTOTP {
	t.Helper()
	s, err := w.beginner().Do(t.Context(), inbound.BeginTOTP{Context: by()})
	check(t, err)
	return inbound.EnableTOTP{Context: by(), Token: s.Token, Code: secret.New(code)}
}

// use is a use case with its command.
type use struct {
	name  string
	on    []factor.Method // before
	do    func(ctx context.Context, t *testing.T, w *world) error
	begin bool // a setup has to be begun before
}

func uses() []use {
	begun := func(w *world, t *testing.T) inbound.EnableTOTP {
		t.Helper()
		pending, err := w.store.Single().Setups.Of(t.Context(), "ada")
		check(t, err)
		named, err := w.tokens.Mint(token.TOTPSetup, token.Claims{ID: pending.ID, Subject: "ada", Session: "mine", ExpiresAt: pending.ExpiresAt})
		check(t, err)
		return inbound.EnableTOTP{Context: by(), Token: named, Code: secret.New(shown)}
	}
	return []use{
		{name: "prefer", on: []factor.Method{factor.TOTP, factor.Email}, do: func(ctx context.Context, _ *testing.T, w *world) error {
			_, err := app.NewPreferrer(app.PreferrerDeps{Work: w.work, Now: clock}).Do(ctx, inbound.PreferFactor{Context: by(), Method: "email"})
			return err
		}},
		{name: "begin", do: func(ctx context.Context, _ *testing.T, w *world) error {
			_, err := w.beginner().Do(ctx, inbound.BeginTOTP{Context: by()})
			return err
		}},
		{name: "enable totp", begin: true, do: func(ctx context.Context, t *testing.T, w *world) error {
			_, err := w.totpEnabler().Do(ctx, begun(w, t))
			return err
		}},
		{name: "enable email", do: func(ctx context.Context, _ *testing.T, w *world) error {
			_, err := w.emailEnabler().Do(ctx, inbound.EnableEmail{Context: by(), Code: secret.New(mailed)})
			return err
		}},
		{name: "disable totp", on: []factor.Method{factor.TOTP, factor.Email}, do: func(ctx context.Context, _ *testing.T, w *world) error {
			_, err := app.NewTOTPDisabler(w.leaving()).Do(ctx, inbound.DisableTOTP{Context: by()})
			return err
		}},
		{name: "disable email", on: []factor.Method{factor.TOTP, factor.Email}, do: func(ctx context.Context, _ *testing.T, w *world) error {
			_, err := app.NewEmailDisabler(w.leaving()).Do(ctx, inbound.DisableEmail{Context: by()})
			return err
		}},
		{name: "replace codes", on: []factor.Method{factor.TOTP}, do: func(ctx context.Context, _ *testing.T, w *world) error {
			_, err := w.replacer().Do(ctx, inbound.ReplaceRecoveryCodes{Context: by()})
			return err
		}},
	}
}

func (u use) world(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, u.on...)
	if u.begin {
		w.begun(t, shown)
	}
	return w
}

// seen is what can be seen of ada, besides the setup that is pending.
type seen struct {
	Ada       principal.Snapshot
	Sessions  []session.ID
	Challenge onetime.State
	App       string // its secret, "" if there is none
	Step      int64
	Codes     []string
	Failures  int
	Mails     []notice.Notice
}

func (w *world) look(t *testing.T) (out seen) {
	t.Helper()
	s := w.store.Single()
	p, err := s.Principals.ByID(t.Context(), "ada")
	check(t, err)
	out.Ada = p.Snapshot()
	live, err := s.Sessions.Of(t.Context(), "ada", noon)
	check(t, err)
	for _, l := range live {
		out.Sessions = append(out.Sessions, l.ID)
	}
	i, err := s.OneTime.Find(t.Context(), onetime.Challenge, challenge)
	check(t, err)
	out.Challenge = i.State(noon)
	a, err := s.Apps.Of(t.Context(), "ada")
	if !errors.Is(err, outbound.ErrNotFound) {
		check(t, err)
		out.App, out.Step = a.Secret.Reveal(), a.LastStep
	}
	codes, err := s.RecoveryCodes.Of(t.Context(), "ada")
	check(t, err)
	for _, c := range codes {
		out.Codes = append(out.Codes, c.Encoded())
	}
	slices.Sort(out.Codes)
	st, err := s.Attempts.State(t.Context(), adas)
	check(t, err)
	out.Failures = st.Account.Failures
	claims, err := s.Outbox.Claim(t.Context(), "test", noon.Add(time.Hour), noon.Add(2*time.Hour), 100)
	check(t, err)
	check(t, s.Outbox.Release(t.Context(), "test", noon))
	for _, c := range claims {
		out.Mails = append(out.Mails, c.Notice)
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %+v, want %+v", what, got, want)
	}
}
