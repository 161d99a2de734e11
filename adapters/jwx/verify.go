package jwx

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// nbfLeeway is how far the clock of another replica may be ahead when it mints
// (contract §5.2). The end of a token has no leeway.
const nbfLeeway = 30 * time.Second

type digest [sha256.Size]byte

func digestOf(token string) digest { return sha256.Sum256([]byte(token)) }

// verdict is what is known of a token that is ours and readable. Whether its
// time has come, or gone, is asked every time.
type verdict struct {
	kid       string // the key that signed it
	kind      token.Kind
	claims    token.Claims
	notBefore time.Time
}

// Verify implements [outbound.Verifier]. The last 8192 tokens that it accepted,
// or that were minted here, are remembered by their whole text, which saves the
// signature and nothing else.
func (t *Tokens) Verify(s secret.Text, k token.Kind, now time.Time) (token.Claims, error) {
	text := s.Reveal()
	if len(text) > maxSize { // before anything else looks at it
		return token.Claims{}, outbound.ErrTokenInvalid
	}
	d, r := digestOf(text), t.ring.Load()
	v, known := t.known.GetIfPresent(d)
	if known {
		_, known = r.entries[v.kid] // else its key was killed
	}
	if !known {
		var ok bool
		if v, ok = t.read(r, text, k); !ok {
			return token.Claims{}, outbound.ErrTokenInvalid
		}
	}
	switch {
	case v.kind != k || v.notBefore.After(now.Add(nbfLeeway)):
		return token.Claims{}, outbound.ErrTokenInvalid
	case !now.Before(v.claims.ExpiresAt):
		t.known.Invalidate(d)
		return own(v.claims), outbound.ErrTokenExpired
	case !known:
		t.known.Set(d, v)
	}
	return own(v.claims), nil
}

// own returns a copy that shares no list with the one that is remembered.
func own(c token.Claims) token.Claims {
	c.AMR, c.Roles, c.Groups = slices.Clone(c.AMR), slices.Clone(c.Roles), slices.Clone(c.Groups)
	return c
}

// read does all of the verification that does not depend on the time. Nothing
// of the payload is looked at before its signature has been checked.
func (t *Tokens) read(r *ring, text string, k token.Kind) (verdict, bool) {
	p, ok := split(text)
	if !ok {
		return verdict{}, false
	}
	e, ok := r.keyOf(p.header, k)
	if !ok || e.alg == es256 && !isLowS(p.signature) {
		return verdict{}, false
	}
	payload, err := jws.Verify([]byte(text), jws.WithKey(jwa.SignatureAlgorithm(e.alg), e.public))
	if err != nil {
		return verdict{}, false
	}
	v, ok := t.claims(payload, k)
	v.kid = e.kid
	return v, ok
}

// keyOf returns the key a token of kind k is signed with, if its header is
// exactly one of ours: then no jwk, jku, x5u, x5c, crit, b64, cty or zip can be
// in it, whatever a parser would make of them. kid is a stranger's text and
// asks nothing but the ring.
func (r *ring) keyOf(header []byte, k token.Kind) (entry, bool) {
	h, ok := objectOf(header)
	if !ok || len(h) != 3 {
		return entry{}, false
	}
	e, ok := r.entries[h.text("kid")]
	return e, ok && h.text("alg") == e.alg && h.text("typ") == string(k)
}

// claims reads what a token of kind k claims.
func (t *Tokens) claims(payload []byte, k token.Kind) (verdict, bool) {
	o, ok := objectOf(payload)
	if !ok {
		return verdict{}, false
	}
	r := reader{object: o}
	v := verdict{kind: k, claims: r.claims(k), notBefore: r.date(notBefore)}
	ours := r.text(issuer) == t.issuer && r.audience() == t.audienceOf(k) && t.audienceOf(k) != ""
	return v, ours && !r.failed
}

// parts are those of a compact serialisation, decoded.
type parts struct{ header, payload, signature []byte }

// signatureSize is that of both algorithms.
const signatureSize = 64

// split takes a token apart, if it is spelled in the only way that counts:
// base64url decoders overlook line breaks and unused bits.
func split(t string) (p parts, ok bool) {
	s := strings.SplitN(t, ".", 4)
	if len(s) != 3 {
		return parts{}, false
	}
	var decoded [3][]byte
	for i := range s {
		if decoded[i], ok = decode(s[i]); !ok {
			return parts{}, false
		}
	}
	p = parts{decoded[0], decoded[1], decoded[2]}
	return p, len(p.signature) == signatureSize
}

func decode(s string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) > 0 && encode(b) == s
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
