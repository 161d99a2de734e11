// Package transit implements outbound.KeyWrapper with the transit engine of
// HashiCorp Vault or OpenBao, over its documented HTTP API: the wrapping key
// never leaves the server. It owns how the server is asked and how its answers
// are read. It makes no key there, renews no token, and keeps nothing: that a
// process needs a key once and remembers it is its caller's business.
package transit

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/domain/key"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var _ outbound.KeyWrapper = (*Wrapper)(nil)

// How the server fails. Nothing of what it says is repeated: it may hold what
// was sent.
var (
	ErrUnavailable = errors.New("the key service does not answer, is sealed or a standby")
	ErrForbidden   = errors.New("the key service does not allow it with this token")
	ErrUnknownKey  = errors.New("the key service has no such key")
	ErrRefused     = errors.New("the key service refuses it: changed, for another key, or of a version that may not be used any more")
	ErrMalformed   = errors.New("the key service answers with something else")

	// ErrUnfit is a key that does not bind what it encrypts to what it is.
	ErrUnfit = errors.New("the key of the key service is not of a type with associated data, or the server ignores it")
	// ErrOtherKey is how [Wrapper.Unwrap] fails on what was wrapped elsewhere.
	ErrOtherKey = errors.New("was wrapped by another key service or key")
)

// Config says where the wrapping key is.
type Config struct {
	// URL is that of the key in the API, without /v1:
	// https://host:8200/transit/keys/gatehouse. Plain http is for loopback.
	URL string
	// Token is asked for the token before every call, since tokens are renewed
	// while we run. Its error must not quote it.
	Token     func() (secret.Text, error)
	Namespace string        // of Vault Enterprise or OpenBao; "" is none
	Patience  time.Duration // for one call; zero is 5 seconds
}

// Wrapper is an [outbound.KeyWrapper]. What it wraps is what the server calls a
// ciphertext: vault:v1:….
type Wrapper struct {
	server server
	id     string
	key    string // name of the key
}

var names = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// New returns a Wrapper, and asks nothing yet. Its errors do not quote the URL.
func New(c Config) (*Wrapper, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must be transit:https://host:port/<mount>/keys/<name>")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("must be https, except on loopback")
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	n := len(segments)
	if n < 3 || segments[n-2] != "keys" || slices.ContainsFunc(segments, func(s string) bool { return !names.MatchString(s) }) {
		return nil, errors.New("must be transit:https://host:port/<mount>/keys/<name>")
	}
	mount := path.Join(segments[:n-2]...)
	return &Wrapper{
		server: newServer(u.Scheme+"://"+u.Host+"/v1/"+mount+"/", c),
		id:     "transit:" + c.Namespace + "/" + mount + "/" + segments[n-1], key: segments[n-1],
	}, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// binding are the types of keys that encrypt with associated data.
var binding = []string{"aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"}

// Check asks whether the key is there and fit: an old server, or a key of
// another type, would take what was wrapped for one key as another.
func (w *Wrapper) Check(ctx context.Context) error {
	k, err := w.describe(ctx)
	if err != nil {
		return fmt.Errorf("key service: %w", err)
	}
	if !slices.Contains(binding, k.Type) || k.Derived {
		return fmt.Errorf("key service: %w", ErrUnfit)
	}
	probe, err := w.Wrap(ctx, key.Key{ID: "probe"}, key.NewMaterial([]byte("probe")))
	if err != nil {
		return fmt.Errorf("key service: %w", err)
	}
	probe.ID = "another probe"
	switch _, err := w.Unwrap(ctx, probe); {
	case err == nil:
		return fmt.Errorf("key service: %w", ErrUnfit)
	case !errors.Is(err, ErrRefused):
		return fmt.Errorf("key service: %w", err)
	}
	return nil
}

type description struct {
	Type    string `json:"type"`
	Derived bool   `json:"derived"`
	Latest  int    `json:"latest_version"`
}

func (w *Wrapper) describe(ctx context.Context) (d description, err error) {
	err = w.server.get(ctx, "keys/"+w.key, &d)
	if err == nil && (d.Type == "" || d.Latest < 1) {
		err = ErrMalformed
	}
	return d, err
}

// Wrap implements [outbound.KeyWrapper].
func (w *Wrapper) Wrap(ctx context.Context, k key.Key, m key.Material) (key.Wrapped, error) {
	if len(m.Bytes()) == 0 {
		return key.Wrapped{}, fmt.Errorf("wrap key %s: it has no material", k.ID)
	}
	var out struct {
		Ciphertext string `json:"ciphertext"`
	}
	err := w.server.post(ctx, "encrypt/"+w.key, map[string]string{
		"plaintext": base64.StdEncoding.EncodeToString(m.Bytes()), "associated_data": identity(k),
	}, &out)
	if err == nil {
		_, err = versionOf([]byte(out.Ciphertext))
	}
	if err != nil {
		return key.Wrapped{}, fmt.Errorf("wrap key %s: %w", k.ID, err)
	}
	return key.Wrapped{Key: k, Material: []byte(out.Ciphertext), WrapperID: w.id}, nil
}

// Unwrap implements [outbound.KeyWrapper].
func (w *Wrapper) Unwrap(ctx context.Context, k key.Wrapped) (key.Material, error) {
	m, err := w.unwrap(ctx, k)
	if err != nil {
		return key.Material{}, fmt.Errorf("unwrap key %s: %w", k.ID, err)
	}
	return m, nil
}

func (w *Wrapper) unwrap(ctx context.Context, k key.Wrapped) (none key.Material, _ error) {
	if k.WrapperID != w.id {
		return none, ErrOtherKey
	}
	if _, err := versionOf(k.Material); err != nil {
		return none, ErrRefused
	}
	var out struct {
		Plaintext string `json:"plaintext"`
	}
	err := w.server.post(ctx, "decrypt/"+w.key, map[string]string{
		"ciphertext": string(k.Material), "associated_data": identity(k.Key),
	}, &out)
	if err != nil {
		return none, err
	}
	m, err := base64.StdEncoding.Strict().DecodeString(out.Plaintext)
	if err != nil || len(m) == 0 {
		return none, ErrMalformed // its cause would quote a key
	}
	return key.NewMaterial(m), nil
}

// Rewrap implements [outbound.KeyWrapper]: a key under an older version of the
// wrapping key comes under the latest one. The server's own rewrap knows no
// associated data, so the key is shown to us, who have it anyway.
func (w *Wrapper) Rewrap(ctx context.Context, k key.Wrapped) (key.Wrapped, error) {
	m, err := w.Unwrap(ctx, k)
	if err != nil {
		return key.Wrapped{}, err
	}
	d, err := w.describe(ctx)
	if err != nil {
		return key.Wrapped{}, fmt.Errorf("rewrap key %s: %w", k.ID, err)
	}
	if version, _ := versionOf(k.Material); version >= d.Latest {
		return k, nil
	}
	return w.Wrap(ctx, k.Key, m)
}

// versionOf returns the version of the wrapping key that a ciphertext is under.
// It has one spelling, because decoders of base64 overlook unused bits.
func versionOf(ciphertext []byte) (int, error) {
	rest, ok := bytes.CutPrefix(ciphertext, []byte("vault:v"))
	version, text, found := bytes.Cut(rest, []byte(":"))
	n, err := strconv.Atoi(string(version))
	if !ok || !found || err != nil || n < 1 || strconv.Itoa(n) != string(version) {
		return 0, ErrMalformed
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(raw) == 0 || base64.StdEncoding.EncodeToString(raw) != string(text) {
		return 0, ErrMalformed
	}
	return n, nil
}

// identity binds a wrapped key to what it is. State and age may change while it
// stays wrapped.
func identity(k key.Key) string {
	b := []byte("gatehouse/key/v1")
	for _, s := range []string{k.ID, string(k.Purpose), k.Algorithm} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // ids and names are short
		b = append(b, s...)
	}
	return base64.StdEncoding.EncodeToString(b)
}
