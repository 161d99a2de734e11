package grant_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/application/grant"
	"gatehouse/application/grant/granttest"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
)

func TestAChallengeRemembersWhatWasProvenAndForWhat(t *testing.T) {
	p := ada(t, func(s *principal.Snapshot) { s.Factors = factor.Set{}.With(factor.TOTP) })
	for _, tc := range []struct {
		in      session.ID
		purpose session.Purpose
	}{{"", session.ForSignIn}, {"s1", session.ForStepUp}} {
		a, err := issuer(&granttest.Tokens{}).Admit(p, session.Proven{session.Password}, grant.Purpose{StepUp: tc.in}, noon)
		if err != nil || a.SignIn != nil || a.StepUp != nil {
			t.Fatalf("Admit = %+v, %v", a, err)
		}
		end := sec.Add(10 * time.Minute)
		want := token.Claims{ID: "id-1", Subject: "ada", Session: tc.in, Purpose: tc.purpose, IssuedAt: sec, ExpiresAt: end}
		c := read(t, a.Challenge.Token.Text, token.TwoFactor)
		if !reflect.DeepEqual(c, want) || a.Challenge.Token.ExpiresAt != end {
			t.Errorf("token until %v\n got %+v\nwant %+v", a.Challenge.Token.ExpiresAt, c, want)
		}
		item := onetime.Item{
			Hash: grant.ChallengeHash(c), Kind: onetime.Challenge, Principal: "ada", Session: tc.in,
			CreatedAt: noon, ExpiresAt: end, Purpose: tc.purpose, Proven: session.Proven{session.Password},
		}
		if !reflect.DeepEqual(a.Challenge.Item, item) {
			t.Errorf("stored\n got %+v\nwant %+v", a.Challenge.Item, item)
		}
	}
}

func TestAStepUpForOneThingSaysSoAndIsStoredToBeUsedOnce(t *testing.T) {
	p, bound := ada(t, func(*principal.Snapshot) {}), session.Bound{Purpose: "payment:42", PayloadHash: "47DEQpj8HBSa-_TImW"}
	to := grant.Purpose{StepUp: "s1", Demand: session.Demand{Bound: bound, ACR: []string{"aal1"}, MaxAge: time.Minute}}
	a, err := issuer(&granttest.Tokens{}).Admit(p, session.Proven{session.Password}, to, noon)
	if err != nil {
		t.Fatal(err)
	}
	end := sec.Add(time.Minute)
	want := token.Claims{
		ID: "id-1", Subject: "ada", Session: "s1", IssuedAt: sec, ExpiresAt: end,
		AMR: []string{"pwd"}, ACR: "aal1", AuthTime: sec, Bound: bound,
	}
	if c := read(t, a.StepUp.Text, token.StepUp); !reflect.DeepEqual(c, want) || !a.StepUp.ExpiresAt.Equal(end) {
		t.Errorf("token until %v\n got %+v\nwant %+v", a.StepUp.ExpiresAt, c, want)
	}
	item := onetime.Item{
		Hash: grant.BoundHash("id-1"), Kind: onetime.BoundStepUp, Principal: "ada", Session: "s1", CreatedAt: noon, ExpiresAt: end,
	}
	if a.StepUp.Item == nil || !reflect.DeepEqual(*a.StepUp.Item, item) {
		t.Errorf("stored\n got %+v\nwant %+v", a.StepUp.Item, item)
	}
}

func TestLessThanIsDemandedIsNotGranted(t *testing.T) {
	to := grant.Purpose{StepUp: "s1", Demand: session.Demand{ACR: []string{"aal2"}}}
	one := ada(t, func(*principal.Snapshot) {})
	if a, err := issuer(&granttest.Tokens{}).Admit(one, session.Proven{session.Password}, to, noon); fault.CodeOf(err) != fault.UnmetAuthenticationRequirements {
		t.Errorf("on one factor: %+v, %v", a, err)
	}
	two := ada(t, func(s *principal.Snapshot) { s.Factors = factor.Set{}.With(factor.TOTP) })
	a, err := issuer(&granttest.Tokens{}).Admit(two, session.Proven{session.Password}, to, noon)
	if err != nil || !reflect.DeepEqual(a.Challenge.Item.Demand, to.Demand) {
		t.Errorf("the challenge keeps %+v, %v", a, err)
	}
	if a, err := issuer(&granttest.Tokens{}).Admit(two, session.Proven{session.Password, session.TOTP}, to, noon); err != nil || a.StepUp.Item != nil {
		t.Errorf("on two factors: %+v, %v", a, err)
	}
}

func TestNobodyIsAskedForASecondFactorWhoHasProvenNoFirst(t *testing.T) {
	for _, proven := range []session.Proven{nil, {session.TOTP}, {session.Mail, session.Recovery}, {session.AsGuest}} {
		for _, on := range []factor.Set{{}, factor.Set{}.With(factor.TOTP).With(factor.Email)} {
			p := ada(t, func(s *principal.Snapshot) { s.Factors = on })
			if a, err := issuer(&granttest.Tokens{}).Admit(p, proven, grant.Purpose{}, noon); err == nil || a != (grant.Admission{}) {
				t.Errorf("%v with %v on: %+v, %v", proven, on.Methods(), a, err)
			}
		}
	}
}

var (
	factors = []session.Factor{
		session.Password, session.Provider, session.TOTP, session.Mail, session.Recovery, session.Passkey, session.AsGuest,
	}
	methods = []factor.Method{factor.TOTP, factor.Email, factor.Passkey}
)

// Whatever is on, whatever was proven in whatever order, and whatever for: with
// a second factor on nobody gets a session or a step-up on one factor, and what
// the tokens say is what was proven (faults F77, F78).
func TestNobodyGetsByOnOneFactorWhereTwoAreAskedFor(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var on factor.Set
		for _, m := range rapid.SliceOfDistinct(rapid.SampledFrom(methods), rapid.ID).Draw(r, "on") {
			on = on.With(m)
		}
		proven := session.Proven(rapid.SliceOfDistinct(rapid.SampledFrom(factors), rapid.ID).Draw(r, "proven"))
		to := grant.Purpose{StepUp: rapid.SampledFrom([]session.ID{"", "s1"}).Draw(r, "session")}
		p := ada(t, func(s *principal.Snapshot) { s.Factors = on })
		a, err := issuer(&granttest.Tokens{}).Admit(p, proven, to, noon)
		outcomes := 0
		for _, there := range []bool{a.SignIn != nil, a.StepUp != nil, a.Challenge != nil, err != nil} {
			if there {
				outcomes++
			}
		}
		if outcomes != 1 || a.SignIn != nil && to.StepUp != "" || a.StepUp != nil && to.StepUp == "" {
			r.Fatalf("%v for %+v: %+v, %v", proven, to, a, err)
		}
		granted := a.SignIn != nil || a.StepUp != nil
		if granted != (begun(proven, on) && (!on.Any() || second(proven, on))) {
			r.Fatalf("%v with %v on: granted %t", proven, on.Methods(), granted)
		}
		if a.SignIn == nil {
			return
		}
		c := read(t, a.SignIn.Tokens.Access, token.Access)
		if on.Any() && (!slices.Contains(c.AMR, "mfa") || c.ACR != "aal2" && !slices.Contains(proven, session.AsGuest)) {
			r.Fatalf("%v with %v on is %s, %v", proven, on.Methods(), c.ACR, c.AMR)
		}
		for _, f := range proven {
			if !slices.Contains(c.AMR, string(f)) {
				r.Fatalf("%v says %v", proven, c.AMR)
			}
		}
		if !slices.Equal(a.SignIn.Session.Proven, proven) || !c.AuthTime.Equal(sec) {
			r.Fatalf("session of %v since %v", a.SignIn.Session.Proven, c.AuthTime)
		}
	})
}

// begun and second say in other words what the contract does (§5.6, §7.4).
func begun(proven session.Proven, on factor.Set) bool {
	return has(proven, session.Password, session.Provider) || on.Passkey && has(proven, session.Passkey)
}

func second(proven session.Proven, on factor.Set) bool {
	return on.TOTP && has(proven, session.TOTP, session.Recovery) || on.Email && has(proven, session.Mail) || on.Passkey && has(proven, session.Passkey)
}

func has(proven session.Proven, some ...session.Factor) bool {
	return slices.ContainsFunc(some, func(f session.Factor) bool { return slices.Contains(proven, f) })
}

// Answers may come in any order, and one at a time: what is asked for again and
// again ends in a session as soon as one of them is of a factor that is on.
func TestAnswersLeadOnFromWhatWasProvenBefore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		on := factor.Set{}.With(rapid.SampledFrom(methods[:2]).Draw(r, "on"))
		p := ada(t, func(s *principal.Snapshot) { s.Factors = on })
		i := issuer(&granttest.Tokens{})
		proven := session.Proven{session.Password}
		for range rapid.IntRange(0, 5).Draw(r, "answers") {
			a, err := i.Admit(p, proven, grant.Purpose{}, noon)
			switch {
			case err != nil:
				r.Fatal(err)
			case a.SignIn != nil:
				if !second(proven, on) {
					r.Fatalf("a session for %v with %v on", proven, on.Methods())
				}
				return
			}
			if second(proven, on) {
				r.Fatalf("a challenge for %v with %v on", proven, on.Methods())
			}
			proven = a.Challenge.Item.Proven.With(rapid.SampledFrom(factors).Draw(r, "factor"))
		}
	})
}
