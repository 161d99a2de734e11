// Package key holds the keys of the service: what each is for and what state
// it is in (faults §9.6). Key material never leaves it in print.
package key

import (
	"fmt"
	"log/slog"
	"time"
)

// Purpose says what a key is for.
type Purpose string

// The purposes.
const (
	Signing    Purpose = "signing"     // tokens
	Encryption Purpose = "encryption"  // wraps the data keys of principals
	BlindIndex Purpose = "blind_index" // look-up of addresses, throttle and cooldown keys
)

// Purposes lists every purpose.
func Purposes() []Purpose { return []Purpose{Signing, Encryption, BlindIndex} }

// State is where a key is in its life.
type State string

// The states: a next key is published but unused, a retired one only reads.
const (
	Next    State = "next"
	Current State = "current"
	Retired State = "retired"
)

// Key is one key of the ring without its material.
type Key struct {
	ID        string // random; the kid of a signing key
	Purpose   Purpose
	Algorithm string // ES256 or EdDSA, A256GCM, HS256
	State     State
	Slot      Slot // of an index of addresses; only blind-index keys have one
	CreatedAt time.Time
	DueAt     time.Time // from when on a next key is to be the current one; zero until that is wanted
	RetiredAt time.Time // zero unless it is retired
}

// Slot is one of the two places of a row in which an address is indexed, each
// under one key. While a key takes over from another, both are filled and
// searched, so that no look-up depends on how far that is.
type Slot int

// The slots. A key without one indexes no addresses (any more).
const (
	NoSlot Slot = iota
	FirstSlot
	SecondSlot
)

// Other returns the slot that s is not.
func (s Slot) Other() Slot {
	if s == FirstSlot {
		return SecondSlot
	}
	return FirstSlot
}

// Wrapped is a key as it is stored: readable only with the key it was wrapped
// under.
type Wrapped struct {
	Key
	Material  []byte // wrapped
	WrapperID string // of the wrapping key
}

// Opened is a key that can be used.
type Opened struct {
	Key
	Material Material
}

// Material is the bytes of a key: 32 random bytes, or a PKCS #8 private key.
// They hide behind a function, because fmt ignores String and Format on values
// it reaches through unexported fields; a function prints as an address there.
type Material struct{ open func() []byte }

// NewMaterial wraps b.
func NewMaterial(b []byte) Material { return Material{func() []byte { return b }} }

// Bytes returns the key: call it where the key is used, nowhere else.
func (m Material) Bytes() []byte {
	if m.open == nil {
		return nil
	}
	return m.open()
}

func (Material) String() string             { return "[key]" }
func (Material) GoString() string           { return "[key]" }
func (Material) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[key]")) }
func (Material) LogValue() slog.Value       { return slog.StringValue("[key]") }

// MarshalText keeps keys out of JSON.
func (Material) MarshalText() ([]byte, error) { return []byte("[key]"), nil }
