package session_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

func userWith(on factor.Set) *principal.Principal {
	address, _ := email.Parse("ada@example.com")
	p, err := principal.Restore(principal.Snapshot{
		ID: "u1", Kind: principal.User, Name: "Ada", Email: address, Hash: password.NewHash("$"), Factors: on,
	})
	if err != nil {
		panic(err)
	}
	return p
}

func TestWhatIsProvenSaysHowSureItIs(t *testing.T) {
	for _, tc := range []struct {
		proven session.Proven
		amr    []string
		acr    string
	}{
		{nil, []string{}, "aal0"},
		{session.Proven{session.AsGuest}, []string{"guest"}, "aal0"},
		{session.Proven{session.Password}, []string{"pwd"}, "aal1"},
		{session.Proven{session.Provider}, []string{"fed"}, "aal1"},
		{session.Proven{session.Password, session.TOTP}, []string{"pwd", "otp", "mfa"}, "aal2"},
		{session.Proven{session.Password, session.Mail}, []string{"pwd", "email", "mfa"}, "aal2"},
		{session.Proven{session.Password, session.Recovery}, []string{"pwd", "recovery", "mfa"}, "aal2"},
		{session.Proven{session.Passkey}, []string{"passkey", "mfa"}, "aal2"},
		{session.Proven{session.Password}.With(session.Password), []string{"pwd"}, "aal1"},
		{session.Proven{session.Password, session.Password}, []string{"pwd", "pwd"}, "aal1"},
	} {
		if amr, acr := tc.proven.AMR(), tc.proven.ACR(); !slices.Equal(amr, tc.amr) || acr != tc.acr {
			t.Errorf("%v: amr %v, acr %s, want %v, %s", tc.proven, amr, acr, tc.amr, tc.acr)
		}
	}
}

func TestWithDoesNotChangeWhatWasThere(t *testing.T) {
	first := make(session.Proven, 0, 4).With(session.Password)
	one, two := first.With(session.TOTP), first.With(session.Mail)
	if !slices.Equal(one, session.Proven{"pwd", "otp"}) || !slices.Equal(two, session.Proven{"pwd", "email"}) || len(first) != 1 {
		t.Errorf("%v, %v from %v", one, two, first)
	}
}

var everyFactor = []session.Factor{
	session.Password, session.Provider, session.AsGuest, session.TOTP, session.Mail, session.Recovery, session.Passkey, "unheard_of",
}

var allMethods = []factor.Method{factor.TOTP, factor.Email, factor.Passkey}

func drawOn(t *rapid.T) (on factor.Set) {
	for _, m := range rapid.SliceOfDistinct(rapid.SampledFrom(allMethods), rapid.ID).Draw(t, "on") {
		on = on.With(m)
	}
	return on
}

func drawProven(t *rapid.T) session.Proven {
	return rapid.SliceOfN(rapid.SampledFrom(everyFactor), 0, 5).Draw(t, "proven")
}

// With a second factor on, nobody gets by on one factor, whichever it is
// (faults F77).
func TestNothingSufficesThatIsNotTwoFactorsWhereTwoAreAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		on, proven := drawOn(t), drawProven(t)
		p := userWith(on)
		enough := proven.Suffices(p)
		if enough && on.Any() && (proven.ACR() != "aal2" && !slices.Contains(proven, session.AsGuest)) {
			t.Fatalf("%v suffices with %v on, and is %s", proven, on.Methods(), proven.ACR())
		}
		if enough && !proven.Begun(p) {
			t.Fatalf("%v suffices without a beginning", proven)
		}
		if kinds := slices.Compact(slices.Sorted(slices.Values(proven))); enough && on.Any() && len(kinds) == 1 && kinds[0] != session.Passkey {
			t.Fatalf("%v alone suffices with %v on", kinds, on.Methods())
		}
	})
}

// The order of proofs, repeated ones and ones of factors that are off decide
// nothing, and one proof more never takes anything away.
func TestOnlyTheSetOfProofsCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		on, proven := drawOn(t), drawProven(t)
		p := userWith(on)
		shuffled := rapid.Permutation(slices.Clone(proven)).Draw(t, "shuffled")
		if shuffled.Suffices(p) != proven.Suffices(p) {
			t.Fatalf("%v and %v do not count alike", proven, shuffled)
		}
		off := slices.DeleteFunc(slices.Clone(proven), func(f session.Factor) bool {
			return !on.TOTP && (f == session.TOTP || f == session.Recovery) || !on.Email && f == session.Mail || !on.Passkey && f == session.Passkey
		})
		if off.Suffices(p) != proven.Suffices(p) {
			t.Fatalf("with %v on, %v counts other than %v", on.Methods(), proven, off)
		}
		more := proven.With(rapid.SampledFrom(everyFactor).Draw(t, "more"))
		if proven.Suffices(p) && !more.Suffices(p) {
			t.Fatalf("%v suffices, %v does not", proven, more)
		}
	})
}

func TestEveryMethodThatIsOnCompletesASignIn(t *testing.T) {
	all := factor.Set{}.With(factor.TOTP).With(factor.Email).With(factor.Passkey)
	for _, first := range []session.Factor{session.Password, session.Provider} {
		for _, second := range []session.Factor{session.TOTP, session.Mail, session.Recovery, session.Passkey} {
			if p := (session.Proven{first, second}); !p.Suffices(userWith(all)) {
				t.Errorf("%v does not suffice", p)
			}
		}
	}
	for _, p := range []session.Proven{{session.Password}, {session.Provider}} {
		if !p.Suffices(userWith(factor.Set{})) || p.Suffices(userWith(factor.Set{}.With(factor.Email))) {
			t.Errorf("%v: with nothing on %t, with mailed codes on %t", p, p.Suffices(userWith(factor.Set{})), p.Suffices(userWith(factor.Set{}.With(factor.Email))))
		}
	}
	if p := (session.Proven{session.Passkey}); !p.Suffices(userWith(all)) || p.Suffices(userWith(factor.Set{})) {
		t.Error("a passkey is not both factors, or one where there is none")
	}
}

func TestGuestsAreBelievedAsGuestsAlone(t *testing.T) {
	gus := principal.NewGuest("g1", "Gus", time.Time{})
	if !(session.Proven{session.AsGuest}).Suffices(gus) || (session.Proven{session.Password}).Suffices(gus) ||
		(session.Proven{session.AsGuest}).Suffices(userWith(factor.Set{})) {
		t.Error("a guest needs another proof, or a user gets by as a guest")
	}
}
