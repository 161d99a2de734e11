// Package masterkey implements outbound.KeyWrapper with one secret of the
// operator's: 32 bytes, from a setting or a file. It owns the format of wrapped
// keys and of the file. Where the file lies, whether its mode matters and what
// is wrapped are not its business, and it knows one master key at a time: it
// does not change one for another.
package masterkey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

var _ outbound.KeyWrapper = (*Wrapper)(nil)

// ErrOtherMasterKey is how [Wrapper.Unwrap] fails on a key that was wrapped
// under another master key than the one in use.
var ErrOtherMasterKey = errors.New("was wrapped under another master key")

// ErrMalformed is what no master key looks like.
var ErrMalformed = errors.New("master key is not the base64 of 32 bytes")

const (
	size = 32

	// format opens every wrapped key, so that the next format can be told apart.
	format byte = 1
)

// Wrapper is an [outbound.KeyWrapper]. It wraps with AES-256-GCM and a random
// nonce: format (1 byte), nonce (12), ciphertext, tag (16).
type Wrapper struct {
	id   string
	aead cipher.AEAD
}

// FromBase64 returns the wrapper of a master key in base64 (RFC 4648 §4, the
// padding may be missing), or [ErrMalformed]. Blanks and line breaks around it
// do not count.
func FromBase64(s string) (*Wrapper, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	master, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(master) != size || strings.ContainsAny(s, "\r\n") {
		return nil, ErrMalformed // a cause would quote the key
	}
	block, err := aes.NewCipher(master)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	return &Wrapper{id: idOf(master), aead: aead}, nil
}

// idOf tells master keys apart without telling anything about them.
func idOf(master []byte) string {
	mac := hmac.New(sha256.New, master)
	mac.Write([]byte("gatehouse/master-key/id/v1"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// ID names the master key: 16 hexadecimal digits that are always the same for
// the same key.
func (w *Wrapper) ID() string { return w.id }

// Wrap implements [outbound.KeyWrapper].
func (w *Wrapper) Wrap(_ context.Context, k key.Key, m key.Material) (key.Wrapped, error) {
	if len(m.Bytes()) == 0 {
		return key.Wrapped{}, fmt.Errorf("wrap key %s: it has no material", k.ID)
	}
	return key.Wrapped{
		Key:       k,
		Material:  w.aead.Seal([]byte{format}, nil, m.Bytes(), identity(k)), //nolint:gosec // it makes a random nonce
		WrapperID: w.id,
	}, nil
}

// Unwrap implements [outbound.KeyWrapper]. It fails with [ErrOtherMasterKey]
// when another master key is needed.
func (w *Wrapper) Unwrap(_ context.Context, k key.Wrapped) (key.Material, error) {
	switch {
	case k.WrapperID != w.id:
		return key.Material{}, fmt.Errorf("unwrap key %s: it %w", k.ID, ErrOtherMasterKey)
	case len(k.Material) == 0 || k.Material[0] != format:
		return key.Material{}, fmt.Errorf("unwrap key %s: unknown format", k.ID)
	}
	m, err := w.aead.Open(nil, nil, k.Material[1:], identity(k.Key))
	if err != nil {
		return key.Material{}, fmt.Errorf("unwrap key %s: it was tampered with, or wrapped for another key", k.ID)
	}
	return key.NewMaterial(m), nil
}

// Rewrap implements [outbound.KeyWrapper]. A master key has no versions, so w
// comes back as it is.
func (w *Wrapper) Rewrap(ctx context.Context, k key.Wrapped) (key.Wrapped, error) {
	if _, err := w.Unwrap(ctx, k); err != nil {
		return key.Wrapped{}, err
	}
	return k, nil
}

// identity binds a wrapped key to what it is, in format 1. State and age may
// change while it stays wrapped.
func identity(k key.Key) []byte {
	b := []byte{format}
	for _, s := range []string{k.ID, string(k.Purpose), k.Algorithm} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // ids and names are short
		b = append(b, s...)
	}
	return b
}
