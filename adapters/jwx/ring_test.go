package jwx_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gatehouse/adapters/jwx"
	"gatehouse/domain/key"
)

func pkcs8(t *testing.T, private any, err error) key.Material {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key.NewMaterial(der)
}

func TestRefusesARingThatIsNoGood(t *testing.T) {
	good := newKey(t, "ES256", "k1", key.Current)
	with := func(fn func(*key.Opened)) []key.Opened {
		k := good
		fn(&k)
		return []key.Opened{k}
	}
	material := func(m key.Material) []key.Opened { return with(func(k *key.Opened) { k.Material = m }) }
	p384, err384 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	x25519, errX := ecdh.X25519().GenerateKey(rand.Reader)
	_, ed, errEd := ed25519.GenerateKey(rand.Reader)
	p256, err256 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	sec1, err := x509.MarshalECPrivateKey(p256)
	if err != nil || err256 != nil {
		t.Fatal(err, err256)
	}
	public, err := x509.MarshalPKIXPublicKey(p256.Public())
	if err != nil {
		t.Fatal(err)
	}
	for why, keys := range map[string][]key.Opened{
		"no key":                 nil,
		"no current key":         {newKey(t, "ES256", "k1", key.Retired), newKey(t, "ES256", "k2", key.Next)},
		"two current keys":       {good, newKey(t, "ES256", "k2", key.Current)},
		"one id twice":           {good, newKey(t, "ES256", "k1", key.Retired)},
		"a key without id":       with(func(k *key.Opened) { k.ID = "" }),
		"a path as id":           with(func(k *key.Opened) { k.ID = "../k1" }),
		"a URL as id":            with(func(k *key.Opened) { k.ID = "https://k1" }),
		"a line break in id":     with(func(k *key.Opened) { k.ID = "k1\n" }),
		"a long id":              with(func(k *key.Opened) { k.ID = strings.Repeat("k", 65) }),
		"no algorithm":           with(func(k *key.Opened) { k.Algorithm = "" }),
		"HS256":                  with(func(k *key.Opened) { k.Algorithm = "HS256" }),
		"none":                   with(func(k *key.Opened) { k.Algorithm = "none" }),
		"EdDSA with EC":          with(func(k *key.Opened) { k.Algorithm = "EdDSA" }),
		"es256":                  with(func(k *key.Opened) { k.Algorithm = "es256" }),
		"no purpose":             with(func(k *key.Opened) { k.Purpose = "" }),
		"another purpose":        with(func(k *key.Opened) { k.Purpose = key.Encryption }),
		"no state":               with(func(k *key.Opened) { k.State = "" }),
		"a killed key":           {good, {Key: key.Key{ID: "k2", Purpose: key.Signing, Algorithm: "ES256", State: "killed"}, Material: good.Material}},
		"ES256 with Ed25519":     material(pkcs8(t, ed, errEd)),
		"ES256 with P-384":       material(pkcs8(t, p384, err384)),
		"ES256 with RSA":         material(pkcs8(t, rsaKey, errRSA)),
		"ES256 with X25519":      material(pkcs8(t, x25519, errX)),
		"a symmetric key":        material(key.NewMaterial([]byte("0123456789abcdef0123456789abcdef"))),
		"SEC 1":                  material(key.NewMaterial(sec1)),
		"a public key":           material(key.NewMaterial(public)),
		"a cut key":              material(key.NewMaterial(good.Material.Bytes()[:len(good.Material.Bytes())-1])),
		"no material":            material(key.Material{}),
		"no algorithm for P-384": with(func(k *key.Opened) { k.Algorithm, k.Material = "", pkcs8(t, p384, err384) }),
	} {
		a, err := jwx.New(jwx.Config{Issuer: issuer, Audience: audience, Keys: keys})
		if a != nil || err == nil {
			t.Errorf("New with %s = %v", why, err)
			continue
		}
		for _, k := range keys {
			text := string(k.Material.Bytes())
			if len(text) > 8 && (strings.Contains(err.Error(), text[:8]) ||
				strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(k.Material.Bytes()[:6]))) {
				t.Errorf("New with %s tells the key", why)
			}
		}
	}
}

func TestNeedsAnIssuerAndAnAudience(t *testing.T) {
	keys := []key.Opened{newKey(t, "ES256", "k1", key.Current)}
	for _, c := range []jwx.Config{{Audience: audience, Keys: keys}, {Issuer: issuer, Keys: keys}} {
		if a, err := jwx.New(c); a != nil || err == nil {
			t.Errorf("New for %q and %q = %v", c.Issuer, c.Audience, err)
		}
	}
}

func TestMakesNoKeyForAnotherAlgorithm(t *testing.T) {
	for _, algorithm := range []string{"", "HS256", "RS256", "none", "es256"} {
		if _, m, err := (jwx.KeyMaker{SigningAlgorithm: algorithm}).NewKey(key.Signing); err == nil || m.Bytes() != nil {
			t.Errorf("NewKey for %q = %d bytes, %v", algorithm, len(m.Bytes()), err)
		}
	}
}

// What the library would do with a claim, a key or an encrypted token can hurt
// nobody who does not call it.
func TestUsesNothingOfTheLibraryButSignatures(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	const library = "github.com/lestrrat-go/jwx/v2/"
	for _, name := range files {
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if part, ok := strings.CutPrefix(path, library); ok && part != "jws" && part != "jwa" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
