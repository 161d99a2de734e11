package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

const keySize = 32

// The first bytes of what this package writes.
const (
	random  byte = 1 // a wrapped data key
	derived byte = 2 // the name of a shared data key
	sealed1 byte = 1 // a sealed field
)

var errBroken = errors.New("cannot be opened")

// id names a key in what was made with it.
type id [16]byte

const head = 1 + len(id{})

// cut splits what this package wrote into format, id and the rest.
func cut(b []byte) (format byte, i id, rest []byte, ok bool) {
	if len(b) < head {
		return 0, id{}, nil, false
	}
	return b[0], id(b[1:head]), b[head:], true
}

// kek is a key-encryption key, ready to use.
type kek struct {
	id     id
	aead   cipher.AEAD
	shared dataKey
}

func newKEK(k key.Opened) (kek, error) {
	wrapping, err := derive(k.Material.Bytes(), "gatehouse/kek/wrap/v1", keySize)
	if err != nil {
		return kek{}, err
	}
	aead, err := newAEAD(wrapping)
	if err != nil {
		return kek{}, err
	}
	secret, err := derive(k.Material.Bytes(), "gatehouse/kek/shared/v1", keySize)
	if err != nil {
		return kek{}, err
	}
	shared, err := newDataKey(secret)
	if err != nil {
		return kek{}, err
	}
	sum := sha256.Sum256([]byte(k.ID)) // ids of keys have any length
	return kek{id: id(sum[:]), aead: aead, shared: shared}, nil
}

// wrap wraps a data key for its owner.
func (k kek) wrap(owner string, secret []byte) []byte {
	out := append([]byte{random}, k.id[:]...)
	return k.aead.Seal(out, nil, secret, k.bind(owner)) //nolint:gosec // it makes a random nonce
}

func (k kek) unwrap(owner string, wrapped []byte) (dataKey, error) {
	secret, err := k.aead.Open(nil, nil, wrapped, k.bind(owner))
	if err != nil {
		return dataKey{}, errBroken
	}
	return newDataKey(secret)
}

func (k kek) bind(owner string) []byte {
	return join([]byte{random}, "data key", owner, string(k.id[:]))
}

// open unwraps k.
func (v *Vault) open(k outbound.DataKey) (dataKey, error) {
	format, i, rest, ok := cut(k.Wrapped)
	if !ok {
		return dataKey{}, errBroken
	}
	e, known := v.ring.Load().keks[i]
	switch {
	case !known:
		v.unknown()
		return dataKey{}, errBroken
	case format == random:
		return e.unwrap(k.Owner, rest)
	case format == derived && k.Owner == "" && len(rest) == 0:
		return e.shared, nil
	}
	return dataKey{}, errBroken
}

// openFor unwraps k, or if that is the shared data key, the one of the KEK that
// was current when a field was sealed: nobody keeps its name with the field.
func (v *Vault) openFor(k outbound.DataKey, sealed []byte) (dataKey, error) {
	d, err := v.open(k)
	if err != nil || k.Owner != "" {
		return d, err
	}
	_, i, _, ok := cut(sealed)
	for _, e := range v.ring.Load().keks {
		if ok && e.shared.id == i {
			return e.shared, nil
		}
	}
	if ok {
		v.unknown()
	}
	return dataKey{}, errBroken
}

// dataKey is a data key, unwrapped. All that is derived from it begins with the
// same step of HKDF (RFC 5869 §2.2), whose result is its root.
type dataKey struct {
	id           id
	secret, root []byte
}

func newDataKey(secret []byte) (dataKey, error) {
	root, err := hkdf.Extract(sha256.New, secret, nil)
	if err != nil {
		return dataKey{}, err
	}
	name, err := hkdf.Expand(sha256.New, root, "gatehouse/data-key/id/v1", len(id{}))
	if err != nil {
		return dataKey{}, err
	}
	return dataKey{id: id(name), secret: secret, root: root}, nil
}

// field returns the cipher of a field.
func (d dataKey) field(f outbound.Field) (cipher.AEAD, error) {
	secret, err := hkdf.Expand(sha256.New, d.root, "gatehouse/field/v1/"+f.Table+"."+f.Column, keySize)
	if err != nil {
		return nil, err
	}
	return newAEAD(secret)
}

// bind ties a sealed field to its place and key.
func (d dataKey) bind(f outbound.Field) []byte {
	return join([]byte{sealed1}, f.Table, f.Column, f.Row, string(d.id[:]))
}

func (d dataKey) seal(f outbound.Field, plain []byte) ([]byte, error) {
	aead, err := d.field(f)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, head+aead.Overhead()+len(plain))
	out = append(append(out, sealed1), d.id[:]...)
	return aead.Seal(out, nil, plain, d.bind(f)), nil //nolint:gosec // it makes a random nonce
}

func (d dataKey) open(f outbound.Field, sealed []byte) ([]byte, error) {
	format, i, rest, ok := cut(sealed)
	if !ok || format != sealed1 || i != d.id {
		return nil, errBroken
	}
	aead, err := d.field(f)
	if err != nil {
		return nil, err
	}
	return aead.Open([]byte{}, nil, rest, d.bind(f))
}

func derive(secret []byte, info string, n int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, info, n)
}

func newAEAD(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// join appends texts to b so that no other texts give the same bytes.
func join(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // names and ids are short
		b = append(b, s...)
	}
	return b
}
