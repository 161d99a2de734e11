package jwx

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"gatehouse/domain/key"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

var _ outbound.KeyMaker = KeyMaker{}

// The algorithms (RFC 7518 §3.1, RFC 8037 §3.1).
var (
	es256 = jwa.ES256.String()
	edDSA = jwa.EdDSA.String()
)

// kids is what an id of a key looks like: no path, no URL, nothing to escape.
var kids = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// newRing makes a ring. A mixed one is the root of key confusion, so one bad
// key refuses all of them.
func newRing(keys []key.Opened) (*ring, error) {
	r, current := &ring{entries: make(map[string]entry, len(keys)), public: []token.PublicKey{}}, 0
	for _, k := range keys {
		e, err := entryOf(k)
		if err != nil {
			return nil, fmt.Errorf("signing key %q: %w", k.ID, err)
		}
		if _, taken := r.entries[e.kid]; taken {
			return nil, fmt.Errorf("signing key %q: it is there twice", k.ID)
		}
		p, err := publicOf(e)
		if err != nil {
			return nil, fmt.Errorf("signing key %q: %w", k.ID, err)
		}
		r.entries[e.kid], r.public = e, append(r.public, p)
		if k.State == key.Current {
			r.current, current = e, current+1
		}
	}
	if current != 1 {
		return nil, fmt.Errorf("%d signing keys are current, want 1", current)
	}
	return r, nil
}

// entryOf checks k. Its errors have no cause: a parser's might quote the key.
func entryOf(k key.Opened) (entry, error) {
	switch {
	case !kids.MatchString(k.ID):
		return entry{}, errors.New("not an id for a key")
	case k.Purpose != key.Signing:
		return entry{}, fmt.Errorf("it is for %q", k.Purpose)
	case k.State != key.Next && k.State != key.Current && k.State != key.Retired:
		return entry{}, fmt.Errorf("unknown state %q", k.State)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(k.Material.Bytes())
	if err != nil {
		return entry{}, errors.New("not a PKCS #8 private key")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok || algorithmOf(signer) != k.Algorithm || k.Algorithm == "" {
		return entry{}, fmt.Errorf("not a key for %q", k.Algorithm)
	}
	by, err := jws.NewSigner(jwa.SignatureAlgorithm(k.Algorithm))
	if err != nil {
		return entry{}, fmt.Errorf("nothing signs with %q", k.Algorithm)
	}
	return entry{kid: k.ID, alg: k.Algorithm, signer: by, private: signer, public: signer.Public()}, nil
}

// algorithmOf returns the one algorithm a key is for, or "".
func algorithmOf(s crypto.Signer) string {
	switch k := s.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return es256
		}
	case ed25519.PrivateKey:
		return edDSA
	}
	return ""
}

// publicOf describes the public part of e, which is all it looks at.
func publicOf(e entry) (token.PublicKey, error) {
	text := base64.RawURLEncoding.EncodeToString
	switch p := e.public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4, x, y (SEC 1 §2.3.3)
		if err != nil {
			return token.PublicKey{}, errors.New("no point of its curve")
		}
		half := len(point) / 2
		return token.PublicKey{
			ID: e.kid, Type: "EC", Curve: "P-256",
			X: text(point[1 : 1+half]), Y: text(point[1+half:]), Algorithm: e.alg,
		}, nil
	case ed25519.PublicKey:
		return token.PublicKey{ID: e.kid, Type: "OKP", Curve: "Ed25519", X: text(p), Algorithm: e.alg}, nil
	}
	return token.PublicKey{}, errors.New("no public key")
}

// KeyMaker is an [outbound.KeyMaker].
type KeyMaker struct {
	SigningAlgorithm string // ES256 or EdDSA
}

// NewKey implements [outbound.KeyMaker]. It fails on a purpose or an algorithm
// that does not exist.
func (m KeyMaker) NewKey(p key.Purpose) (algorithm string, _ key.Material, err error) {
	switch p {
	case key.Signing:
		material, err := newSigningKey(m.SigningAlgorithm)
		return m.SigningAlgorithm, material, err
	case key.Encryption:
		return "A256GCM", newSecret(), nil
	case key.BlindIndex:
		return "HS256", newSecret(), nil
	}
	return "", key.Material{}, fmt.Errorf("new key: no purpose %q", p)
}

func newSecret() key.Material {
	b := make([]byte, 32)
	rand.Read(b)
	return key.NewMaterial(b)
}

func newSigningKey(algorithm string) (key.Material, error) {
	var private any
	var err error
	switch algorithm {
	case es256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case edDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no algorithm %q", algorithm)
	}
	if err != nil {
		return key.Material{}, fmt.Errorf("new signing key: %w", err)
	}
	material, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return key.Material{}, fmt.Errorf("new signing key: %w", err)
	}
	return key.NewMaterial(material), nil
}
