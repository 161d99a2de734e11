package jwx_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/jwx"
	"gatehouse/domain/key"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

const (
	issuer   = "https://id.example.com"
	audience = "https://api.example.com"
)

var (
	algorithms = []string{"ES256", "EdDSA"}
	issued     = time.Date(2028, 2, 29, 23, 59, 59, 0, time.UTC)
)

func open(t testing.TB, issuer, audience string, keys ...key.Opened) *jwx.Tokens {
	t.Helper()
	a, err := jwx.New(jwx.Config{Issuer: issuer, Audience: audience, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB, algorithm, id string, s key.State) key.Opened {
	t.Helper()
	got, material, err := jwx.KeyMaker{SigningAlgorithm: algorithm}.NewKey(key.Signing)
	if err != nil || got != algorithm {
		t.Fatalf("NewKey = %q, %v", got, err)
	}
	return key.Opened{Key: key.Key{ID: id, Purpose: key.Signing, Algorithm: algorithm, State: s}, Material: material}
}

func claims() token.Claims {
	return token.Claims{
		ID: "0191f0c4-7c00-7000-8000-0000000000aa", Subject: "0191f0c4-7c00-7000-8000-0000000000bb",
		Session: "0191f0c4-7c00-7000-8000-0000000000cc", IssuedAt: issued, ExpiresAt: issued.Add(15 * time.Minute),
		AMR: []string{"pwd"}, Roles: []string{"USER"}, Groups: []string{}, ACR: "aal1", AuthTime: issued, Gen: 7,
	}
}

func TestTokens(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			outboundtest.Tokens(t, outboundtest.TokenMaker{
				Keys: jwx.KeyMaker{SigningAlgorithm: algorithm},
				Open: func(t *testing.T, issuer, audience string, keys ...key.Opened) outboundtest.TokenAdapter {
					return open(t, issuer, audience, keys...)
				},
			})
		})
	}
}

func TestRingMayMixAlgorithms(t *testing.T) {
	old, young := newKey(t, "ES256", "k1", key.Current), newKey(t, "EdDSA", "k2", key.Next)
	before := open(t, issuer, audience, old, young)
	s, err := before.Mint(token.Access, claims())
	if err != nil {
		t.Fatal(err)
	}
	old.State, young.State = key.Retired, key.Current
	after := open(t, issuer, audience, old, young)
	if _, err := after.Verify(s, token.Access, issued); err != nil {
		t.Errorf("a token of the retired algorithm: %v", err)
	}
}

// The bytes of a token are read by programs we do not know.
func TestTokensSayExactlyThis(t *testing.T) {
	base := `"exp":1835482499,"iat":1835481599,"iss":"https://id.example.com",` +
		`"jti":"0191f0c4-7c00-7000-8000-0000000000aa","nbf":1835481599`
	ids := `"sid":"0191f0c4-7c00-7000-8000-0000000000cc","sub":"0191f0c4-7c00-7000-8000-0000000000bb"`
	a := open(t, issuer, audience, newKey(t, "ES256", "k-1", key.Current))
	for k, want := range map[token.Kind]string{
		token.Access: `{"acr":"aal1","amr":["pwd"],"aud":"https://api.example.com","auth_time":1835481599,` +
			strings.Replace(base, `"iat"`, `"gen":7,"groups":[],"iat"`, 1) + `,"roles":["USER"],` + ids + `}`,
		token.Refresh: `{"aud":"https://id.example.com",` + base + `,` + ids + `}`,
		token.StepUp:  `{"acr":"aal1","amr":["pwd"],"aud":"https://id.example.com","auth_time":1835481599,` + base + `,` + ids + `}`,
	} {
		s, err := a.Mint(k, claims())
		if err != nil {
			t.Fatal(err)
		}
		header, payload, _ := decoded(t, s.Reveal())
		if want := fmt.Sprintf(`{"alg":"ES256","kid":"k-1","typ":%q}`, k); string(header) != want {
			t.Errorf("header of %s:\n got %s\nwant %s", k, header, want)
		}
		if string(payload) != want {
			t.Errorf("payload of %s:\n got %s\nwant %s", k, payload, want)
		}
	}
}

func decoded(t testing.TB, s string) (header, payload, signature []byte) {
	t.Helper()
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	return unbase64(t, parts[0]), unbase64(t, parts[1]), unbase64(t, parts[2])
}

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Another program with nothing but the key set and RFC 7515 must come to the
// same verdict.
func TestStrangersCanVerifyWithThePublishedKey(t *testing.T) {
	for _, algorithm := range algorithms {
		a := open(t, issuer, audience, newKey(t, algorithm, "k1", key.Current))
		public := a.PublicKeys()[0]
		for range 20 {
			s, err := a.Mint(token.Access, claims())
			if err != nil {
				t.Fatal(err)
			}
			text := s.Reveal()
			_, _, signature := decoded(t, text)
			if !standard(t, public, text[:strings.LastIndexByte(text, '.')], signature) {
				t.Errorf("%s: the standard library does not verify it", algorithm)
			}
		}
	}
}

// standard verifies with the standard library alone.
func standard(t *testing.T, p token.PublicKey, signed string, signature []byte) bool {
	t.Helper()
	x := unbase64(t, p.X)
	if p.Type == "OKP" && p.Curve == "Ed25519" && p.Y == "" {
		return ed25519.Verify(x, []byte(signed), signature)
	}
	y := unbase64(t, p.Y)
	if p.Type != "EC" || p.Curve != "P-256" || len(x) != 32 || len(y) != 32 {
		t.Fatalf("published: %+v", p)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(signed))
	return ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

func TestKeySetHoldsNoPrivatePart(t *testing.T) {
	for _, algorithm := range algorithms {
		k := newKey(t, algorithm, "k1", key.Current)
		published, err := json.Marshal(open(t, issuer, audience, k).PublicKeys())
		if err != nil {
			t.Fatal(err)
		}
		var private []byte
		parsed, err := x509.ParsePKCS8PrivateKey(k.Material.Bytes())
		switch p := parsed.(type) {
		case *ecdsa.PrivateKey:
			private, err = p.Bytes()
		case ed25519.PrivateKey:
			private = p.Seed()
		}
		if err != nil || len(private) != 32 {
			t.Fatalf("%d bytes, %v", len(private), err)
		}
		if strings.Contains(string(published), base64.RawURLEncoding.EncodeToString(private)) || strings.Contains(string(published), `"d"`) {
			t.Errorf("%s: the key set gives the private key away", algorithm)
		}
	}
}

func TestTokensOfTheFirstReleaseStillVerify(t *testing.T) {
	for _, g := range golden {
		a := goldenTokens(t, g)
		if _, err := a.Verify(secret.New(g.token), token.Access, issued); err != nil {
			t.Errorf("%s: %v", g.algorithm, err)
		}
	}
}

func goldenTokens(t testing.TB, g goldenToken) *jwx.Tokens {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(g.pkcs8)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, issuer, audience, key.Opened{
		Key:      key.Key{ID: "k1", Purpose: key.Signing, Algorithm: g.algorithm, State: key.Current},
		Material: key.NewMaterial(der),
	})
}

// The seeds are constants, because each process of a fuzzer makes its own.
func FuzzVerify(f *testing.F) {
	tokens := make([]*jwx.Tokens, len(golden))
	for i, g := range golden {
		tokens[i] = goldenTokens(f, g)
		f.Add(g.token, string(token.Access))
		f.Add(g.token+"=", string(token.Access))
		f.Add(g.token, string(token.Refresh))
	}
	f.Add("..", "")
	f.Fuzz(func(t *testing.T, text, kind string) {
		for i, g := range golden {
			c, err := tokens[i].Verify(secret.New(text), token.Kind(kind), issued)
			genuine := text == g.token && kind == string(token.Access)
			if genuine && (err != nil || c.Gen != 7) || !genuine && (!errors.Is(err, outbound.ErrTokenInvalid) || c.ID != "") {
				t.Errorf("%s: Verify(%q, %q) = %+v, %v", g.algorithm, text, kind, c, err)
			}
		}
	})
}

func BenchmarkTokens(b *testing.B) {
	for _, algorithm := range algorithms {
		k := newKey(b, algorithm, "k1", key.Current)
		a := open(b, issuer, audience, k)
		s, err := a.Mint(token.Access, claims())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(algorithm+"/mint", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Mint(token.Access, claims()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(algorithm+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() { // too old, so that it is never remembered
				if _, err := a.Verify(s, token.Access, issued.Add(time.Hour)); !errors.Is(err, outbound.ErrTokenExpired) {
					b.Fatal(err)
				}
			}
		})
		b.Run(algorithm+"/verify again", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Verify(s, token.Access, issued); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
