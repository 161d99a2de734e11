package session

import (
	"slices"

	"gatehouse/domain/factor"
	"gatehouse/domain/principal"
)

// Purpose is what somebody proves for who they are, named as in the claim
// purpose (contract §5.1).
type Purpose string

// The purposes.
const (
	ForSignIn Purpose = "login"
	ForStepUp Purpose = "step_up"
)

// Factor is one way a principal has proven to be who they are, named as in the
// claim amr (contract §7.6, RFC 8176).
type Factor string

// The factors. A sign-in begins with a password, a provider or a passkey.
const (
	Password Factor = "pwd"
	Provider Factor = "fed"
	AsGuest  Factor = "guest"

	TOTP     Factor = "otp"
	Mail     Factor = "email"
	Recovery Factor = "recovery" // stands in for an authenticator app

	// Passkey is one that has verified its user: whoever proves it has a thing,
	// and knows or is something besides, so that it counts as two.
	Passkey Factor = "passkey"

	mfa Factor = "mfa" // not a factor of its own: it says that there were two
)

// Proven is the set of factors proven at a sign-in, in the order of their proof.
type Proven []Factor

// With returns the set with one more, which counts once however often it was
// proven.
func (s Proven) With(f Factor) Proven {
	if slices.Contains(s, f) {
		return slices.Clone(s)
	}
	return append(slices.Clone(s), f)
}

// AMR returns the claim amr: the factors, and mfa when they are two.
func (s Proven) AMR() []string {
	amr := make([]string, 0, len(s)+1)
	for _, f := range s {
		amr = append(amr, string(f))
	}
	if s.count() > 1 {
		amr = append(amr, string(mfa))
	}
	return amr
}

// classes are the values of the claim acr, from the weakest on.
var classes = []string{"aal0", "aal1", "aal2"}

// ACR returns the claim acr: aal2 with two factors, aal1 with one, aal0 for
// guests and for nothing.
func (s Proven) ACR() string {
	if slices.Contains(s, AsGuest) {
		return classes[0]
	}
	return classes[min(s.count(), 2)]
}

// Reach returns the best class that p can prove: that of what is asked of them.
func Reach(p *principal.Principal) string {
	switch {
	case p.IsGuest():
		return classes[0]
	case p.Factors().Any():
		return classes[2]
	}
	return classes[1]
}

// count returns how many factors these are.
func (s Proven) count() (n int) {
	for i, f := range s {
		switch {
		case slices.Contains(s[:i], f):
		case f == Passkey:
			n += 2
		default:
			n++
		}
	}
	return n
}

// Begun reports whether this is enough to begin with as p: what a sign-in
// starts from, whatever else may be asked for after it.
func (s Proven) Begun(p *principal.Principal) bool {
	if p.IsGuest() {
		return slices.Contains(s, AsGuest)
	}
	return slices.Contains(s, Password) || slices.Contains(s, Provider) || s.passkey(p.Factors())
}

// Suffices reports whether this is all that is asked of p: with a second factor
// on, one of those that are on besides what was begun with, or a passkey, which
// is both (faults F77).
func (s Proven) Suffices(p *principal.Principal) bool {
	on := p.Factors()
	return s.Begun(p) && (!on.Any() || s.second(on))
}

func (s Proven) second(on factor.Set) bool {
	return on.TOTP && (slices.Contains(s, TOTP) || slices.Contains(s, Recovery)) ||
		on.Email && slices.Contains(s, Mail) || s.passkey(on)
}

func (s Proven) passkey(on factor.Set) bool { return on.Passkey && slices.Contains(s, Passkey) }
