// Package token holds the kinds of signed tokens and what each one claims
// (contract §5.1). How they are signed and read is the adapter's business.
package token

import (
	"time"

	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

// Kind is the typ header of a signed token (RFC 7515 §4.1.9). Only a token of
// the kind that is asked for is ever accepted.
type Kind string

// The kinds in use.
const (
	Access  Kind = "at+jwt" // RFC 9068
	Refresh Kind = "rt+jwt"
	StepUp  Kind = "step-up+jwt"
	Session Kind = "session+jwt" // belongs to nobody, and proves nothing

	TwoFactor Kind = "two-factor+jwt" // names a challenge
	TOTPSetup Kind = "totp-setup+jwt" // names a pending setup, and carries no secret
)

// Kinds lists every kind, for adapters and tests that must cover them all.
func Kinds() []Kind { return []Kind{Access, Refresh, StepUp, Session, TwoFactor, TOTPSetup} }

// Claims is what a token says. Issuer and audience belong to the adapter.
type Claims struct {
	ID        string       // jti (RFC 7519 §4.1.7)
	Subject   principal.ID // "" in session tokens
	Session   session.ID   // sid; "" in session tokens, and in challenges of a sign-in
	IssuedAt  time.Time    // whole seconds, as ExpiresAt and AuthTime
	ExpiresAt time.Time

	// Of access and step-up tokens.
	AMR      []string
	ACR      string
	AuthTime time.Time

	// Of access tokens only.
	Roles  []string
	Groups []string
	Gen    int // the principal's token generation at issue

	Purpose session.Purpose // of challenges only
	Bound   session.Bound   // of step-up tokens only: the one thing it is good for

	// Of session tokens only: of a sign-in that is about to begin elsewhere.
	Browser string // "" if unknown, as OS
	OS      string
	Locale  string // canonical tag
}

// Lifetimes says how long the tokens last that are not a session themselves.
type Lifetimes struct {
	Access, StepUp, Session, Challenge, TOTPSetup time.Duration
}

// PublicKey is one entry of the published key set (RFC 7517).
type PublicKey struct {
	ID        string // kid, random
	Type      string // kty: EC or OKP
	Curve     string // crv: P-256 or Ed25519
	X, Y      string // base64url; Y is empty for OKP
	Algorithm string // alg: ES256 or EdDSA
}
