package jwx_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"gatehouse/adapters/jwx"
	"gatehouse/domain/key"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// forger knows our own key, which is what makes its tokens hard to refuse.
type forger struct {
	*testing.T
	private   crypto.Signer
	algorithm string
	tokens    *jwx.Tokens
}

func newForger(t *testing.T, algorithm string) forger {
	k := newKey(t, algorithm, "k1", key.Current)
	f := forger{T: t, algorithm: algorithm, tokens: open(t, issuer, audience, k, newKey(t, "ES256", "k2", key.Retired))}
	parsed, err := x509.ParsePKCS8PrivateKey(k.Material.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	f.private, _ = parsed.(crypto.Signer)
	return f
}

func (f forger) header() string {
	return fmt.Sprintf(`{"alg":%q,"kid":"k1","typ":"at+jwt"}`, f.algorithm)
}

const payload = `{"iss":"https://id.example.com","aud":"https://api.example.com","iat":1835481599,"nbf":1835481599,` +
	`"exp":1835482499,"jti":"0191f0c4-7c00-7000-8000-0000000000aa","sub":"0191f0c4-7c00-7000-8000-0000000000bb",` +
	`"sid":"0191f0c4-7c00-7000-8000-0000000000cc","roles":["USER"],"groups":["crew"],"amr":["pwd"],"acr":"aal1",` +
	`"auth_time":1835481599,"gen":7}`

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func join(header, payload string, signature []byte) string {
	return signed(header, payload) + "." + encode(signature)
}

func signed(header, payload string) string {
	return encode([]byte(header)) + "." + encode([]byte(payload))
}

// sign signs text with our own key, as [jwx.Tokens.Mint] would.
func (f forger) sign(text string) []byte {
	f.Helper()
	if ed, ok := f.private.(ed25519.PrivateKey); ok {
		return ed25519.Sign(ed, []byte(text))
	}
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, f.private.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		f.Fatal(err)
	}
	if n := elliptic.P256().Params().N; s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		s.Sub(n, s)
	}
	return concat(r, s)
}

func concat(r, s *big.Int) []byte {
	b := make([]byte, 64)
	r.FillBytes(b[:32])
	s.FillBytes(b[32:])
	return b
}

func (f forger) forge(header, payload string) string {
	f.Helper()
	return join(header, payload, f.sign(signed(header, payload)))
}

func (f forger) refuses(name, text string) {
	f.Helper()
	for _, k := range append(token.Kinds(), "", "JWT") {
		if c, err := f.tokens.Verify(secret.New(text), k, issued); !errors.Is(err, outbound.ErrTokenInvalid) || c.ID != "" {
			f.Errorf("%s: Verify as %q = %+v, %v, want ErrTokenInvalid alone", name, k, c, err)
		}
	}
}

func (f forger) accepts(name, text string) {
	f.Helper()
	if c, err := f.tokens.Verify(secret.New(text), token.Access, issued); err != nil || c.Gen != 7 {
		f.Errorf("%s: Verify = %+v, %v", name, c, err)
	}
}

func forgers(t *testing.T, fn func(f forger)) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) { fn(newForger(t, algorithm)) })
	}
}

// Without this, what follows could be refused for a mistake of the forger's.
func TestForgerIsGoodAtIt(t *testing.T) {
	forgers(t, func(f forger) {
		f.accepts("an ordinary token", f.forge(f.header(), payload))
		f.accepts("a list of one audience", f.forge(f.header(),
			strings.Replace(payload, `"https://api.example.com"`, `["https://api.example.com"]`, 1)))
		f.accepts("a claim of tomorrow", f.forge(f.header(), strings.Replace(payload, "{", `{"scope":"a","more":["b"],"n":null,`, 1)))
	})
}

func TestRefusesHostileHeadersThatWeSigned(t *testing.T) {
	forgers(t, func(f forger) {
		good := f.header()
		change := func(part, by string) string {
			f.Helper()
			if !strings.Contains(good, part) {
				f.Fatalf("no %s in %s", part, good)
			}
			return strings.Replace(good, part, by, 1)
		}
		alg := `"alg":"` + f.algorithm + `"`
		for name, header := range map[string]string{
			"alg none": change(alg, `"alg":"none"`), "alg None": change(alg, `"alg":"None"`),
			"alg NONE": change(alg, `"alg":"NONE"`), "no alg": change(alg+",", ``), "empty alg": change(alg, `"alg":""`),
			"alg null": change(alg, `"alg":null`), "alg in a list": change(alg, `"alg":["`+f.algorithm+`"]`),
			"alg HS256": change(alg, `"alg":"HS256"`), "alg ES384": change(alg, `"alg":"ES384"`),
			"alg RS256": change(alg, `"alg":"RS256"`), "alg in lower case": change(alg, strings.ToLower(alg)),
			"alg with a blank": change(alg, `"alg":"`+f.algorithm+` "`), "ALG": change(`"alg"`, `"ALG"`),
			"alg twice": change(alg, alg+","+alg), "alg none first": change(alg, `"alg":"none",`+alg),
			"alg none last": change(`{`, `{`+alg+`,`), "alg twice, once escaped": change(alg, `"\u0061lg":"none",`+alg),
			"kid of another key": change(`"k1"`, `"k2"`), "unknown kid": change(`"k1"`, `"k3"`), "no kid": change(`"kid":"k1",`, ``),
			"empty kid": change(`"k1"`, `""`), "kid a number": change(`"k1"`, `1`), "kid in a list": change(`"k1"`, `["k1"]`),
			"kid a path": change(`"k1"`, `"../../../../dev/null"`), "kid in SQL": change(`"k1"`, `"k1' OR '1'='1"`),
			"kid a URL": change(`"k1"`, `"https://evil.example/key.json"`), "kid with NUL": change(`"k1"`, `"k1\u0000"`),
			"kid in upper case": change(`"k1"`, `"K1"`), "kid of a megabyte": change(`"k1"`, `"`+strings.Repeat("k", 1<<20)+`"`),
			"kid twice": change(`"kid":"k1"`, `"kid":"k1","kid":"k1"`),
			"no typ":    change(`,"typ":"at+jwt"`, ``), "typ JWT": change(`at+jwt`, `JWT`), "typ in upper case": change(`at+jwt`, `AT+JWT`),
			"typ a media type": change(`at+jwt`, `application/at+jwt`), "typ of an ID token": change(`"at+jwt"`, `""`),
			"typ twice": change(`"typ":`, `"typ":"rt+jwt","typ":`),
			"jwk":       change(`}`, `,"jwk":{"kty":"oct","k":"AAAA"}}`), "jku": change(`}`, `,"jku":"https://evil.example/jwks"}`),
			"x5u": change(`}`, `,"x5u":"https://evil.example/cert"}`), "x5c": change(`}`, `,"x5c":["MIIB"]}`),
			"x5t": change(`}`, `,"x5t":"AAAA"}`), "x5t#S256": change(`}`, `,"x5t#S256":"AAAA"}`),
			"crit": change(`}`, `,"crit":["exp"]}`), "crit unknown": change(`}`, `,"crit":["none"],"none":1}`),
			"b64 false": change(`}`, `,"b64":false,"crit":["b64"]}`), "b64 true": change(`}`, `,"b64":true}`),
			"cty": change(`}`, `,"cty":"JWT"}`), "zip": change(`}`, `,"zip":"DEF"}`), "enc": change(`}`, `,"enc":"A128GCM"}`),
			"a member more": change(`}`, `,"x":"y"}`), "an empty member": change(`}`, `,"":""}`),
			"a comma more": change(`}`, `,}`), "two documents": good + good, "text behind": good + " x",
			"a list": "[" + good + "]", "a string": `"` + f.algorithm + `"`, "null": "null", "nothing much": "{}", "no JSON": "alg",
			"a mark in front": "\ufeff" + good, "invalid UTF-8": change(`"k1"`, "\"k1\xff\""), "a comment": change(`{`, `{/**/`),
			"depth": change(`}`, `,"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`),
		} {
			if header != good {
				f.refuses(name, f.forge(header, payload))
			}
		}
	})
}

func TestRefusesHostileClaimsThatWeSigned(t *testing.T) {
	forgers(t, func(f forger) {
		change := func(part, by string) string {
			f.Helper()
			if !strings.Contains(payload, part) {
				f.Fatalf("no %s in %s", part, payload)
			}
			return strings.Replace(payload, part, by, 1)
		}
		for name, payload := range map[string]string{
			"wrong iss": change(`"iss":"https://id`, `"iss":"https://evil`), "iss that goes on": change(`.com","aud"`, `.com.evil","aud"`),
			"iss in a list": change(`"https://id.example.com"`, `["https://id.example.com"]`), "iss of http": change(`https://id`, `http://id`),
			"wrong aud": change(`https://api`, `https://evil`), "iss as aud": change(`https://api`, `https://id`),
			"two in aud":          change(`"https://api.example.com"`, `["https://api.example.com","https://evil.example"]`),
			"one in aud, twice":   change(`"https://api.example.com"`, `["https://api.example.com","https://api.example.com"]`),
			"none in aud":         change(`"https://api.example.com"`, `[]`),
			"aud in an object":    change(`"https://api.example.com"`, `{"https://api.example.com":1}`),
			"aud in two lists":    change(`"https://api.example.com"`, `[["https://api.example.com"]]`),
			"aud null":            change(`"https://api.example.com"`, `null`),
			"exp a string":        change(`"exp":1835482499`, `"exp":"1835482499"`),
			"exp a date":          change(`"exp":1835482499`, `"exp":"2099-01-01T00:00:00Z"`),
			"exp a fraction":      change(`1835482499`, `1835482499.5`),
			"exp a round one":     change(`1835482499`, `1835482499.0`),
			"exp with exponent":   change(`1835482499`, `2e9`),
			"exp negative":        change(`1835482499`, `-1`),
			"exp null":            change(`1835482499`, `null`),
			"exp true":            change(`1835482499`, `true`),
			"exp in a list":       change(`1835482499`, `[1835482499]`),
			"exp beyond all":      change(`1835482499`, `9999999999999`),
			"exp beyond int64":    change(`1835482499`, `99999999999999999999`),
			"exp twice":           change(`"exp":1835482499`, `"exp":1,"exp":1835482499`),
			"exp twice, escaped":  change(`"exp":1835482499`, `"exp":1835482499,"\u0065xp":1`),
			"EXP":                 change(`"exp"`, `"EXP"`),
			"nbf a string":        change(`"nbf":1835481599`, `"nbf":"1835481599"`),
			"nbf half a minute +": change(`"nbf":1835481599`, `"nbf":1835481630`),
			"iat a string":        change(`"iat":1835481599`, `"iat":"0"`),
			"jti empty":           change(`0191f0c4-7c00-7000-8000-0000000000aa`, ``),
			"jti no UUID":         change(`0191f0c4-7c00-7000-8000-0000000000aa`, `1`),
			"jti a number":        change(`"0191f0c4-7c00-7000-8000-0000000000aa"`, `1`),
			"jti in upper case":   change(`0191f0c4-7c00-7000-8000-0000000000aa`, `0191F0C4-7C00-7000-8000-0000000000AA`),
			"jti a URN":           change(`"0191f0c4-7c00-7000-8000-0000000000aa`, `"urn:uuid:0191f0c4-7c00-7000-8000-0000000000aa`),
			"jti too long":        change(`0000000000aa`, `0000000000aa0`),
			"jti without hyphens": change(`0191f0c4-7c00-7000-8000-0000000000aa`, `0191f0c47c00700080000000000000aa0000`),
			"sub in SQL":          change(`0191f0c4-7c00-7000-8000-0000000000bb`, `' OR 1=1 --`),
			"sub twice":           change(`"sub":`, `"sub":"0191f0c4-7c00-7000-8000-0000000000aa","sub":`),
			"sid no UUID":         change(`0191f0c4-7c00-7000-8000-0000000000cc`, `../cc`),
			"roles a string":      change(`["USER"]`, `"USER"`),
			"roles null":          change(`["USER"]`, `null`),
			"roles of null":       change(`["USER"]`, `[null]`),
			"roles of numbers":    change(`["USER"]`, `[1]`),
			"roles of objects":    change(`["USER"]`, `[{"USER":1}]`),
			"roles of lists":      change(`["USER"]`, `[["USER"]]`),
			"roles twice":         change(`"roles":`, `"roles":["ADMIN"],"roles":`),
			"groups an object":    change(`["crew"]`, `{}`),
			"amr a string":        change(`["pwd"]`, `"pwd"`),
			"acr a number":        change(`"aal1"`, `1`),
			"acr empty":           change(`"aal1"`, `""`),
			"auth_time a string":  change(`"auth_time":1835481599`, `"auth_time":"1"`),
			"gen a string":        change(`"gen":7`, `"gen":"7"`),
			"gen a fraction":      change(`"gen":7`, `"gen":7.5`),
			"gen negative":        change(`"gen":7`, `"gen":-7`),
			"an object":           change(`}`, `,"x":{}}`),
			"depth":               change(`}`, `,"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`),
			"a comma more":        change(`}`, `,}`),
			"two documents":       payload + payload,
			"text behind":         payload + "x",
			"a list":              "[" + payload + "]",
			"null":                "null",
			"nothing":             "{}",
			"invalid UTF-8":       change(`crew`, "cr\xffew"),
			"a mark in front":     "\ufeff" + payload,
			"no JSON":             "sub=1",
		} {
			f.refuses(name, f.forge(f.header(), payload))
		}
		f.accepts("a long claim", f.forge(f.header(), change("crew", strings.Repeat("x", 2400))))
		f.refuses("a token too long", f.forge(f.header(), change("crew", strings.Repeat("x", 2800))))
		for _, name := range []string{
			"iss", "aud", "iat", "nbf", "exp", "jti", "sub", "sid", "roles", "groups", "amr", "acr", "auth_time", "gen",
		} {
			f.refuses("no "+name, f.forge(f.header(), change(`"`+name+`"`, `"`+name+`2"`)))
		}
	})
}

func TestRefusesSecondSpellings(t *testing.T) {
	forgers(t, func(f forger) {
		s := f.forge(f.header(), payload)
		f.accepts("the first spelling", s)
		p := strings.Split(s, ".")
		alphabet := strings.NewReplacer("-", "+", "_", "/")
		longer := func(i int, text string) string {
			q := append([]string{}, p...)
			q[i] += text
			return strings.Join(q, ".")
		}
		flattened, err := json.Marshal(map[string]string{"protected": p[0], "payload": p[1], "signature": p[2]})
		if err != nil {
			f.Fatal(err)
		}
		general := fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2])
		for name, text := range map[string]string{
			"one part": p[0], "two parts": p[0] + "." + p[1], "two parts and a dot": p[0] + "." + p[1] + ".",
			"four parts": s + "." + p[2], "four parts, one empty": s + ".", "five parts": s + "." + p[0] + "." + p[1],
			"a dot in front": "." + s, "no header": "." + p[1] + "." + p[2], "no payload": p[0] + ".." + p[2],
			"JSON, flattened": string(flattened), "JSON, general": general,
			"padded header": longer(0, "="), "padded payload": longer(1, "="), "padded signature": longer(2, "=="),
			"header with a line break": longer(0, "\n"), "payload with a line break": longer(1, "\r\n"),
			"signature with a line break": longer(2, "\n"), "a line break in front": "\n" + s, "a blank in front": " " + s,
			"a tab behind": s + "\t", "NUL behind": s + "\x00", "a letter more": s + "A", "a letter less": s[:len(s)-1],
			"a megabyte": s + strings.Repeat("=", 1<<20), "a megabyte of dots": strings.Repeat(".", 1<<20),
			"a megabyte of header": encode([]byte(f.header()+strings.Repeat(" ", 1<<20))) + "." + p[1] + "." + p[2],
			"with a scheme":        "Bearer " + s, "percent-encoded": strings.ReplaceAll(s, ".", "%2E"),
			"full-width dots": strings.ReplaceAll(s, ".", "\uff0e"),
		} {
			f.refuses(name, text)
		}
		if other := alphabet.Replace(s); other != s {
			f.refuses("the other alphabet", other)
		}
		const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(digits, s[len(s)-1])
		for bits := 1; bits < 16; bits++ { // 64 bytes leave four unused bits
			f.refuses("unused bits", s[:len(s)-1]+string(digits[last^bits]))
		}
	})
}

func TestRefusesForgedSignatures(t *testing.T) {
	forgers(t, func(f forger) {
		good := f.sign(signed(f.header(), payload))
		f.accepts("a good signature", join(f.header(), payload, good))
		n := elliptic.P256().Params().N
		r, s := new(big.Int).SetBytes(good[:32]), new(big.Int).SetBytes(good[32:])
		der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			f.Fatal(err)
		}
		for name, signature := range map[string][]byte{
			"empty": {}, "of zeros": make([]byte, 64), "of ones": concat(big.NewInt(1), big.NewInt(1)),
			"of the order": concat(n, n), "of nothing and the order": concat(new(big.Int), n), "in DER": der,
			"a byte short": good[:63], "a byte long": append(append([]byte{}, good...), 0),
			"r alone": append(append([]byte{}, good[:32]...), make([]byte, 32)...), "s and r": concat(s, r),
			"of another payload": f.sign(signed(f.header(), "{}")), "of the payload alone": f.sign(encode([]byte(payload))),
		} {
			f.refuses("a signature "+name, join(f.header(), payload, signature))
		}
		for _, alg := range []string{"none", "None", "NONE", ""} {
			f.refuses("none", signed(strings.Replace(f.header(), f.algorithm, alg, 1), payload)+".")
		}
		if f.algorithm == "ES256" {
			twin := join(f.header(), payload, concat(r, new(big.Int).Sub(n, s)))
			p := f.tokens.PublicKeys()[0]
			if !standard(f.T, p, signed(f.header(), payload), concat(r, new(big.Int).Sub(n, s))) {
				f.Fatal("the twin of a signature does not verify: the forger made a mistake")
			}
			f.refuses("the twin of a signature", twin)
		}
	})
}

// The public key is public: whoever takes it for a secret signs with it.
func TestRefusesThePublicKeyAsASecret(t *testing.T) {
	forgers(t, func(f forger) {
		p := f.tokens.PublicKeys()[0]
		der, err := x509.MarshalPKIXPublicKey(f.private.Public())
		if err != nil {
			f.Fatal(err)
		}
		jwk := fmt.Sprintf(`{"kty":%q,"crv":%q,"x":%q,"y":%q}`, p.Type, p.Curve, p.X, p.Y)
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		for name, secret := range map[string]string{
			"PEM": text, "PEM without its last line break": strings.TrimSuffix(text, "\n"), "DER": string(der), "JWK": jwk,
			"x": p.X, "x decoded": string(unbase64(f, p.X)), "x and y": p.X + p.Y, "kid": p.ID, "nothing": "",
		} {
			for _, alg := range []string{"HS256", "HS512", f.algorithm} {
				header := strings.Replace(f.header(), f.algorithm, alg, 1)
				short, long := hmac.New(sha256.New, []byte(secret)), hmac.New(sha512.New, []byte(secret))
				short.Write([]byte(signed(header, payload)))
				long.Write([]byte(signed(header, payload)))
				f.refuses(name+" as a secret", join(header, payload, short.Sum(nil)))
				f.refuses(name+" as a secret", join(header, payload, long.Sum(nil)))
			}
		}
	})
}

func TestRefusesTheEmbeddedKeyOfAStranger(t *testing.T) {
	forgers(t, func(f forger) {
		stranger := newForger(f.T, f.algorithm)
		p := stranger.tokens.PublicKeys()[0]
		jwk := fmt.Sprintf(`,"jwk":{"kty":%q,"crv":%q,"x":%q,"y":%q}}`, p.Type, p.Curve, p.X, p.Y)
		header := strings.Replace(f.header(), "}", jwk, 1)
		f.refuses("a stranger's key in the header", stranger.forge(header, payload))
		f.refuses("a stranger's key under our id", stranger.forge(f.header(), payload))
	})
}
