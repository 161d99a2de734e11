// Package vault implements outbound.Vault with AES-256-GCM, HKDF and HMAC
// (faults §9.3, §9.4). It owns the formats of data keys and of sealed fields.
// It does not store, wrap or rotate the keys it is given, decides no normal
// form of what is indexed, and cannot tell that a whole row was replaced by its
// own past.
//
// A data key is random and wrapped by the current key-encryption key (KEK):
//
//	0x01 ‖ id of the KEK (16) ‖ nonce (12) ‖ wrapped key (32) ‖ tag (16)
//
// The shared data key is not stored anywhere: each KEK has one, derived from it.
//
//	0x02 ‖ id of the KEK (16)
//
// A field is sealed under a key of its own, derived from a data key:
//
//	0x01 ‖ id of the data key (16) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//
// No id tells anything about a key. That of a data key does not change when the
// key is wrapped by another KEK, so that no field has to be written again.
package vault

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

var _ outbound.Vault = (*Vault)(nil)

// Vault is an [outbound.Vault].
type Vault struct {
	current kek
	keks    map[id]kek
	index   key.Material
}

// New returns a Vault that wraps data keys by the one KEK that is current,
// opens those wrapped by any of keks, and indexes with index. It refuses keys
// of another purpose, algorithm or length, and KEKs with one id.
func New(keks []key.Opened, index key.Opened) (*Vault, error) {
	v := &Vault{keks: make(map[id]kek, len(keks)), index: index.Material}
	current := 0
	for _, k := range keks {
		if err := check(k, key.Encryption, "A256GCM"); err != nil {
			return nil, err
		}
		e, err := newKEK(k)
		if err != nil {
			return nil, fmt.Errorf("vault: key %s: %w", k.ID, err)
		}
		if _, taken := v.keks[e.id]; taken {
			return nil, fmt.Errorf("vault: key %s is there twice", k.ID)
		}
		v.keks[e.id] = e
		if k.State == key.Current {
			v.current, current = e, current+1
		}
	}
	if current != 1 {
		return nil, fmt.Errorf("vault: %d encryption keys are current, want 1", current)
	}
	if err := check(index, key.BlindIndex, "HS256"); err != nil {
		return nil, err
	}
	return v, nil
}

func check(k key.Opened, p key.Purpose, algorithm string) error {
	switch {
	case k.ID == "":
		return fmt.Errorf("vault: a key for %s has no id", p)
	case k.Purpose != p || k.Algorithm != algorithm:
		return fmt.Errorf("vault: key %s is for %s with %s, want %s with %s", k.ID, k.Purpose, k.Algorithm, p, algorithm)
	case len(k.Material.Bytes()) != keySize:
		return fmt.Errorf("vault: key %s has %d bytes, want %d", k.ID, len(k.Material.Bytes()), keySize)
	}
	return nil
}

// NewDataKey implements [outbound.Vault]. There is none for nobody: that is
// what [Vault.Shared] is for.
func (v *Vault) NewDataKey(owner string) (outbound.DataKey, error) {
	if owner == "" {
		return outbound.DataKey{}, failure("new data key of nobody")
	}
	random := make([]byte, keySize)
	rand.Read(random)
	return outbound.DataKey{Owner: owner, Wrapped: v.current.wrap(owner, random)}, nil
}

// Shared implements [outbound.Vault]. What was sealed under it opens as long
// as the KEK is known that was current then.
func (v *Vault) Shared() outbound.DataKey {
	return outbound.DataKey{Wrapped: append([]byte{derived}, v.current.id[:]...)}
}

// Seal implements [outbound.Vault].
func (v *Vault) Seal(k outbound.DataKey, f outbound.Field, plain []byte) ([]byte, error) {
	d, err := v.open(k)
	if err != nil {
		return nil, lost(f)
	}
	sealed, err := d.seal(f, plain)
	if err != nil {
		return nil, lost(f)
	}
	return sealed, nil
}

// Open implements [outbound.Vault].
func (v *Vault) Open(k outbound.DataKey, f outbound.Field, sealed []byte) ([]byte, error) {
	d, err := v.openFor(k, sealed)
	if err != nil {
		return nil, lost(f)
	}
	plain, err := d.open(f, sealed)
	if err != nil {
		return nil, lost(f)
	}
	return plain, nil
}

// Index implements [outbound.Vault] with HMAC-SHA256: 32 bytes.
func (v *Vault) Index(use, text string) []byte {
	mac := hmac.New(sha256.New, v.index.Bytes())
	mac.Write([]byte(use + "/v1\x00" + text))
	return mac.Sum(nil)
}

// lost is every failure to seal or to open. That they look alike, in logs too,
// leaves nothing to learn from them, and there is nothing to do about them but
// to look at the row.
func lost(f outbound.Field) error {
	return failure(fmt.Sprintf("%s.%s of row %s", f.Table, f.Column, f.Row))
}

func failure(what string) error {
	return fault.New(fault.DatabaseEncryptionFailure).Because(errors.New(what))
}
