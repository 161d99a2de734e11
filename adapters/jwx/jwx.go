// Package jwx implements outbound.Minter, outbound.Verifier and outbound.KeySet
// with the signatures of jwx/v2, and outbound.KeyMaker. It owns how a token is
// written and read and which keys count. It stores, rotates and publishes
// nothing, knows no session, and does not say what a claim is worth; tokens of
// foreign issuers never pass here.
//
// Nothing but this package imports jwx, and this package imports nothing of it
// but jws and jwa (no jwt, jwk or jwe): the line has an open advisory on claims
// (GHSA-4cf7-xm37-g63h) and reads tolerantly. So the library signs bytes and
// checks one signature, with an algorithm and a key of our ring; what it would
// read is read before, by a reader that knows one spelling.
package jwx

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/maypok86/otter/v2"

	"gatehouse/domain/key"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

var (
	_ outbound.Minter   = (*Tokens)(nil)
	_ outbound.Verifier = (*Tokens)(nil)
	_ outbound.KeySet   = (*Tokens)(nil)
)

// Config says for whom tokens are, and with which keys.
type Config struct {
	Issuer   string // iss of all tokens, and aud of all but access tokens
	Audience string // aud of access tokens

	// Keys are signing keys with a PKCS #8 private key each. Exactly one is
	// current and signs; next and retired ones only verify.
	Keys []key.Opened
}

// maxSize bounds a token in bytes, so that whatever reading one takes is bounded
// too. It is also what a header or a cookie can carry.
const maxSize = 4096

// remembered is how many tokens are kept in mind.
const remembered = 8192

// Tokens mints and verifies tokens. Its keys can be exchanged while it is in
// use: every call works with those there were when it began.
type Tokens struct {
	issuer, audience string
	ring             atomic.Pointer[ring]
	known            *otter.Cache[digest, verdict]
}

// ring is a set of keys. It never changes.
type ring struct {
	entries map[string]entry // by kid
	current entry
	public  []token.PublicKey
}

// entry is a key of the ring.
type entry struct {
	kid, alg string
	signer   jws.Signer
	private  crypto.Signer
	public   crypto.PublicKey
}

// New returns Tokens, or says which key is no good.
func New(c Config) (*Tokens, error) {
	if c.Issuer == "" || c.Audience == "" {
		return nil, errors.New("tokens need an issuer and an audience")
	}
	t := &Tokens{issuer: c.Issuer, audience: c.Audience}
	if err := t.Load(c.Keys); err != nil {
		return nil, err
	}
	known, err := otter.New(&otter.Options[digest, verdict]{
		MaximumSize: remembered,
		Executor:    func(task func()) { task() }, // no goroutine without an owner
	})
	if err != nil {
		return nil, fmt.Errorf("memory of tokens: %w", err)
	}
	t.known = known
	return t, nil
}

// Load makes these the keys of t, or says which one is no good and leaves those
// it has. A token of a key that is not among them is good no more, whether it
// was seen before or not.
func (t *Tokens) Load(keys []key.Opened) error {
	r, err := newRing(keys)
	if err != nil {
		return err
	}
	t.ring.Store(r)
	return nil
}

// PublicKeys implements [outbound.KeySet], in the order of the configuration.
func (t *Tokens) PublicKeys() []token.PublicKey { return slices.Clone(t.ring.Load().public) }

// audienceOf returns the audience of a kind, or "" if that is no kind.
func (t *Tokens) audienceOf(k token.Kind) string {
	switch k {
	case token.Access:
		return t.audience
	case token.Refresh, token.StepUp, token.Session, token.TwoFactor, token.TOTPSetup:
		return t.issuer
	}
	return ""
}
