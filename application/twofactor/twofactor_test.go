package twofactor_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/application/password/passwordtest"
	app "gatehouse/application/twofactor"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

func hashesOf(t *testing.T) (all []string) {
	t.Helper()
	for _, c := range newCodes() {
		all = append(all, passwordtest.HashOf(c.Reveal()).Encoded())
	}
	return all
}

func TestASetupChangesNothingUntilItIsConfirmed(t *testing.T) {
	w := newWorld(t)
	before := w.look(t)
	w.work.Twice = true
	s, err := w.beginner().Do(t.Context(), inbound.BeginTOTP{Context: by()})
	check(t, err)
	same(t, "shown", s.Secret.Reveal(), "JBSWY3DPEHPK3PXP")
	same(t, "key", s.URL.Reveal(), "otpauth://totp/Gatehouse:Ada%40Example.com?secret=JBSWY3DPEHPK3PXP&issuer=Gatehouse")
	same(t, "picture", s.QRCode.Reveal(), "picture of "+s.URL.Reveal())
	same(t, "recovery codes", len(s.RecoveryCodes), 3)
	same(t, "everything else", w.look(t), before)
	pending, err := w.store.Single().Setups.Of(t.Context(), "ada")
	check(t, err)
	c, err := w.tokens.Verify(s.Token, token.TOTPSetup, noon)
	check(t, err)
	if pending.ID != c.ID || !pending.ExpiresAt.Equal(c.ExpiresAt) || pending.Tries != 0 {
		t.Errorf("pending %s until %v, the token says %s, %v", pending.ID, pending.ExpiresAt, c.ID, c.ExpiresAt)
	}
}

func TestAConfirmedAppHasEveryEffectOfTheContractAndNoOther(t *testing.T) {
	w := newWorld(t)
	cmd := w.begun(t, " 123 456")
	before := w.look(t)
	w.work.Twice = true
	p, err := w.totpEnabler().Do(t.Context(), cmd)
	check(t, err)
	check(t, w.hasher.Misused())
	after := w.look(t)
	same(t, "answer", p.Factors(), factor.Set{TOTP: true, Preferred: factor.TOTP})
	want := before
	want.Ada.Factors, want.Ada.CredVersion, want.Ada.Version = p.Factors(), before.Ada.CredVersion+1, before.Ada.Version+1
	want.Sessions, want.Challenge = []session.ID{"mine"}, onetime.Voided
	want.App, want.Step, want.Codes = "JBSWY3DPEHPK3PXP", step, hashesOf(t)
	want.Mails = after.Mails
	same(t, "everything", after, want)
	same(t, "hashes", w.hasher.Made(), 3)
	same(t, "hashes with the salt of the first", w.hasher.Alike(), 2)
	told(t, after, notice.TwoFactorAdded, notice.TOTP)
	same(t, "caches", w.caches.Told(), []outbound.Revocation{{Principal: "ada", Kept: "mine"}})
	if _, err := w.store.Single().Setups.Of(t.Context(), "ada"); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("the setup is still there: %v", err)
	}
}

func told(t *testing.T, s seen, kind notice.Kind, f notice.Factor) {
	t.Helper()
	if len(s.Mails) != 1 || s.Mails[0].Kind != kind || s.Mails[0].Factor != f || s.Mails[0].Locale != "de" || s.Mails[0].To.Typed() != "Ada@Example.com" {
		t.Errorf("told %+v", s.Mails)
	}
}

func TestMailedCodesGoOnWithOne(t *testing.T) {
	w := newWorld(t, factor.TOTP)
	before := w.look(t)
	w.work.Twice = true
	p, err := w.emailEnabler().Do(t.Context(), inbound.EnableEmail{Context: by(), Code: secret.New(mailed)})
	check(t, err)
	after := w.look(t)
	want := before
	want.Ada.Factors, want.Ada.CredVersion, want.Ada.Version = p.Factors(), before.Ada.CredVersion+1, before.Ada.Version+1
	want.Sessions, want.Mails = []session.ID{"mine"}, after.Mails
	same(t, "everything", after, want)
	same(t, "preferred", p.Factors().Preferred, factor.TOTP)
	told(t, after, notice.TwoFactorAdded, notice.Email)
	_, err = w.emailEnabler().Do(t.Context(), inbound.EnableEmail{Context: by(), Code: secret.New(mailed)})
	same(t, "again", fault.CodeOf(err), fault.TwoFactorMethodAlreadyEnabled)
}

func TestWhatGoesOffIsErased(t *testing.T) {
	for _, u := range uses() {
		if u.name != "disable totp" && u.name != "disable email" {
			continue
		}
		w := u.world(t)
		w.work.Twice = true
		check(t, u.do(t.Context(), t, w))
		got := w.look(t)
		left, method := factor.Set{Email: true, Preferred: factor.Email}, notice.TOTP
		if u.name == "disable email" {
			left, method = factor.Set{TOTP: true, Preferred: factor.TOTP}, notice.Email
		}
		same(t, u.name+": what is left", got.Ada.Factors, left)
		same(t, "app and codes", got.App != "" && len(got.Codes) > 0, left.TOTP)
		same(t, "sessions", got.Sessions, []session.ID{"mine"})
		same(t, "challenge", got.Challenge, onetime.Voided)
		told(t, got, notice.TwoFactorRemoved, method)
		err := w.store.Single().MailedCodes.Try(t.Context(), "ada", noon)
		same(t, "mailed code", errors.Is(err, outbound.ErrStale), left.TOTP)
	}
}

// locks notes in which order challenges and mailed codes are locked.
type locks struct {
	outbound.UnitOfWork

	order []string
}

func (l *locks) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return l.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		s.OneTime, s.MailedCodes = lockedItems{s.OneTime, l}, lockedCodes{s.MailedCodes, l}
		return fn(ctx, s)
	})
}

type lockedItems struct {
	outbound.OneTime

	by *locks
}

func (i lockedItems) Void(ctx context.Context, of principal.ID, k onetime.Kind, keep string, now time.Time) error {
	i.by.order = append(i.by.order, "challenges")
	return i.OneTime.Void(ctx, of, k, keep, now)
}

type lockedCodes struct {
	outbound.MailedCodes

	by *locks
}

func (c lockedCodes) Void(ctx context.Context, of principal.ID) error {
	c.by.order = append(c.by.order, "code")
	return c.MailedCodes.Void(ctx, of)
}

// Whoever guesses counts at the challenge first, then at the code. In another
// order here the two would wait for each other, until a database ends it.
func TestChallengesAreLockedBeforeTheCodesThatAnswerThem(t *testing.T) {
	w := newWorld(t, factor.Email)
	l, d := &locks{UnitOfWork: w.work}, w.leaving()
	d.Work = l
	_, err := app.NewEmailDisabler(d).Do(t.Context(), inbound.DisableEmail{Context: by()})
	check(t, err)
	if !slices.Equal(l.order, []string{"challenges", "code"}) {
		t.Errorf("locked in this order: %v", l.order)
	}
}

func TestNewRecoveryCodesReplaceTheOldOnesAndRevokeNothing(t *testing.T) {
	w := newWorld(t, factor.TOTP)
	before := w.look(t)
	w.work.Twice = true
	codes, err := w.replacer().Do(t.Context(), inbound.ReplaceRecoveryCodes{Context: by()})
	check(t, err)
	check(t, w.hasher.Misused())
	after := w.look(t)
	want := before
	want.Codes, want.Mails = hashesOf(t), after.Mails
	same(t, "everything", after, want)
	same(t, "shown", len(codes), 3)
	same(t, "hashes with the salt of the first", w.hasher.Alike(), 2)
	told(t, after, notice.RecoveryCodesReplaced, "")
	same(t, "caches", len(w.caches.Told()), 0)
}

// Every store call is made to fail in turn: the failure is passed on, nothing is
// changed, and a right code is no wrong one. Then it is done again.
func TestAChangeHappensWhollyOrNotAtAll(t *testing.T) {
	for _, u := range uses() {
		t.Run(u.name, func(t *testing.T) {
			for n := 1; ; n++ {
				w := u.world(t)
				before, calls := w.look(t), w.work.Calls()
				w.work.FailAt, w.work.Err = calls+n, fault.New(fault.DatabaseFailure)
				err := u.do(t.Context(), t, w)
				if err == nil {
					if n < 3 {
						t.Errorf("only %d calls can fail", n-1)
					}
					return
				}
				same(t, "code", fault.CodeOf(err), fault.DatabaseFailure)
				same(t, "everything", w.look(t), before)
				w.work.FailAt = 0
				check(t, u.do(t.Context(), t, w))
			}
		})
	}
}

func TestACacheThatHeardNothingLeavesTheChangeStanding(t *testing.T) {
	for _, u := range uses() {
		w := u.world(t)
		before := w.look(t)
		w.caches.Fails = errors.New("out of reach")
		err := u.do(t.Context(), t, w)
		after := w.look(t)
		switch {
		case len(w.caches.Told()) == 0:
			check(t, err)
		case fault.CodeOf(err) != fault.PostCommitSideEffectFailure:
			t.Errorf("%s: %v", u.name, err)
		case after.Ada.Factors == before.Ada.Factors || after.Failures != 0:
			t.Errorf("%s: nothing stands, or %d counted", u.name, after.Failures)
		}
	}
}

func TestNothingIsSentToWhoIsNotToBeTold(t *testing.T) {
	for _, u := range uses() {
		w := u.world(t)
		w.told = false
		check(t, u.do(t.Context(), t, w))
		same(t, u.name, len(w.look(t).Mails), 0)
	}
}

func TestNobodyDoesAnythingWithoutAProof(t *testing.T) {
	w := newWorld(t)
	bare := by()
	bare.Caller.StepUp = session.StepUpMissing
	for name, do := range map[string]func() error{
		"prefer": func() error {
			_, err := app.NewPreferrer(app.PreferrerDeps{Work: w.work, Now: clock}).Do(t.Context(), inbound.PreferFactor{Context: bare})
			return err
		},
		"begin": func() error {
			_, err := w.beginner().Do(t.Context(), inbound.BeginTOTP{Context: bare})
			return err
		},
		"enable totp": func() error {
			_, err := w.totpEnabler().Do(t.Context(), inbound.EnableTOTP{Context: bare})
			return err
		},
		"enable email": func() error {
			_, err := w.emailEnabler().Do(t.Context(), inbound.EnableEmail{Context: bare})
			return err
		},
		"disable totp": func() error {
			_, err := app.NewTOTPDisabler(w.leaving()).Do(t.Context(), inbound.DisableTOTP{Context: bare})
			return err
		},
		"disable email": func() error {
			_, err := app.NewEmailDisabler(w.leaving()).Do(t.Context(), inbound.DisableEmail{Context: bare})
			return err
		},
		"replace codes": func() error {
			_, err := w.replacer().Do(t.Context(), inbound.ReplaceRecoveryCodes{Context: bare})
			return err
		},
	} {
		if err := do(); fault.CodeOf(err) != fault.StepUpTokenMissing {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "calls", w.work.Calls(), 0)
}

// A turn that cannot be had costs no guess, and nobody hashes for who may not
// (faults F96).
func TestHashingComesAfterWhatCosts(t *testing.T) {
	w := newWorld(t)
	cmd := w.begun(t, other)
	w.hasher.Full = true
	_, err := w.totpEnabler().Do(t.Context(), cmd)
	same(t, "without a turn", fault.CodeOf(err), fault.ServiceOverloaded)
	same(t, "counted", w.look(t).Failures, 0)
	w.hasher.Full = false
	_, err = w.totpEnabler().Do(t.Context(), cmd)
	same(t, "wrong", fault.CodeOf(err), fault.WrongTwoFactorCode)
	same(t, "counted", w.look(t).Failures, 1)
	_, err = w.replacer().Do(t.Context(), inbound.ReplaceRecoveryCodes{Context: by()})
	same(t, "codes of an app that is off", fault.CodeOf(err), fault.TwoFactorMethodDisabled)
	same(t, "hashes", w.hasher.Made(), 0)
	cmd.Code = secret.New(shown)
	w.hasher.Fails = true
	_, err = w.totpEnabler().Do(t.Context(), cmd)
	same(t, "when no hash can be made", fault.CodeOf(err), fault.HashFailure)
	same(t, "counted", w.look(t).Failures, 1)
	same(t, "on", w.look(t).Ada.Factors.Any(), false)
}

func TestWhatCannotBeDrawnVoidsNoSetup(t *testing.T) {
	w := newWorld(t)
	w.begun(t, shown)
	before, err := w.store.Single().Setups.Of(t.Context(), "ada")
	check(t, err)
	w.artist.fails = true
	if _, err := w.beginner().Do(t.Context(), inbound.BeginTOTP{Context: by()}); err == nil {
		t.Error("drawn all the same")
	}
	after, err := w.store.Single().Setups.Of(t.Context(), "ada")
	check(t, err)
	same(t, "setup", after.ID, before.ID)
}

// --- at once (faults F13, F17, F19, F81) ---

const crowd = 50

// parallel runs one request many times at once, and counts the outcomes.
func parallel(do func(i int) error) map[fault.Code]int {
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		outcome = map[fault.Code]int{}
		gate    = make(chan struct{})
	)
	for i := range crowd {
		all.Go(func() {
			<-gate
			code := fault.CodeOf(do(i))
			mu.Lock()
			defer mu.Unlock()
			outcome[code]++
		})
	}
	close(gate)
	all.Wait()
	return outcome
}

func TestOfManyConfirmationsOneWins(t *testing.T) {
	w := newWorld(t)
	cmd := w.begun(t, shown)
	w.hasher.Busy = nil // others are inside
	got := parallel(func(int) error {
		_, err := w.totpEnabler().Do(t.Context(), cmd)
		return err
	})
	if got[""] != 1 || got[fault.InternalError] != 0 || got[fault.WrongTwoFactorCode] != 0 {
		t.Errorf("outcomes %v", got)
	}
	after := w.look(t)
	same(t, "mails", len(after.Mails), 1)
	same(t, "step", after.Step, int64(step))
	same(t, "codes", after.Codes, hashesOf(t))
}

func TestOfManyMailedCodesOneWins(t *testing.T) {
	w := newWorld(t)
	got := parallel(func(int) error {
		_, err := w.emailEnabler().Do(t.Context(), inbound.EnableEmail{Context: by(), Code: secret.New(mailed)})
		return err
	})
	if got[""] != 1 || got[fault.InternalError] != 0 {
		t.Errorf("outcomes %v", got)
	}
	same(t, "mails", len(w.look(t).Mails), 1)
}

func TestNoMoreThanFiveGuessesAreJudged(t *testing.T) {
	for name, do := range map[string]func(w *world, cmd inbound.EnableTOTP) error{
		"app": func(w *world, cmd inbound.EnableTOTP) error {
			_, err := w.totpEnabler().Do(context.WithoutCancel(t.Context()), cmd)
			return err
		},
		"mailed code": func(w *world, _ inbound.EnableTOTP) error {
			_, err := w.emailEnabler().Do(context.WithoutCancel(t.Context()), inbound.EnableEmail{Context: by(), Code: secret.New(other)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cmd := w.begun(t, other)
			w.hasher.Busy = nil
			got := parallel(func(int) error { return do(w, cmd) })
			if got[fault.WrongTwoFactorCode] != 5 || got[""] != 0 {
				t.Errorf("outcomes %v", got)
			}
			same(t, "counted", w.look(t).Failures, 5)
		})
	}
}

func TestTheLastMethodStaysHoweverManyGoAtOnce(t *testing.T) {
	for range 20 {
		w := newWorld(t, factor.TOTP, factor.Email)
		w.required = true
		var refused atomic.Int32
		parallel(func(i int) error {
			var err error
			if i%2 == 0 {
				_, err = app.NewTOTPDisabler(w.leaving()).Do(t.Context(), inbound.DisableTOTP{Context: by()})
			} else {
				_, err = app.NewEmailDisabler(w.leaving()).Do(t.Context(), inbound.DisableEmail{Context: by()})
			}
			if fault.CodeOf(err) == fault.CannotDisableOnlyTwoFactorMethod {
				refused.Add(1)
			}
			return err
		})
		if on := w.look(t).Ada.Factors; len(on.Methods()) != 1 || !on.Valid() || refused.Load() == 0 {
			t.Fatalf("%v are on, %d were refused", on.Methods(), refused.Load())
		}
	}
}

func TestACooldownIsThatOfTheOwnersAddress(t *testing.T) {
	w := newWorld(t)
	_, err := w.store.Single().Cooldowns.Start(t.Context(), notice.EmailAuthentication, "ada@example.com", noon, 60e9)
	check(t, err)
	c := app.NewCooldown(app.CooldownDeps{Work: w.work, Now: clock})
	left, err := c.Do(t.Context(), inbound.FactorCooldown{Of: "ada"})
	check(t, err)
	same(t, "left", left, inbound.Cooldown(60e9))
	_, err = c.Do(t.Context(), inbound.FactorCooldown{Of: "nobody"})
	same(t, "of nobody", fault.CodeOf(err), fault.UserNotFound)
	check(t, w.store.Single().Principals.Add(t.Context(), principal.NewGuest("gus", "Gus", noon)))
	_, err = c.Do(t.Context(), inbound.FactorCooldown{Of: "gus"})
	same(t, "of a guest", fault.CodeOf(err), fault.UserNotFound)
	w.work.FailAt, w.work.Err = w.work.Calls()+2, fault.New(fault.DatabaseFailure)
	_, err = c.Do(t.Context(), inbound.FactorCooldown{Of: "ada"})
	same(t, "unreadable", fault.CodeOf(err), fault.CacheOperationFailure)
}
