// Package passkey holds the keys by which people sign in instead of a
// password, or besides one: what is kept of them, and when a use of one is
// believed (WebAuthn Level 3).
package passkey

import (
	"time"

	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
)

// Most is how many passkeys an account can have. Browsers are told all of them.
const Most = 20

// Patience is how long a person has from question to answer. A page may ask
// before anybody touches it, to fill a form.
const Patience = 5 * time.Minute

// ID is how its owner names a passkey (UUIDv7).
type ID string

// Passkey is one key of one user.
type Passkey struct {
	Key

	ID        ID
	Principal principal.ID
	Name      string // given by its owner
	CreatedAt time.Time
	LastUsed  time.Time // zero before the first use
}

// Key is what an authenticator tells of a key it has made.
type Key struct {
	Credential     []byte   // how the authenticator names it; nobody has another one of that name
	Public         []byte   // COSE_Key (RFC 9052 §7)
	AAGUID         [16]byte // model of the authenticator, zero if it does not tell
	Transports     []string // ways to reach the authenticator, as WebAuthn names them
	BackupEligible bool     // the key may be copied to other devices; never changes
	BackedUp       bool     // and is, as of the last use
	SignCount      uint32   // of the last use, 0 for an authenticator that does not count
}

// Claim is what an answer says of itself, with nothing proven.
type Claim struct {
	Challenge  secret.Text
	Credential []byte
	Named      bool // whose passkey it is, by a user handle
}

// Use is what an authenticator has proven by an answer.
type Use struct {
	SignCount uint32
	BackedUp  bool
	Verified  bool // who used it, by a PIN or a body; else only that somebody was there
}

// Cloned reports whether the use must have been of another copy of the key: an
// authenticator that counts only ever counts on (WebAuthn Level 3, §6.1.1).
func (k Key) Cloned(u Use) bool {
	return (u.SignCount > 0 || k.SignCount > 0) && u.SignCount <= k.SignCount
}

// Used returns the passkey after a use.
func (p Passkey) Used(u Use, now time.Time) Passkey {
	p.SignCount, p.BackedUp, p.LastUsed = u.SignCount, u.BackedUp, now
	return p
}

// Document is what a browser and an authenticator tell each other, as JSON for
// the functions of WebAuthn Level 3 §5.1.7 to §5.1.9.
type Document []byte

// Verification says whether an authenticator has to verify who uses it, as
// WebAuthn names it (Level 3, §5.8.6).
type Verification string

// The values.
const (
	Required    Verification = "required"
	Preferred   Verification = "preferred"
	Discouraged Verification = "discouraged"
)
