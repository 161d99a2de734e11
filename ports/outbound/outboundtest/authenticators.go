package outboundtest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"testing"

	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// AuthenticatorMaker makes what the suite of [outbound.Authenticators] needs.
type AuthenticatorMaker struct {
	RelyingParty  string // id
	Origin, Other string // of pages of the relying party
	// Open returns authenticators that ask for v when a passkey is made.
	Open func(t *testing.T, v passkey.Verification) outbound.Authenticators
	// Device returns an authenticator and its browser, which shows a page of
	// Origin. It counts, and proves its user.
	Device func() Device
}

// Device is an authenticator that holds one passkey, with the browser that talks
// to it.
type Device interface {
	Behave(b Behaviour)
	Create(question []byte) (answer []byte)
	Use(question []byte) (answer []byte)
	Credential() []byte
}

// Behaviour is what a device does from now on.
type Behaviour struct {
	RelyingParty, Origin string
	Unverified           bool   // it does not ask who uses it
	Absent               bool   // and nobody is there
	Copyable, Copied     bool   // to other devices
	Stuck                bool   // it does not count
	Handle               string // of the user it answers with, "" for that of the creation
}

// Authenticators runs the suite (faults F97).
func Authenticators(t *testing.T, m AuthenticatorMaker) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, AuthenticatorMaker)
	}{
		{"MakeAndUse", authenticatorsMakeAndUse},
		{"TakeNoKeyUnlessItWasMadeHereAndNow", authenticatorsTakeNoOtherKey},
		{"BelieveNoUseUnlessItWasAskedForHereAndNow", authenticatorsBelieveNoOtherUse},
		{"DoNotMixCeremoniesUp", authenticatorsDoNotMixUp},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, m) })
	}
}

func (m AuthenticatorMaker) honest() Behaviour {
	return Behaviour{RelyingParty: m.RelyingParty, Origin: m.Origin}
}

func owner() *principal.Principal { return restore(user("u1")) }

// nonce is 256 random bits in base64url.
func nonce() secret.Text {
	b := make([]byte, 32)
	rand.Read(b)
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

// made is a passkey that a device has just made.
func made(t *testing.T, a outbound.Authenticators, d Device) passkey.Passkey {
	t.Helper()
	c := nonce()
	question, err := a.Create(c, owner(), nil)
	must(t, err)
	k, err := a.Created(d.Create(question), c)
	must(t, err)
	return passkey.Passkey{Key: k, ID: "p1", Principal: "u1"}
}

func authenticatorsMakeAndUse(t *testing.T, m AuthenticatorMaker) {
	a, d := m.Open(t, passkey.Required), m.Device()
	b := m.honest()
	b.Copyable, b.Copied = true, true
	d.Behave(b)
	k := made(t, a, d)
	if !bytes.Equal(k.Credential, d.Credential()) || len(k.Public) == 0 || !k.BackupEligible || !k.BackedUp {
		t.Errorf("key %+v", k)
	}
	c := nonce()
	question, err := a.Ask(c, passkey.Required, []passkey.Passkey{k})
	must(t, err)
	b.Copied = false
	d.Behave(b)
	answer := d.Use(question)
	claim, err := a.Claimed(answer)
	if err != nil || !claim.Challenge.Equal(c) || !bytes.Equal(claim.Credential, k.Credential) || !claim.Named {
		t.Errorf("claim %+v, %v", claim, err)
	}
	if use, err := a.Used(answer, c, passkey.Required, k); err != nil || use != (passkey.Use{SignCount: k.SignCount + 1, Verified: true}) {
		t.Errorf("use %+v, %v", use, err)
	}
}

func authenticatorsTakeNoOtherKey(t *testing.T, m AuthenticatorMaker) {
	for name, tc := range map[string]struct {
		device func(*Behaviour)
		other  bool // challenge
		verify passkey.Verification
		ok     bool
	}{
		"honest":                       {verify: passkey.Required, ok: true},
		"another allowed origin":       {device: func(b *Behaviour) { b.Origin = m.Other }, verify: passkey.Required, ok: true},
		"foreign origin":               {device: func(b *Behaviour) { b.Origin = m.Origin + ".evil.example" }, verify: passkey.Required},
		"unlisted sibling origin":      {device: func(b *Behaviour) { b.Origin = "https://unlisted." + m.RelyingParty }, verify: passkey.Required},
		"http":                         {device: func(b *Behaviour) { b.Origin = "http" + b.Origin[len("https"):] }, verify: passkey.Required},
		"foreign relying party":        {device: func(b *Behaviour) { b.RelyingParty = "evil.example" }, verify: passkey.Required},
		"another challenge":            {other: true, verify: passkey.Required},
		"nobody verified":              {device: func(b *Behaviour) { b.Unverified = true }, verify: passkey.Required},
		"nobody verified, nobody asks": {device: func(b *Behaviour) { b.Unverified = true }, verify: passkey.Preferred, ok: true},
		"nobody there":                 {device: func(b *Behaviour) { b.Absent = true }, verify: passkey.Discouraged},
		"copied though it cannot be":   {device: func(b *Behaviour) { b.Copied = true }, verify: passkey.Required},
	} {
		t.Run(name, func(t *testing.T) {
			a, d, c, b := m.Open(t, tc.verify), m.Device(), nonce(), m.honest()
			question, err := a.Create(c, owner(), nil)
			must(t, err)
			if tc.device != nil {
				tc.device(&b)
			}
			d.Behave(b)
			answer := d.Create(question)
			if tc.other {
				c = nonce()
			}
			if _, err := a.Created(answer, c); (err == nil) != tc.ok || err != nil && !errors.Is(err, outbound.ErrAnswerInvalid) {
				t.Errorf("Created = %v, want ok %v", err, tc.ok)
			}
		})
	}
}

func authenticatorsBelieveNoOtherUse(t *testing.T, m AuthenticatorMaker) {
	for name, tc := range map[string]struct {
		device func(*Behaviour)
		stored func(*passkey.Passkey)
		other  bool // challenge
		verify passkey.Verification
		want   *passkey.Use
	}{
		"honest":                    {verify: passkey.Required, want: &passkey.Use{SignCount: 1, Verified: true}},
		"of no counter":             {device: func(b *Behaviour) { b.Stuck = true }, verify: passkey.Required, want: &passkey.Use{Verified: true}},
		"foreign origin":            {device: func(b *Behaviour) { b.Origin = "https://evil.example" }, verify: passkey.Required},
		"foreign relying party":     {device: func(b *Behaviour) { b.RelyingParty = "evil.example" }, verify: passkey.Required},
		"another challenge":         {other: true, verify: passkey.Required},
		"another's handle":          {device: func(b *Behaviour) { b.Handle = "eve" }, verify: passkey.Required},
		"nobody verified":           {device: func(b *Behaviour) { b.Unverified = true }, verify: passkey.Required},
		"nobody verified, fine":     {device: func(b *Behaviour) { b.Unverified = true }, verify: passkey.Preferred, want: &passkey.Use{SignCount: 1}},
		"nobody there":              {device: func(b *Behaviour) { b.Absent = true }, verify: passkey.Discouraged},
		"has become copyable":       {device: func(b *Behaviour) { b.Copyable = true }, verify: passkey.Required},
		"is copyable no more":       {stored: func(k *passkey.Passkey) { k.BackupEligible = true }, verify: passkey.Required},
		"copied, though it cannot":  {device: func(b *Behaviour) { b.Copied = true }, verify: passkey.Required},
		"signed by another key":     {stored: func(k *passkey.Passkey) { k.Public = made(t, m.Open(t, passkey.Required), m.Device()).Public }, verify: passkey.Required},
		"of another credential":     {stored: func(k *passkey.Passkey) { k.Credential = []byte("another") }, verify: passkey.Required},
		"stored key is none at all": {stored: func(k *passkey.Passkey) { k.Public = []byte{1} }, verify: passkey.Required},
	} {
		t.Run(name, func(t *testing.T) {
			a, d, c, b := m.Open(t, passkey.Preferred), m.Device(), nonce(), m.honest()
			k := made(t, a, d)
			question, err := a.Ask(c, tc.verify, nil)
			must(t, err)
			if tc.device != nil {
				tc.device(&b)
			}
			d.Behave(b)
			answer := d.Use(question)
			if tc.stored != nil {
				tc.stored(&k)
			}
			if tc.other {
				c = nonce()
			}
			use, err := a.Used(answer, c, tc.verify, k)
			switch {
			case tc.want == nil && !errors.Is(err, outbound.ErrAnswerInvalid):
				t.Errorf("Used = %+v, %v, want ErrAnswerInvalid", use, err)
			case tc.want != nil && (err != nil || use != *tc.want):
				t.Errorf("Used = %+v, %v, want %+v", use, err, *tc.want)
			}
		})
	}
}

// An answer to a creation is none to a use, and the other way round.
func authenticatorsDoNotMixUp(t *testing.T, m AuthenticatorMaker) {
	a, d, c := m.Open(t, passkey.Required), m.Device(), nonce()
	creation, err := a.Create(c, owner(), nil)
	must(t, err)
	k := passkey.Passkey{Key: passkey.Key{Credential: d.Credential()}, Principal: "u1"}
	if _, err := a.Used(d.Create(creation), c, passkey.Required, k); !errors.Is(err, outbound.ErrAnswerInvalid) {
		t.Errorf("a creation used: %v", err)
	}
	request, err := a.Ask(c, passkey.Required, nil)
	must(t, err)
	if _, err := a.Created(d.Use(request), c); !errors.Is(err, outbound.ErrAnswerInvalid) {
		t.Errorf("a use created: %v", err)
	}
}
