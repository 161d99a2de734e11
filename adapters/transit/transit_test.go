package transit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/transit"
	"gatehouse/adapters/transit/transittest"
	"gatehouse/domain/key"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

const token = transittest.Token

var (
	aKey     = key.Key{ID: "k1", Purpose: key.Signing, Algorithm: "ES256", State: key.Current}
	material = key.NewMaterial([]byte("canary material of 32 bytes long"))
)

func given(token string) func() (secret.Text, error) {
	return func() (secret.Text, error) { return secret.New(token), nil }
}

func open(t testing.TB, url string) *transit.Wrapper {
	t.Helper()
	w, err := transit.New(transit.Config{URL: url, Token: given(token), Namespace: "team", Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func wrapped(t testing.TB, w *transit.Wrapper) key.Wrapped {
	t.Helper()
	k, err := w.Wrap(t.Context(), aKey, material)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyWrapper(t *testing.T) {
	outboundtest.KeyWrapper(t, func(t *testing.T) outbound.KeyWrapper {
		f := transittest.Start(t)
		name := "k" + strings.ToLower(rand.Text())
		f.Add(name, "aes256-gcm96")
		return open(t, f.URL+"/transit/keys/"+name)
	})
}

func TestCheckAcceptsKeysThatBindAndNoOthers(t *testing.T) {
	f := transittest.Start(t)
	for kind, fit := range map[string]bool{
		"aes256-gcm96": true, "aes128-gcm96": true, "chacha20-poly1305": true, "rsa-4096": false, "ed25519": false, "hmac": false,
	} {
		f.Add(kind, kind)
		if err := open(t, f.URL+"/transit/keys/"+kind).Check(t.Context()); fit != (err == nil) || !fit && !errors.Is(err, transit.ErrUnfit) {
			t.Errorf("Check of a key of type %s = %v", kind, err)
		}
	}
	f.Ignore()
	if err := open(t, f.URL+"/transit/keys/aes256-gcm96").Check(t.Context()); !errors.Is(err, transit.ErrUnfit) {
		t.Errorf("Check of a server that ignores associated data = %v", err)
	}
	if err := open(t, f.URL+"/transit/keys/nothing").Check(t.Context()); !errors.Is(err, transit.ErrUnknownKey) {
		t.Errorf("Check of a key that is not there = %v", err)
	}
}

func TestANewVersionOfTheKeyTakesOver(t *testing.T) {
	f := transittest.Start(t)
	f.Add("k", "aes256-gcm96")
	w := open(t, f.URL+"/transit/keys/k")
	old := wrapped(t, w)
	f.Rotate("k")
	if _, err := w.Unwrap(t.Context(), old); err != nil {
		t.Errorf("Unwrap of the version before = %v", err)
	}
	anew, err := w.Rewrap(t.Context(), old)
	if err != nil || !bytes.HasPrefix(anew.Material, []byte("vault:v2:")) || anew.Key != old.Key || anew.WrapperID != old.WrapperID {
		t.Fatalf("Rewrap = %+v, %v", anew, err)
	}
	f.ForbidBefore("k", 2)
	if m, err := w.Unwrap(t.Context(), anew); err != nil || !bytes.Equal(m.Bytes(), material.Bytes()) {
		t.Errorf("Unwrap of what was rewrapped = %v", err)
	}
	if _, err := w.Unwrap(t.Context(), old); !errors.Is(err, transit.ErrRefused) {
		t.Errorf("Unwrap of a version below min_decryption_version = %v", err)
	}
	if _, err := w.Rewrap(t.Context(), old); !errors.Is(err, transit.ErrRefused) {
		t.Errorf("Rewrap of such a version = %v", err)
	}
}

// Whatever happens at the key service has a name, and nobody's secrets in it
// (F68).
func TestFailuresHaveANameAndNoSecrets(t *testing.T) {
	leak := token + " canary material " + "Y2FuYXJ5IG1hdGVyaWFs"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"sealed":                    {status(503, leak), transit.ErrUnavailable},
		"a standby":                 {status(429, leak), transit.ErrUnavailable},
		"a secondary":               {status(473, leak), transit.ErrUnavailable},
		"broken":                    {status(500, leak), transit.ErrUnavailable},
		"a gateway":                 {status(502, "<html>"+leak), transit.ErrUnavailable},
		"forbidden":                 {status(403, leak), transit.ErrForbidden},
		"no such key":               {status(404, leak), transit.ErrUnknownKey},
		"refused":                   {status(400, leak), transit.ErrRefused},
		"an unknown status":         {status(418, leak), transit.ErrMalformed},
		"no content":                {status(204, ""), transit.ErrMalformed},
		"a page":                    {status(200, "<html>"+leak), transit.ErrMalformed},
		"nothing":                   {status(200, ""), transit.ErrMalformed},
		"no data":                   {status(200, `{}`), transit.ErrMalformed},
		"data of another kind":      {status(200, `{"data":[1]}`), transit.ErrMalformed},
		"an endless answer":         {status(200, `{"data":{"x":"`+strings.Repeat("a", 64<<10)+`"}}`), transit.ErrMalformed},
		"a ciphertext that is none": {status(200, `{"data":{"ciphertext":"`+leak+`","plaintext":"*","type":"aes256-gcm96"}}`), transit.ErrMalformed},
		"a redirect": {func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
			http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, transit.ErrUnavailable},
		"a hang-up": {func(rw http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler)
		}, transit.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(c.answer)
			defer s.Close()
			w := open(t, s.URL+"/transit/keys/k")
			k := key.Wrapped{Key: aKey, Material: []byte("vault:v1:AAAA"), WrapperID: "transit:team/transit/k"}
			_, wrap := w.Wrap(t.Context(), aKey, material)
			m, unwrap := w.Unwrap(t.Context(), k)
			_, rewrap := w.Rewrap(t.Context(), k)
			check := w.Check(t.Context())
			if m.Bytes() != nil {
				t.Error("a key came with a failure")
			}
			for call, err := range map[string]error{"Wrap": wrap, "Unwrap": unwrap, "Rewrap": rewrap, "Check": check} {
				if err == nil || !errors.Is(err, c.want) {
					t.Errorf("%s = %v, want %v", call, err, c.want)
				}
				for _, canary := range []string{token, "canary", "Y2FuYXJ5"} {
					if err != nil && strings.Contains(err.Error(), canary) {
						t.Errorf("%s = %v, which tells a secret", call, err)
					}
				}
			}
		})
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(code)
		_, _ = rw.Write([]byte(body))
	}
}

func TestASlowServerIsNotWaitedForForEver(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(release)
	w, err := transit.New(transit.Config{URL: s.URL + "/transit/keys/k", Token: given(token), Patience: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Wrap(t.Context(), aKey, material); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("Wrap = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, s.URL+"/transit/keys/k").Wrap(ctx, aKey, material); !errors.Is(err, context.Canceled) {
		t.Errorf("Wrap for nobody = %v", err)
	}
}

func TestAServerThatIsAwayFailsAndComesBack(t *testing.T) {
	f := transittest.Start(t)
	f.Add("k", "aes256-gcm96")
	w := open(t, f.URL+"/transit/keys/k")
	k := wrapped(t, w)
	f.Seal(true)
	if _, err := w.Unwrap(t.Context(), k); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("Unwrap while sealed = %v", err)
	}
	f.Seal(false)
	if m, err := w.Unwrap(t.Context(), k); err != nil || !bytes.Equal(m.Bytes(), material.Bytes()) {
		t.Errorf("Unwrap afterwards = %v", err)
	}
}

func TestAWrongTokenOrNamespaceIsForbidden(t *testing.T) {
	f := transittest.Start(t)
	f.Add("k", "aes256-gcm96")
	for _, c := range []transit.Config{
		{Token: given("other"), Namespace: "team"}, {Token: given(token)}, {Token: given(token), Namespace: "other"},
	} {
		c.URL = f.URL + "/transit/keys/k"
		w, err := transit.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Check(t.Context()); !errors.Is(err, transit.ErrForbidden) {
			t.Errorf("Check = %v", err)
		}
	}
}

// A token that is renewed is used, and one that cannot be had fails the call.
func TestTheTokenIsAskedForBeforeEveryCall(t *testing.T) {
	f := transittest.Start(t)
	f.Add("k", "aes256-gcm96")
	now, failed := "expired", error(nil)
	w, err := transit.New(transit.Config{
		URL: f.URL + "/transit/keys/k", Namespace: "team",
		Token: func() (secret.Text, error) { return secret.New(now), failed },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Check(t.Context()); !errors.Is(err, transit.ErrForbidden) {
		t.Errorf("Check with a token that is over = %v", err)
	}
	now = token
	if err := w.Check(t.Context()); err != nil {
		t.Errorf("Check with the next one = %v", err)
	}
	failed = fs.ErrNotExist
	if err := w.Check(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Check without one = %v", err)
	}
}

func TestRefusesPlacesThatAreNone(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://vault.example.com:8200/transit/keys/gatehouse":         true,
		"https://vault.example.com/a/b/transit/keys/gatehouse":          true,
		"http://127.0.0.1:8200/transit/keys/gatehouse":                  true,
		"http://[::1]:8200/transit/keys/gatehouse":                      true,
		"http://localhost:8200/transit/keys/gatehouse":                  true,
		"http://vault.example.com:8200/transit/keys/gatehouse":          false,
		"http://localhost.example.com/transit/keys/gatehouse":           false,
		"ftp://127.0.0.1/transit/keys/gatehouse":                        false,
		"https://user:canary@vault.example.com/transit/keys/gatehouse":  false,
		"https://vault.example.com/transit/keys/gatehouse?token=canary": false,
		"https://vault.example.com/transit/keys/gatehouse#canary":       false,
		"https://vault.example.com/transit/encrypt/gatehouse":           false,
		"https://vault.example.com/keys/gatehouse":                      false,
		"https://vault.example.com/transit/keys/":                       false,
		"https://vault.example.com/transit/../keys/gatehouse":           false,
		"https://vault.example.com/transit/keys/a%2Fb":                  false,
		"https:///transit/keys/gatehouse":                               false,
		"":                                                              false,
	} {
		_, err := transit.New(transit.Config{URL: url, Token: given(token)})
		if ok != (err == nil) || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("New(%q) = %v", url, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	f := transittest.Start(t)
	f.Add("k", "aes256-gcm96")
	w := open(t, f.URL+"/transit/keys/k")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			k, err := w.Wrap(t.Context(), aKey, material)
			if err != nil {
				t.Error(err)
				return
			}
			if m, err := w.Unwrap(t.Context(), k); err != nil || !bytes.Equal(m.Bytes(), material.Bytes()) {
				t.Errorf("Unwrap = %v", err)
			}
		})
	}
	all.Wait()
}

// What a server may say of itself and of a ciphertext.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"data":null}`, `{"data":{"plaintext":"QQ==","ciphertext":"vault:v1:AAAA","type":"aes256-gcm96","latest_version":1}}`,
		`{"data":{"plaintext":1}}`, `{"data":{"ciphertext":"vault:v01:AAAA"}}`, `[`, "\x00",
	} {
		f.Add(s)
	}
	var answer string
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(answer)) }))
	f.Cleanup(s.Close)
	w := open(f, s.URL+"/transit/keys/k")
	f.Fuzz(func(t *testing.T, text string) {
		answer = text
		k, err := w.Wrap(t.Context(), aKey, material)
		if (err == nil) != (len(k.Material) > 0) || err == nil && !strings.HasPrefix(string(k.Material), "vault:v") {
			t.Errorf("Wrap = %q, %v", k.Material, err)
		}
		m, err := w.Unwrap(t.Context(), key.Wrapped{Key: aKey, Material: []byte("vault:v1:AAAA"), WrapperID: "transit:team/transit/k"})
		if (err == nil) != (len(m.Bytes()) > 0) {
			t.Errorf("Unwrap = %d bytes, %v", len(m.Bytes()), err)
		}
	})
}
