// Package webauthntest is an authenticator in software, with the browser that
// talks to it, for tests that would need a finger.
package webauthntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"

	virtual "github.com/descope/virtualwebauthn"
)

// Device is an authenticator that holds one passkey. Its fields may be changed
// between uses, as no honest one would.
type Device struct {
	RelyingParty string // id
	Origin       string // of the page the browser shows
	Unverified   bool   // it does not ask who uses it
	Absent       bool   // and nobody is there
	Copyable     bool   // the key may be copied to other devices
	Copied       bool   // and is
	Counter      uint32 // raised before each use, unless it is Stuck
	Stuck        bool
	Handle       []byte // of the user the passkey was made for

	credential virtual.Credential
}

// New returns a device whose browser shows a page of origin.
func New(relyingParty, origin string) *Device {
	return &Device{
		RelyingParty: relyingParty, Origin: origin,
		credential: virtual.NewCredentialWithImportedKey(virtual.KeyTypeEC2, newKey()),
	}
}

// newKey is a key whose coordinates begin with no zero, which the library would
// leave out, and authenticators must not.
func newKey() []byte {
	for {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		point, err := k.PublicKey.Bytes() // 4, X, Y
		if err != nil {
			panic(err)
		}
		if point[1] == 0 || point[1+32] == 0 {
			continue
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			panic(err)
		}
		return der
	}
}

// Credential is the id of the passkey.
func (d *Device) Credential() []byte { return d.credential.ID }

// Holds reports whether creation options exclude the device, since it holds a
// passkey of that user already.
func (d *Device) Holds(options []byte) bool {
	return d.credential.IsExcludedForAttestation(*must(virtual.ParseAttestationOptions(string(options))))
}

// Create makes the passkey, for the user that creation options name, and
// returns what the browser posts.
func (d *Device) Create(options []byte) []byte {
	o := must(virtual.ParseAttestationOptions(string(options)))
	d.Handle = []byte(o.UserID)
	return []byte(virtual.CreateAttestationResponse(d.party(), d.authenticator(), d.credential, *o))
}

// Use uses the passkey and returns what the browser posts.
func (d *Device) Use(options []byte) []byte {
	if !d.Stuck {
		d.Counter++
	}
	o := must(virtual.ParseAssertionOptions(string(options)))
	return []byte(virtual.CreateAssertionResponse(d.party(), d.authenticator(), d.credential, *o))
}

func (d *Device) party() virtual.RelyingParty {
	d.credential.Counter = d.Counter
	return virtual.RelyingParty{ID: d.RelyingParty, Name: d.RelyingParty, Origin: d.Origin}
}

func (d *Device) authenticator() virtual.Authenticator {
	return virtual.NewAuthenticatorWithOptions(virtual.AuthenticatorOptions{
		UserHandle: d.Handle, UserNotPresent: d.Absent, UserNotVerified: d.Unverified,
		BackupEligible: d.Copyable, BackupState: d.Copied,
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("authenticator in software: %w", err))
	}
	return v
}
