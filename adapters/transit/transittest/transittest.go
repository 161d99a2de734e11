// Package transittest has a key service for tests: the transit engine as its
// documented HTTP API has it, as far as Gatehouse uses it.
package transittest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The token and the namespace that a Server wants.
const (
	Token     = "hvs.canary-token"
	Namespace = "team"
)

// Server is a key service, mounted at transit.
type Server struct {
	*httptest.Server
	mu     sync.Mutex
	keys   map[string]*keyOf
	sealed bool
	deaf   bool
}

type keyOf struct {
	kind     string
	versions []cipher.AEAD
	least    int // min_decryption_version
}

// Start serves until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	f := &Server{keys: map[string]*keyOf{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/transit/keys/{name}", f.on(f.describe))
	mux.HandleFunc("POST /v1/transit/encrypt/{name}", f.on(f.encrypt))
	mux.HandleFunc("POST /v1/transit/decrypt/{name}", f.on(f.decrypt))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// Add makes a key of a type.
func (f *Server) Add(name, kind string) {
	f.mu.Lock()
	f.keys[name] = &keyOf{kind: kind, least: 1}
	f.mu.Unlock()
	f.Rotate(name)
}

// Rotate makes another version of a key.
func (f *Server) Rotate(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := make([]byte, 32)
	rand.Read(b)
	block, _ := aes.NewCipher(b)
	aead, _ := cipher.NewGCMWithRandomNonce(block)
	f.keys[name].versions = append(f.keys[name].versions, aead)
}

// ForbidBefore sets min_decryption_version.
func (f *Server) ForbidBefore(name string, version int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[name].least = version
}

// Ignore makes it ignore associated data, as servers did before it was there.
func (f *Server) Ignore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = true
}

// Seal makes it refuse everything, or work again.
func (f *Server) Seal(sealed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sealed = sealed
}

type refusal int

// on does what is the same for all calls: seal, token, key.
func (f *Server) on(do func(k *keyOf, in map[string]string) (any, refusal)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		k, ok := f.keys[r.PathValue("name")]
		in := map[string]string{}
		var status refusal
		var data any
		switch {
		case f.sealed:
			status = http.StatusServiceUnavailable
		case r.Header.Get("X-Vault-Token") != Token || r.Header.Get("X-Vault-Namespace") != Namespace:
			status = http.StatusForbidden
		case !ok:
			status = http.StatusNotFound
		case r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&in) != nil:
			status = http.StatusBadRequest
		default:
			data, status = do(k, in)
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(int(status))
		if status != http.StatusOK {
			_, _ = fmt.Fprintf(rw, `{"errors":["what was sent: %s"]}`, in["plaintext"])
			return
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{"request_id": "x", "data": data})
	}
}

func (*Server) describe(k *keyOf, _ map[string]string) (any, refusal) {
	return map[string]any{
		"type": k.kind, "derived": false, "latest_version": len(k.versions), "min_decryption_version": k.least,
		"keys": map[string]any{"1": 1}, "name": "k",
	}, http.StatusOK
}

func (f *Server) associated(in map[string]string) []byte {
	b, err := base64.StdEncoding.DecodeString(in["associated_data"])
	if err != nil || f.deaf {
		return nil
	}
	return b
}

func (f *Server) encrypt(k *keyOf, in map[string]string) (any, refusal) {
	plain, err := base64.StdEncoding.DecodeString(in["plaintext"])
	if err != nil {
		return nil, http.StatusBadRequest
	}
	latest := len(k.versions)
	sealed := k.versions[latest-1].Seal(nil, nil, plain, f.associated(in))
	return map[string]any{
		"ciphertext": fmt.Sprintf("vault:v%d:%s", latest, base64.StdEncoding.EncodeToString(sealed)), "key_version": latest,
	}, http.StatusOK
}

func (f *Server) decrypt(k *keyOf, in map[string]string) (any, refusal) {
	parts := strings.SplitN(in["ciphertext"], ":", 3)
	if len(parts) != 3 || parts[0] != "vault" {
		return nil, http.StatusBadRequest
	}
	version, err := strconv.Atoi(strings.TrimPrefix(parts[1], "v"))
	if err != nil || version < k.least || version > len(k.versions) {
		return nil, http.StatusBadRequest
	}
	sealed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, http.StatusBadRequest
	}
	plain, err := k.versions[version-1].Open(nil, nil, sealed, f.associated(in))
	if err != nil {
		return nil, http.StatusBadRequest
	}
	return map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain)}, http.StatusOK
}
