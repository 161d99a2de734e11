package registration_test

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/application/account/accounttest"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
)

var mailed = secret.New("mailed")

// adasLink proves the address of ada and is good at noon.
func adasLink() onetime.Item {
	return onetime.Item{
		Hash: onetime.HashOf(mailed), Kind: onetime.EmailVerification, Principal: "ada", Address: accounttest.Address("Ada@Example.com"),
		CreatedAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(time.Hour),
	}
}

func link(name string, kind onetime.Kind) onetime.Item {
	i := adasLink()
	i.Hash, i.Kind = onetime.HashOf(secret.New(name)), kind
	return i
}

func TestVerifyEmail(t *testing.T) {
	for name, tc := range map[string]struct {
		user  func(*principal.Snapshot)
		item  func(*onetime.Item)
		given func(*testing.T, *world)
		token secret.Text
		want  fault.Code
	}{
		"verifies":                        {},
		"no token":                        {token: secret.New(""), want: fault.InvalidRequest},
		"unknown token":                   {token: secret.New("guess"), want: fault.EmailVerificationTokenInvalid},
		"a link of another kind":          {item: func(i *onetime.Item) { i.Kind = onetime.PasswordReset }, want: fault.EmailVerificationTokenInvalid},
		"voided":                          {item: func(i *onetime.Item) { i.VoidedAt = noon }, want: fault.EmailVerificationTokenInvalid},
		"in its last microsecond":         {item: func(i *onetime.Item) { i.ExpiresAt = noon.Add(time.Microsecond) }},
		"expired":                         {item: func(i *onetime.Item) { i.ExpiresAt = noon }, want: fault.EmailVerificationTokenExpired},
		"voided, and then expired":        {item: func(i *onetime.Item) { i.VoidedAt, i.ExpiresAt = noon, noon }, want: fault.EmailVerificationTokenInvalid},
		"used, and then expired":          {user: verified, item: func(i *onetime.Item) { i.UsedAt, i.ExpiresAt = noon.Add(-time.Hour), noon }, want: fault.EmailVerificationTokenExpired},
		"used for the present address":    {user: verified, item: used, want: fault.EmailAlreadyVerified},
		"used, and not verified any more": {item: used, want: fault.EmailVerificationTokenInvalid},
		"used for an earlier address":     {user: moved, item: used, want: fault.EmailVerificationTokenInvalid},
		"verified by other means":         {user: verified, want: fault.EmailAlreadyVerified},
		"for another address":             {user: moved},
		"for another address, unverified": {user: func(s *principal.Snapshot) { moved(s); s.EmailVerified = false }},
		"for an address that is taken":    {user: moved, given: bobHas("ADA@example.com"), want: fault.EmailTaken},
		"the account is gone":             {item: func(i *onetime.Item) { i.Principal = "" }, want: fault.UserNotFound},
		"a guest's":                       {item: func(i *onetime.Item) { i.Principal = "gus" }, want: fault.UserNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			a, i := ada(), adasLink()
			if tc.user != nil {
				tc.user(&a)
			}
			if tc.item != nil {
				tc.item(&i)
			}
			w.add(t, a)
			w.add(t, gus())
			w.addItem(t, i)
			if tc.given != nil {
				tc.given(t, w)
			}
			before := w.look(t)
			token := mailed
			if !tc.token.Missing() {
				token = tc.token
			}
			p, err := w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: token})
			wantCode(t, err, tc.want)
			after := w.look(t)
			if tc.want != "" {
				if !reflect.DeepEqual(after, before) || p != nil {
					t.Errorf("a refusal left %+v", after)
				}
				return
			}
			same(t, "answer verified", p.EmailVerified(), true)
			same(t, "answer's address", p.Email().Typed(), "Ada@Example.com")
			same(t, "used at", w.item(t, mailed).UsedAt, noon)
		})
	}
}

func bobHas(address string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		b := ada()
		b.ID, b.Email = "bob", accounttest.Address(address)
		w.add(t, b)
	}
}

func verified(s *principal.Snapshot) { s.EmailVerified = true }
func used(i *onetime.Item)           { i.UsedAt = noon.Add(-time.Minute) }
func moved(s *principal.Snapshot) {
	s.Email, s.EmailVerified = accounttest.Address("ada@elsewhere.example"), true
}

func TestVerifyingWithoutATokenNamesIt(t *testing.T) {
	for _, token := range []secret.Text{{}, secret.New("")} {
		_, err := newWorld().verifier().Do(t.Context(), inbound.VerifyEmail{Token: token})
		sameList(t, "broken", broken(err), []string{"token required"})
	}
}

func TestVerifyingVoidsTheOtherLinksAndNothingElse(t *testing.T) {
	w := newWorld()
	w.work.Twice = true
	w.add(t, ada())
	for _, i := range []onetime.Item{
		adasLink(), link("older", onetime.EmailVerification), link("reset", onetime.PasswordReset), link("challenge", onetime.Challenge),
	} {
		w.addItem(t, i)
	}
	before := w.look(t)
	_, err := w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: mailed})
	check(t, err)
	for name, want := range map[string]onetime.State{"mailed": onetime.Used, "older": onetime.Voided} {
		same(t, name, w.item(t, secret.New(name)).State(noon), want)
	}
	for name, kind := range map[string]onetime.Kind{"reset": onetime.PasswordReset, "challenge": onetime.Challenge} {
		i, err := w.store.Single().OneTime.Find(t.Context(), kind, onetime.HashOf(secret.New(name)))
		check(t, err)
		same(t, name, i.State(noon), onetime.Usable)
	}
	after := w.look(t)
	sameList(t, "sessions", after.sessions, before.sessions)
	same(t, "mails", len(after.mails), 0)
	want := before.users[0]
	want.EmailVerified, want.Version = true, want.Version+1
	if !reflect.DeepEqual(after.users[0], want) {
		t.Errorf("user = %+v\nwant   %+v", after.users[0], want)
	}
}

func TestAGuessedTokenOpensNoTransaction(t *testing.T) {
	w := newWorld()
	_, err := w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: secret.New("guess")})
	wantCode(t, err, fault.EmailVerificationTokenInvalid)
	same(t, "transactions", w.work.Units(), 0)
}

func TestVerifyPassesFailuresOnAndChangesNothing(t *testing.T) {
	calls := failAtEveryCall(t, func(w *world) error {
		w.add(t, ada())
		w.addItem(t, adasLink())
		before := w.look(t)
		_, err := w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: mailed})
		if err != nil {
			if after := w.look(t); !reflect.DeepEqual(after, before) {
				t.Errorf("a failure left %+v", after)
			}
			same(t, "link", w.item(t, mailed).State(noon), onetime.Usable)
		}
		return err
	})
	same(t, "calls that can fail", calls, 6)
}

func TestOneOfManyClicksVerifies(t *testing.T) {
	const clicks = 50
	w := newWorld()
	w.add(t, ada())
	w.addItem(t, adasLink())
	use := w.verifier()
	var all sync.WaitGroup
	var won, told atomic.Int32
	for range clicks {
		all.Go(func() {
			_, err := use.Do(t.Context(), inbound.VerifyEmail{Token: mailed})
			switch fault.CodeOf(err) {
			case "":
				won.Add(1)
			case fault.EmailAlreadyVerified:
				told.Add(1)
			default:
				t.Errorf("Do = %v", err)
			}
		})
	}
	all.Wait()
	same(t, "verified", won.Load(), 1)
	same(t, "told so", told.Load(), clicks-1)
}
