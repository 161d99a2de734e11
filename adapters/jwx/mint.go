package jwx

import (
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"gatehouse/domain/fault"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
)

// The names of the claims (contract §5.1). No other ever gets into a token.
const (
	issuer    = "iss"
	audience  = "aud"
	issuedAt  = "iat"
	notBefore = "nbf"
	expiresAt = "exp"
	tokenID   = "jti"
	subject   = "sub"
	sessionID = "sid"
	roles     = "roles"
	groups    = "groups"
	amr       = "amr"
	acr       = "acr"
	authTime  = "auth_time"
	gen       = "gen"
)

// Mint implements [outbound.Minter]. It fails as well on claims that could not
// be read back, such as those of a token of more than 4096 bytes: what it
// returns, [Tokens.Verify] accepts. Fractions of seconds are cut off.
func (t *Tokens) Mint(k token.Kind, c token.Claims) (secret.Text, error) {
	minted, err := t.mint(k, c)
	if err != nil {
		return secret.Text{}, fault.New(fault.TokenCreationFailure).Because(err)
	}
	return secret.New(minted), nil
}

func (t *Tokens) mint(k token.Kind, c token.Claims) (string, error) {
	payload, err := json.Marshal(t.claim(k, c))
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	if _, ok := t.claims(payload, k); !ok {
		return "", fmt.Errorf("claims of a token of kind %q are incomplete", k)
	}
	minted, err := t.current.sign(k, payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return minted, nil
}

// claim names what c says.
func (t *Tokens) claim(k token.Kind, c token.Claims) map[string]any {
	m := map[string]any{
		issuer: t.issuer, audience: t.audienceOf(k), tokenID: c.ID, subject: c.Subject, sessionID: c.Session,
		issuedAt: c.IssuedAt.Unix(), notBefore: c.IssuedAt.Unix(), expiresAt: c.ExpiresAt.Unix(),
	}
	switch k {
	case token.Access:
		m[roles], m[groups], m[amr] = list(c.Roles), list(c.Groups), list(c.AMR)
		m[acr], m[authTime], m[gen] = c.ACR, c.AuthTime.Unix(), c.Gen
	case token.StepUp:
		m[amr] = list(c.AMR)
	case token.Refresh:
	}
	return m
}

// list makes an absent list an empty one.
func list(s []string) []string { return append([]string{}, s...) }

// sign returns a compact serialisation (RFC 7515 §3.1).
func (e entry) sign(k token.Kind, payload []byte) (string, error) {
	h := jws.NewHeaders()
	if err := errors.Join(h.Set(jws.TypeKey, string(k)), h.Set(jws.KeyIDKey, e.kid)); err != nil {
		return "", err
	}
	alg := jwa.SignatureAlgorithm(e.alg)
	signed, err := jws.Sign(payload, jws.WithKey(alg, e.private, jws.WithProtectedHeaders(h)))
	switch {
	case err != nil:
		return "", err
	case len(signed) > maxSize:
		return "", fmt.Errorf("%d bytes are more than %d", len(signed), maxSize)
	case e.alg == es256:
		return lowS(string(signed))
	}
	return string(signed), nil
}

// order is the order of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3).
var (
	order     = elliptic.P256().Params().N
	halfOrder = new(big.Int).Rsh(order, 1)
)

// lowS gives an ES256 token the one signature that counts here. Every ECDSA
// signature (r, s) has a twin (r, order-s) that anybody can work out and that
// is as good to any verifier: a second spelling of the token.
func lowS(t string) (string, error) {
	p, ok := split(t)
	if !ok {
		return "", errors.New("jws wrote no token")
	}
	if isLowS(p.signature) {
		return t, nil
	}
	twin := slices.Clone(p.signature)
	s := twin[len(twin)/2:]
	new(big.Int).Sub(order, new(big.Int).SetBytes(s)).FillBytes(s)
	return strings.TrimSuffix(t, encode(p.signature)) + encode(twin), nil
}

func isLowS(signature []byte) bool {
	return new(big.Int).SetBytes(signature[len(signature)/2:]).Cmp(halfOrder) <= 0
}
