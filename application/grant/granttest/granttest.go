// Package granttest holds tokens whose claims can be read, for the tests of
// whatever mints or reads tokens. They protect nothing.
package granttest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

var (
	_ outbound.Minter   = (*Tokens)(nil)
	_ outbound.Verifier = (*Tokens)(nil)
)

// Tokens mints and verifies tokens that consist of their kind and their claims
// in JSON. Its zero value is ready for use.
type Tokens struct {
	Fails token.Kind // of this kind no token can be made
}

// Mint implements [outbound.Minter].
func (t *Tokens) Mint(k token.Kind, c token.Claims) (secret.Text, error) {
	if k == t.Fails {
		return secret.Text{}, fault.New(fault.TokenCreationFailure).Because(fmt.Errorf("no %s today", k))
	}
	b, err := json.Marshal(c)
	if err != nil {
		return secret.Text{}, fault.New(fault.TokenCreationFailure).Because(err)
	}
	return secret.New(string(k) + " " + string(b)), nil
}

// Verify implements [outbound.Verifier].
func (t *Tokens) Verify(s secret.Text, k token.Kind, now time.Time) (token.Claims, error) {
	c, err := Read(s, k)
	switch {
	case err != nil:
		return token.Claims{}, outbound.ErrTokenInvalid
	case !now.Before(c.ExpiresAt):
		return c, outbound.ErrTokenExpired
	}
	return c, nil
}

// Read returns what a token of kind k claims, expired or not.
func Read(s secret.Text, k token.Kind) (c token.Claims, err error) {
	kind, claims, _ := strings.Cut(s.Reveal(), " ")
	if kind != string(k) {
		return c, fmt.Errorf("a token of kind %q, not %q", kind, k)
	}
	return c, json.Unmarshal([]byte(claims), &c)
}
