package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

var factorChecks = []storeCheck{
	{"ChallengeRoundTrip", challengeRoundTrip},
	{"TryStopsAtTheLimit", tryStopsAtTheLimit},
	{"TryRefuses", tryRefuses},
	{"TheLastTryMayBeRight", theLastTryMayBeRight},
	{"TryLetsSoManyGuess", tryLetsSoManyGuess},
	{"AppRoundTrip", appRoundTrip},
	{"StepsOnlyGrow", stepsOnlyGrow},
	{"AStepHasOneWinner", aStepHasOneWinner},
	{"SetupRoundTrip", setupRoundTrip},
	{"SetupsAreOfferedOnce", setupsAreOfferedOnce},
	{"SetupsEnd", setupsEnd},
	{"SetupPurge", setupPurge},
	{"RecoveryCodesAreReplacedAsASet", recoveryCodesAreReplaced},
	{"ARecoveryCodeHasOneWinner", aRecoveryCodeHasOneWinner},
	{"MailedCodesWorkOnce", mailedCodesWorkOnce},
	{"MailedCodesEnd", mailedCodesEnd},
	{"AMailedCodeHasOneWinner", aMailedCodeHasOneWinner},
	{"MailedCodePurge", mailedCodePurge},
	{"CooldownsCanEndEarly", cooldownsCanEndEarly},
	{"FactorsNeedTheirPrincipal", factorsNeedTheirPrincipal},
	{"FactorsGoWithTheirPrincipal", factorsGoWithTheirPrincipal},
}

func challenge(n byte, of principal.ID) onetime.Item {
	return onetime.Item{
		Hash: onetime.Hash{n, 1}, Kind: onetime.Challenge, Principal: of, Session: "s1",
		CreatedAt: at.Add(-time.Minute), ExpiresAt: at.Add(time.Minute),
		Purpose: session.ForStepUp, Proven: session.Proven{session.Password, session.Provider},
	}
}

func challengeRoundTrip(t *testing.T, w work) {
	add(t, w, user("u1"))
	tried, signIn := challenge(2, "u1"), challenge(3, "u1")
	tried.Tries = 3
	signIn.Purpose, signIn.Session, signIn.Proven = session.ForSignIn, "", session.Proven{session.Password}
	for _, want := range []onetime.Item{challenge(1, "u1"), tried, signIn} {
		addItems(t, w, want)
		sameItem(t, find(t, w, want), want)
	}
}

func try(t *testing.T, w work, i onetime.Item) error {
	t.Helper()
	return w.Single().OneTime.Try(t.Context(), i.Kind, i.Hash, at)
}

func tryStopsAtTheLimit(t *testing.T, w work) {
	add(t, w, user("u1"))
	addItems(t, w, challenge(1, "u1"), challenge(2, "u1"))
	for i := range factor.MaxTries + 2 {
		var want error
		if i >= factor.MaxTries {
			want = outbound.ErrStale
		}
		if err := try(t, w, challenge(1, "u1")); !errors.Is(err, want) {
			t.Errorf("guess %d = %v, want %v", i+1, err, want)
		}
	}
	spent := challenge(1, "u1")
	spent.Tries = factor.MaxTries
	sameItem(t, find(t, w, spent), spent)
	sameItem(t, find(t, w, challenge(2, "u1")), challenge(2, "u1"))
	if !find(t, w, spent).Spent() || find(t, w, challenge(2, "u1")).Spent() {
		t.Error("Spent is not told by the number of guesses")
	}
}

func tryRefuses(t *testing.T, w work) {
	add(t, w, user("u1"))
	for n, change := range []func(*onetime.Item){
		func(i *onetime.Item) { i.UsedAt = at }, func(i *onetime.Item) { i.VoidedAt = at }, func(i *onetime.Item) { i.ExpiresAt = at },
	} {
		i := challenge(byte(n), "u1")
		change(&i)
		addItems(t, w, i)
		if err := try(t, w, i); !errors.Is(err, outbound.ErrStale) {
			t.Errorf("Try of an item in state %d = %v, want ErrStale", i.State(at), err)
		}
		sameItem(t, find(t, w, i), i)
	}
	addItems(t, w, challenge(9, "u1"))
	other := challenge(9, "u1")
	other.Kind = onetime.PasswordReset
	if err := try(t, w, other); !errors.Is(err, outbound.ErrStale) {
		t.Errorf("Try as another kind = %v, want ErrStale", err)
	}
}

func theLastTryMayBeRight(t *testing.T, w work) {
	add(t, w, user("u1"))
	i := challenge(1, "u1")
	i.Tries = factor.MaxTries - 1
	addItems(t, w, i)
	must(t, try(t, w, i))
	must(t, w.Single().OneTime.Use(t.Context(), i.Kind, i.Hash, at))
}

// outcomes counts how many of n callers at once are done and how many are stale.
func outcomes(t *testing.T, n int, call func() error) (done, stale int) {
	t.Helper()
	var yes, no atomic.Int32
	race(n, func(int) {
		switch err := call(); {
		case err == nil:
			yes.Add(1)
		case errors.Is(err, outbound.ErrStale):
			no.Add(1)
		default:
			t.Errorf("%v, want nil or ErrStale", err)
		}
	})
	return int(yes.Load()), int(no.Load())
}

func tryLetsSoManyGuess(t *testing.T, w work) {
	add(t, w, user("u1"))
	addItems(t, w, challenge(1, "u1"))
	done, stale := outcomes(t, crowd, func() error {
		return w.Within(t.Context(), func(ctx context.Context, s stores) error {
			return s.OneTime.Try(ctx, onetime.Challenge, challenge(1, "u1").Hash, at)
		})
	})
	if done != factor.MaxTries || stale != crowd-factor.MaxTries {
		t.Errorf("of %d guesses at once %d were let through and %d refused", crowd, done, stale)
	}
}

func app(n int64) factor.App {
	return factor.App{Secret: secret.New(fmt.Sprint("JBSWY3DPEHPK3PXP", n)), LastStep: n}
}

func sameApp(t *testing.T, w work, of principal.ID, want factor.App) {
	t.Helper()
	got, err := w.Single().Apps.Of(t.Context(), of)
	must(t, err)
	if !got.Secret.Equal(want.Secret) || got.LastStep != want.LastStep {
		t.Errorf("app of %s: step %d and a secret that is the same: %t, want step %d", of, got.LastStep, got.Secret.Equal(want.Secret), want.LastStep)
	}
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", what, err, want)
	}
}

func appRoundTrip(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	apps := w.Single().Apps
	_, err := apps.Of(t.Context(), "u1")
	wants(t, "Of without an app", err, outbound.ErrNotFound)
	must(t, apps.Put(t.Context(), "u1", app(7)))
	must(t, apps.Put(t.Context(), "u2", app(8)))
	sameApp(t, w, "u1", app(7))
	must(t, apps.Put(t.Context(), "u1", app(3)))
	sameApp(t, w, "u1", app(3))
	for range 2 {
		must(t, apps.Erase(t.Context(), "u1"))
	}
	_, err = apps.Of(t.Context(), "u1")
	wants(t, "Of an app that was erased", err, outbound.ErrNotFound)
	sameApp(t, w, "u2", app(8))
}

func stepsOnlyGrow(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	apps := w.Single().Apps
	wants(t, "Accept without an app", apps.Accept(t.Context(), "u1", 9), outbound.ErrStale)
	must(t, apps.Put(t.Context(), "u1", app(7)))
	must(t, apps.Put(t.Context(), "u2", app(1)))
	for _, tc := range []struct {
		step int64
		want error
	}{{7, outbound.ErrStale}, {6, outbound.ErrStale}, {9, nil}, {9, outbound.ErrStale}, {8, outbound.ErrStale}, {10, nil}} {
		wants(t, fmt.Sprint("Accept of step ", tc.step), apps.Accept(t.Context(), "u1", tc.step), tc.want)
	}
	kept := app(7)
	kept.LastStep = 10
	sameApp(t, w, "u1", kept)
	sameApp(t, w, "u2", app(1))
}

func aStepHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	must(t, w.Single().Apps.Put(t.Context(), "u1", app(7)))
	done, stale := outcomes(t, crowd, func() error {
		return w.Within(t.Context(), func(ctx context.Context, s stores) error { return s.Apps.Accept(ctx, "u1", 8) })
	})
	if done != 1 || stale != crowd-1 {
		t.Errorf("of %d callers with one code %d were accepted and %d refused", crowd, done, stale)
	}
}

func setup(id string) factor.Setup {
	return factor.Setup{
		ID: id, Secret: secret.New("JBSWY3DPEHPK3PXP" + id), RecoveryCodes: []recovery.Code{{Text: secret.New("AAAA")}, {Text: secret.New("BBBB")}},
		CreatedAt: at.Add(-time.Minute), ExpiresAt: at.Add(time.Minute),
	}
}

func sameSetup(t *testing.T, w work, of principal.ID, want factor.Setup) {
	t.Helper()
	got, err := w.Single().Setups.Of(t.Context(), of)
	must(t, err)
	inUTC(&got.CreatedAt, &got.ExpiresAt, &want.CreatedAt, &want.ExpiresAt)
	same(t, "setup", got, want)
}

func setupRoundTrip(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	setups := w.Single().Setups
	_, err := setups.Of(t.Context(), "u1")
	wants(t, "Of without a setup", err, outbound.ErrNotFound)
	must(t, setups.Put(t.Context(), "u1", setup("s1")))
	must(t, setups.Put(t.Context(), "u2", setup("s2")))
	sameSetup(t, w, "u1", setup("s1"))
	must(t, setups.Try(t.Context(), "u1", "s1", at))
	tried := setup("s1")
	tried.Tries = 1
	sameSetup(t, w, "u1", tried)
	must(t, setups.Put(t.Context(), "u1", setup("s3"))) // which was never tried
	sameSetup(t, w, "u1", setup("s3"))
	for range 2 {
		must(t, setups.Void(t.Context(), "u1"))
	}
	_, err = setups.Of(t.Context(), "u1")
	wants(t, "Of a void setup", err, outbound.ErrNotFound)
	sameSetup(t, w, "u2", setup("s2"))
}

func setupsAreOfferedOnce(t *testing.T, w work) {
	add(t, w, user("u1"))
	must(t, w.Single().Setups.Put(t.Context(), "u1", setup("s1")))
	done, stale := outcomes(t, crowd, func() error { return w.Single().Setups.Try(t.Context(), "u1", "s1", at) })
	if done != factor.MaxTries || stale != crowd-factor.MaxTries {
		t.Errorf("of %d guesses at once %d were let through and %d refused", crowd, done, stale)
	}
	done, stale = outcomes(t, crowd, func() error { return w.Single().Setups.Use(t.Context(), "u1", "s1", at) })
	if done != 1 || stale != crowd-1 {
		t.Errorf("of %d confirmations at once %d were done and %d refused", crowd, done, stale)
	}
}

func setupsEnd(t *testing.T, w work) {
	add(t, w, user("u1"))
	setups := w.Single().Setups
	must(t, setups.Put(t.Context(), "u1", setup("s1")))
	for what, call := range map[string]func(id string, now time.Time) error{
		"Try": func(id string, now time.Time) error { return setups.Try(t.Context(), "u1", id, now) },
		"Use": func(id string, now time.Time) error { return setups.Use(t.Context(), "u1", id, now) },
	} {
		wants(t, what+" of a setup that was replaced", call("s0", at), outbound.ErrStale)
		wants(t, what+" at the end", call("s1", setup("").ExpiresAt), outbound.ErrStale)
	}
	sameSetup(t, w, "u1", setup("s1"))
	must(t, setups.Use(t.Context(), "u1", "s1", setup("").ExpiresAt.Add(-time.Microsecond)))
	wants(t, "Try of a setup that was used", setups.Try(t.Context(), "u1", "s1", at), outbound.ErrStale)
}

func setupPurge(t *testing.T, w work) {
	for n := range 4 {
		of := principal.ID(fmt.Sprint("u", n))
		add(t, w, user(string(of)))
		s := setup("s")
		if s.ExpiresAt = at.Add(-time.Microsecond); n == 3 {
			s.ExpiresAt = at
		}
		must(t, w.Single().Setups.Put(t.Context(), of, s))
	}
	purged(t, "Setups", 2, []int{2, 1, 0}, func(limit int) (int, error) {
		return w.Single().Setups.Purge(t.Context(), at, limit)
	})
	_, err := w.Single().Setups.Of(t.Context(), "u3")
	must(t, err)
}

func codeHash(n int) password.Hash { return password.NewHash(fmt.Sprint("$argon2id$salt$", n)) }

func sameCodes(t *testing.T, w work, of principal.ID, want ...int) {
	t.Helper()
	all, err := w.Single().RecoveryCodes.Of(t.Context(), of)
	must(t, err)
	for _, n := range want {
		if !slices.ContainsFunc(all, codeHash(n).Equal) {
			t.Errorf("code %d of %s is missing", n, of)
		}
	}
	if len(all) != len(want) {
		t.Errorf("%s has %d codes, want %v", of, len(all), want)
	}
}

func recoveryCodesAreReplaced(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	codes := w.Single().RecoveryCodes
	sameCodes(t, w, "u1")
	must(t, codes.Replace(t.Context(), "u1", recovery.Set{codeHash(1), codeHash(2)}))
	must(t, codes.Replace(t.Context(), "u2", recovery.Set{codeHash(1)}))
	must(t, codes.Replace(t.Context(), "u1", recovery.Set{codeHash(3), codeHash(4)}))
	sameCodes(t, w, "u1", 3, 4)
	wants(t, "Use of a code that was replaced", codes.Use(t.Context(), "u1", codeHash(1)), outbound.ErrStale)
	must(t, codes.Use(t.Context(), "u1", codeHash(3)))
	wants(t, "Use of a code that was used", codes.Use(t.Context(), "u1", codeHash(3)), outbound.ErrStale)
	sameCodes(t, w, "u1", 4)
	must(t, codes.Replace(t.Context(), "u1", nil))
	sameCodes(t, w, "u1")
	sameCodes(t, w, "u2", 1)
	race(crowd, func(i int) {
		if err := codes.Replace(t.Context(), "u1", recovery.Set{codeHash(2 * i), codeHash(2*i + 1)}); err != nil {
			t.Error(err)
		}
	})
	all, err := codes.Of(t.Context(), "u1")
	must(t, err)
	if len(all) != 2 {
		t.Errorf("%d codes are left of sets of two", len(all))
	}
}

func aRecoveryCodeHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	must(t, w.Single().RecoveryCodes.Replace(t.Context(), "u1", recovery.Set{codeHash(1), codeHash(2)}))
	done, stale := outcomes(t, crowd, func() error {
		return w.Within(t.Context(), func(ctx context.Context, s stores) error { return s.RecoveryCodes.Use(ctx, "u1", codeHash(1)) })
	})
	if done != 1 || stale != crowd-1 {
		t.Errorf("of %d uses of one code %d were done and %d refused", crowd, done, stale)
	}
	sameCodes(t, w, "u1", 2)
}

func sixDigits(code string) factor.Code { return factor.Code{Text: secret.New(code)} }

func mailedCode(code string) factor.MailedCode {
	return factor.MailedCode{Code: sixDigits(code), CreatedAt: at.Add(-time.Minute), ExpiresAt: at.Add(time.Minute)}
}

func mailedCodesWorkOnce(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	codes := w.Single().MailedCodes
	use := func(of principal.ID, code string) error { return codes.Use(t.Context(), of, sixDigits(code), at) }
	wants(t, "Use without a code", use("u1", "123456"), outbound.ErrStale)
	must(t, codes.Put(t.Context(), "u1", mailedCode("123456")))
	must(t, codes.Put(t.Context(), "u2", mailedCode("654321")))
	wants(t, "Use of the code of another", use("u1", "654321"), outbound.ErrStale)
	must(t, codes.Put(t.Context(), "u1", mailedCode("111111")))
	wants(t, "Use of a code that was replaced", use("u1", "123456"), outbound.ErrStale)
	must(t, use("u1", "111111"))
	wants(t, "Use of a code that was used", use("u1", "111111"), outbound.ErrStale)
	for range 2 {
		must(t, codes.Void(t.Context(), "u2"))
	}
	wants(t, "Use of a void code", use("u2", "654321"), outbound.ErrStale)
}

func mailedCodesEnd(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	codes := w.Single().MailedCodes
	wants(t, "Try without a code", codes.Try(t.Context(), "u1", at), outbound.ErrStale)
	must(t, codes.Put(t.Context(), "u1", mailedCode("123456")))
	end := mailedCode("").ExpiresAt
	wants(t, "Try at the end", codes.Try(t.Context(), "u1", end), outbound.ErrStale)
	wants(t, "Use at the end", codes.Use(t.Context(), "u1", sixDigits("123456"), end), outbound.ErrStale)
	done, stale := outcomes(t, crowd, func() error { return codes.Try(t.Context(), "u1", at) })
	if done != factor.MaxTries || stale != crowd-factor.MaxTries {
		t.Errorf("of %d guesses at once %d were let through and %d refused", crowd, done, stale)
	}
	must(t, codes.Put(t.Context(), "u1", mailedCode("123456"))) // which was never tried
	must(t, codes.Try(t.Context(), "u1", end.Add(-time.Microsecond)))
	must(t, codes.Use(t.Context(), "u1", sixDigits("123456"), end.Add(-time.Microsecond)))
}

func aMailedCodeHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	must(t, w.Single().MailedCodes.Put(t.Context(), "u1", mailedCode("123456")))
	done, stale := outcomes(t, crowd, func() error {
		return w.Within(t.Context(), func(ctx context.Context, s stores) error {
			return s.MailedCodes.Use(ctx, "u1", sixDigits("123456"), at)
		})
	})
	if done != 1 || stale != crowd-1 {
		t.Errorf("of %d uses of one code %d were done and %d refused", crowd, done, stale)
	}
}

func mailedCodePurge(t *testing.T, w work) {
	for n := range 4 {
		of := principal.ID(fmt.Sprint("u", n))
		add(t, w, user(string(of)))
		c := mailedCode("123456")
		if c.ExpiresAt = at.Add(-time.Microsecond); n == 3 {
			c.ExpiresAt = at.Add(time.Microsecond)
		}
		must(t, w.Single().MailedCodes.Put(t.Context(), of, c))
	}
	purged(t, "MailedCodes", 2, []int{2, 1, 0}, func(limit int) (int, error) {
		return w.Single().MailedCodes.Purge(t.Context(), at, limit)
	})
	must(t, w.Single().MailedCodes.Use(t.Context(), "u3", sixDigits("123456"), at))
}

func cooldownsCanEndEarly(t *testing.T, w work) {
	c := w.Single().Cooldowns
	start := func(kind notice.Kind, normal string) time.Duration {
		left, err := c.Start(t.Context(), kind, normal, at, time.Minute)
		must(t, err)
		return left
	}
	must(t, c.End(t.Context(), notice.EmailAuthentication, "ada@example.com"))
	start(notice.EmailAuthentication, "ada@example.com")
	start(notice.EmailAuthentication, "bob@example.com")
	start(notice.EmailVerification, "ada@example.com")
	must(t, c.End(t.Context(), notice.EmailAuthentication, "ada@example.com"))
	if left := start(notice.EmailAuthentication, "ada@example.com"); left != 0 {
		t.Errorf("a cooldown that was ended lasts for %v", left)
	}
	if start(notice.EmailAuthentication, "bob@example.com") == 0 || start(notice.EmailVerification, "ada@example.com") == 0 {
		t.Error("the cooldown of another address or kind was ended too")
	}
}

func factorsNeedTheirPrincipal(t *testing.T, w work) {
	s := w.Single()
	for what, err := range map[string]error{
		"app": s.Apps.Put(t.Context(), "nobody", app(1)), "setup": s.Setups.Put(t.Context(), "nobody", setup("s1")),
		"recovery codes": s.RecoveryCodes.Replace(t.Context(), "nobody", recovery.Set{codeHash(1)}),
		"mailed code":    s.MailedCodes.Put(t.Context(), "nobody", mailedCode("123456")),
	} {
		if fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("%s of nobody: %v, want DATABASE_FAILURE", what, err)
		}
	}
}

func factorsGoWithTheirPrincipal(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	for _, of := range []principal.ID{"u1", "u2"} {
		s := w.Single()
		must(t, s.Apps.Put(t.Context(), of, app(1)))
		must(t, s.Setups.Put(t.Context(), of, setup("s1")))
		must(t, s.RecoveryCodes.Replace(t.Context(), of, recovery.Set{codeHash(1)}))
		must(t, s.MailedCodes.Put(t.Context(), of, mailedCode("123456")))
	}
	must(t, w.Single().Principals.Delete(t.Context(), "u1"))
	add(t, w, user("u1"))
	_, noApp := w.Single().Apps.Of(t.Context(), "u1")
	_, noSetup := w.Single().Setups.Of(t.Context(), "u1")
	wants(t, "the app of who was deleted", noApp, outbound.ErrNotFound)
	wants(t, "the setup of who was deleted", noSetup, outbound.ErrNotFound)
	sameCodes(t, w, "u1")
	wants(t, "the mailed code of who was deleted", w.Single().MailedCodes.Try(t.Context(), "u1", at), outbound.ErrStale)
	sameApp(t, w, "u2", app(1))
	sameCodes(t, w, "u2", 1)
	must(t, w.Single().MailedCodes.Try(t.Context(), "u2", at))
}
