// Package onetime holds what works once: mailed links, and whatever else is
// stored as a hash and used up by a conditional write.
package onetime

import (
	"crypto/sha256"
	"time"

	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
)

// Kind tells items apart: an item works only as what it was made for.
type Kind string

// The kinds.
const (
	EmailVerification Kind = "email_verification"
	PasswordReset     Kind = "password_reset"
	Challenge         Kind = "challenge" // asks for a second factor (contract §5.6)
	BoundStepUp       Kind = "step_up"   // a step-up token that is good for one thing, by its id

	// What browsers are asked of passkeys, each for one purpose.
	PasskeyRegistration Kind = "passkey_registration"
	PasskeySignIn       Kind = "passkey_sign_in"
	PasskeySecond       Kind = "passkey_second_factor"
	PasskeyStepUp       Kind = "passkey_step_up"
)

// Hash is what is stored of an opaque secret of 256 random bits.
type Hash [sha256.Size]byte

// HashOf returns the hash of a secret.
func HashOf(t secret.Text) Hash { return sha256.Sum256([]byte(t.Reveal())) }

// Item is a stored one-time item.
type Item struct {
	Hash      Hash
	Kind      Kind
	Principal principal.ID
	Session   session.ID    // that asked for it, "" if none
	Address   email.Address // what an e-mail verification proves
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero while unused
	VoidedAt  time.Time // zero unless something else made it worthless

	// Of challenges only.
	Purpose session.Purpose
	Proven  session.Proven // what the one it asks has proven already
	Tries   int            // guesses at it that were counted
	Demand  session.Demand // what a step-up is to yield
}

// Spent reports whether there were as many guesses as there may be. The last
// one may still be right, and use the item up.
func (i Item) Spent() bool { return i.Tries >= factor.MaxTries }

// State is what an item is worth.
type State int

// The states. Expiry counts before everything else but voiding: a link that
// was superseded is unknown to its owner.
const (
	Usable State = iota
	Expired
	Used
	Voided
)

// State returns what the item is worth at now.
func (i Item) State(now time.Time) State {
	switch {
	case !i.VoidedAt.IsZero():
		return Voided
	case !now.Before(i.ExpiresAt):
		return Expired
	case !i.UsedAt.IsZero():
		return Used
	}
	return Usable
}
