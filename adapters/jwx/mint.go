package jwx

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"

	"gatehouse/domain/fault"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
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
	browser   = "browser"
	system    = "os"
	locale    = "locale"
	purpose   = "purpose"
	payloadOf = "payload_hash"
)

// Mint implements [outbound.Minter]. It fails as well on claims that could not
// be read back, such as those of a token of more than 4096 bytes: what it
// returns, [Tokens.Verify] accepts. Fractions of seconds are cut off. What was
// minted is remembered, for whoever comes back with it to where it is from.
func (t *Tokens) Mint(k token.Kind, c token.Claims) (secret.Text, error) {
	minted, err := t.mint(k, c)
	if err != nil {
		return secret.Text{}, fault.New(fault.TokenCreationFailure).Because(err)
	}
	return secret.New(minted), nil
}

func (t *Tokens) mint(k token.Kind, c token.Claims) (string, error) {
	v, ok := t.verdictOf(k, c)
	if !ok {
		return "", fmt.Errorf("claims of a token of kind %q are incomplete", k)
	}
	payload, err := json.Marshal(t.payload(k, v.claims))
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	e := t.ring.Load().current
	minted, err := e.sign(k, payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	v.kid = e.kid
	t.known.Set(digestOf(minted), v)
	return minted, nil
}

// verdictOf returns what [Tokens.read] will make of a token with the claims c,
// unless it will refuse them. A token says nothing but what belongs to its
// kind.
func (t *Tokens) verdictOf(k token.Kind, c token.Claims) (verdict, bool) {
	said := token.Claims{
		ID: c.ID, Subject: c.Subject, Session: c.Session, IssuedAt: second(c.IssuedAt), ExpiresAt: second(c.ExpiresAt),
	}
	ok := t.audienceOf(k) != "" && isUUID(c.ID) && isNumber(c.IssuedAt.Unix()) && isNumber(c.ExpiresAt.Unix())
	who, where := bearer(k, c.Purpose)
	if !who {
		said.Subject = ""
	}
	if !where {
		said.Session = ""
	}
	ok = ok && (!who || isUUID(string(c.Subject))) && (!where || isUUID(string(c.Session)))
	switch k {
	case token.Access:
		said.Roles, said.Groups, said.AMR = list(c.Roles), list(c.Groups), list(c.AMR)
		said.ACR, said.AuthTime, said.Gen = c.ACR, second(c.AuthTime), c.Gen
		ok = ok && c.ACR != "" && isNumber(c.AuthTime.Unix()) && isNumber(int64(c.Gen))
	case token.StepUp:
		said.AMR, said.ACR, said.AuthTime, said.Bound = list(c.AMR), c.ACR, second(c.AuthTime), c.Bound
		ok = ok && c.ACR != "" && isNumber(c.AuthTime.Unix()) && (c.Bound.Purpose != "" || c.Bound.IsZero())
	case token.Session:
		said.Browser, said.OS, said.Locale = c.Browser, c.OS, c.Locale
		ok = ok && c.Locale != ""
	case token.TwoFactor:
		said.Purpose = c.Purpose
		ok = ok && isPurpose(c.Purpose)
	case token.Refresh, token.TOTPSetup:
	}
	texts := []string{said.ACR, said.Browser, said.OS, said.Locale, said.Bound.Purpose, said.Bound.PayloadHash}
	for _, s := range slices.Concat(said.Roles, said.Groups, said.AMR, texts) {
		ok = ok && utf8.ValidString(s) // JSON would put something else in its place
	}
	return verdict{kind: k, claims: said, notBefore: said.IssuedAt}, ok
}

// bearer tells whether a token of a kind, and of a purpose if it is a
// challenge, is somebody's, and whether it belongs to a session.
func bearer(k token.Kind, p session.Purpose) (who, where bool) {
	who = k != token.Session
	return who, who && (k != token.TwoFactor || p == session.ForStepUp)
}

func isPurpose(p session.Purpose) bool { return p == session.ForSignIn || p == session.ForStepUp }

func second(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }

// payload is what a token can say, in the order of the names. What does not
// belong to its kind is absent.
type payload struct {
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitzero"`
	Audience  string   `json:"aud"`
	AuthTime  *int64   `json:"auth_time,omitempty"`
	Browser   *string  `json:"browser,omitempty"`
	ExpiresAt int64    `json:"exp"`
	Gen       *int     `json:"gen,omitempty"`
	Groups    []string `json:"groups,omitzero"`
	IssuedAt  int64    `json:"iat"`
	Issuer    string   `json:"iss"`
	ID        string   `json:"jti"`
	Locale    string   `json:"locale,omitempty"`
	NotBefore int64    `json:"nbf"`
	OS        *string  `json:"os,omitempty"`
	Payload   string   `json:"payload_hash,omitempty"`
	Purpose   string   `json:"purpose,omitempty"`
	Roles     []string `json:"roles,omitzero"`
	Session   string   `json:"sid,omitempty"`
	Subject   string   `json:"sub,omitempty"`
}

// payload names what c says, which is what [Tokens.verdictOf] let through.
func (t *Tokens) payload(k token.Kind, c token.Claims) payload {
	p := payload{
		Issuer: t.issuer, Audience: t.audienceOf(k), ID: c.ID, Subject: string(c.Subject), Session: string(c.Session),
		IssuedAt: c.IssuedAt.Unix(), NotBefore: c.IssuedAt.Unix(), ExpiresAt: c.ExpiresAt.Unix(),
		Roles: c.Roles, Groups: c.Groups, AMR: c.AMR, ACR: c.ACR, Locale: c.Locale,
	}
	switch k {
	case token.Access:
		p.AuthTime, p.Gen = new(c.AuthTime.Unix()), &c.Gen
	case token.StepUp:
		p.AuthTime, p.Purpose, p.Payload = new(c.AuthTime.Unix()), c.Bound.Purpose, c.Bound.PayloadHash
	case token.Session:
		p.Browser, p.OS = &c.Browser, &c.OS
	case token.TwoFactor:
		p.Purpose = string(c.Purpose)
	case token.Refresh, token.TOTPSetup:
	}
	return p
}

// list makes an absent list an empty one.
func list(s []string) []string { return append([]string{}, s...) }

// sign returns a compact serialisation (RFC 7515 §3.1).
func (e entry) sign(k token.Kind, payload []byte) (string, error) {
	input := encode([]byte(e.header(k))) + "." + encode(payload)
	signature, err := e.signer.Sign([]byte(input), e.private)
	if err != nil {
		return "", err
	}
	if e.alg == es256 {
		signature = lowS(signature)
	}
	signed := input + "." + encode(signature)
	if len(signed) > maxSize {
		return "", fmt.Errorf("%d bytes are more than %d", len(signed), maxSize)
	}
	return signed, nil
}

// header needs no escaping: see [kids].
func (e entry) header(k token.Kind) string {
	return `{"alg":"` + e.alg + `","kid":"` + e.kid + `","typ":"` + string(k) + `"}`
}

// order is the order of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3).
var (
	order     = elliptic.P256().Params().N
	halfOrder = new(big.Int).Rsh(order, 1)
)

// lowS gives the one ES256 signature that counts here. Every ECDSA signature
// (r, s) has a twin (r, order-s) that anybody can work out and that is as good
// to any verifier: a second spelling of the token.
func lowS(signature []byte) []byte {
	if isLowS(signature) {
		return signature
	}
	twin := slices.Clone(signature)
	s := twin[len(twin)/2:]
	new(big.Int).Sub(order, new(big.Int).SetBytes(s)).FillBytes(s)
	return twin
}

func isLowS(signature []byte) bool {
	return new(big.Int).SetBytes(signature[len(signature)/2:]).Cmp(halfOrder) <= 0
}
