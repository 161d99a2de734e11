// Package factor holds second factors: which there are, what having some of
// them on means, and what is kept to recognise them. Who may enrol one, and how
// their codes are judged, is decided by use cases.
package factor

import (
	"slices"
	"time"

	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
)

// Method is a kind of second factor, named as in the contract (§1.1).
type Method string

// The methods.
const (
	TOTP    Method = "totp"    // codes of an authenticator app (RFC 6238)
	Email   Method = "email"   // mailed codes
	Passkey Method = "passkey" // WebAuthn credentials
)

// order is that of twoFactorMethods.
var order = []Method{TOTP, Email, Passkey}

// Set is which methods are on. Its zero value is none.
type Set struct {
	TOTP, Email, Passkey bool

	// Preferred is one that is on, "" if none is. It decides which proof is
	// prepared for whom, never which one counts.
	Preferred Method
}

// Restore rebuilds a set that was saved as [Set.Methods] and its preference. It
// returns false for what cannot have been one.
func Restore(methods []Method, preferred Method) (Set, bool) {
	s := Set{Preferred: preferred}
	for _, m := range methods {
		if !slices.Contains(order, m) {
			return Set{}, false
		}
		*s.of(m) = true
	}
	return s, s.Valid() && slices.Equal(s.Methods(), methods)
}

// Valid reports whether a method is preferred that is on, unless none is.
func (s Set) Valid() bool {
	if !s.Any() {
		return s.Preferred == ""
	}
	return s.Has(s.Preferred)
}

// Any reports whether a second factor is asked for at all.
func (s Set) Any() bool { return s.TOTP || s.Email || s.Passkey }

// Has reports whether m is on.
func (s Set) Has(m Method) bool { return slices.Contains(s.Methods(), m) }

// Methods lists what is on, in the order of the contract: [] for none.
func (s Set) Methods() []Method {
	out := make([]Method, 0, len(order))
	for _, m := range order {
		if *s.of(m) {
			out = append(out, m)
		}
	}
	return out
}

// With returns the set with m on. An authenticator app is preferred from then
// on, anything else if it is the only one (contract §7.4).
func (s Set) With(m Method) Set {
	*s.of(m) = true
	if m == TOTP || s.Preferred == "" {
		s.Preferred = m
	}
	return s
}

// Without returns the set with m off. Who preferred it prefers the first of
// the others.
func (s Set) Without(m Method) Set {
	*s.of(m) = false
	if s.Preferred != m {
		return s
	}
	s.Preferred = ""
	if rest := s.Methods(); len(rest) > 0 {
		s.Preferred = rest[0]
	}
	return s
}

// of is the switch of one of the methods in order.
func (s *Set) of(m Method) *bool {
	switch m {
	case TOTP:
		return &s.TOTP
	case Email:
		return &s.Email
	case Passkey:
	}
	return &s.Passkey
}

// App is an authenticator app that is on: the secret it shares with us, and the
// latest time step whose code was accepted, which neither it nor an earlier one
// ever is again (faults F17).
type App struct {
	Secret   secret.Text // Base32
	LastStep int64       // RFC 6238 §4.2
}

// Setup is an authenticator app that its owner has not confirmed yet. It has no
// effect on anything until then (faults F79).
type Setup struct {
	ID            string      // jti of the token that names it
	Secret        secret.Text // Base32
	RecoveryCodes []recovery.Code
	CreatedAt     time.Time
	ExpiresAt     time.Time
	Tries         int // codes that were tried
}

// MailedCode is a code of six digits that was sent to the address of a user.
type MailedCode struct {
	Code      Code
	CreatedAt time.Time
	ExpiresAt time.Time
}

// MaxTries is how many guesses there may be at one challenge, one pending setup
// or one mailed code.
const MaxTries = 5
