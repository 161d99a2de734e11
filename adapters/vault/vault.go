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
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

var _ outbound.Vault = (*Vault)(nil)

// Vault is an [outbound.Vault]. Its keys can be exchanged while it is in use:
// every call works with those there were when it began.
type Vault struct {
	ring    atomic.Pointer[ring]
	unknown func()
}

// ring is a set of keys. It never changes.
type ring struct {
	current kek
	keks    map[id]kek
	indexes []key.Opened // the current one first
	slots   [2]key.Material
	filling key.Slot
}

// New returns a Vault with the keys that [Vault.Load] wants. unknown, unless it
// is nil, is called whenever something asks for a key that is not among them,
// as after an exchange that has not reached us; it must not block.
func New(keks, indexes []key.Opened, unknown func()) (*Vault, error) {
	if unknown == nil {
		unknown = func() {}
	}
	v := &Vault{unknown: unknown}
	if err := v.Load(keks, indexes); err != nil {
		return nil, err
	}
	return v, nil
}

// Load makes these the keys of the vault, or says which one is no good and
// leaves those it has. It wraps data keys by the one KEK that is current, opens
// those wrapped by any of keks, and indexes with the one of indexes that is
// current. It refuses keys of another purpose, algorithm or length, two with
// one id, two with one slot, and a current index key without a slot.
func (v *Vault) Load(keks, indexes []key.Opened) error {
	r := &ring{keks: make(map[id]kek, len(keks))}
	if err := errors.Join(r.addKEKs(keks), r.addIndexes(indexes)); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	v.ring.Store(r)
	return nil
}

func (r *ring) addKEKs(keks []key.Opened) error {
	current := 0
	for _, k := range keks {
		if err := check(k, key.Encryption, "A256GCM"); err != nil {
			return err
		}
		e, err := newKEK(k)
		if err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		if _, taken := r.keks[e.id]; taken {
			return fmt.Errorf("key %s is there twice", k.ID)
		}
		r.keks[e.id] = e
		if k.State == key.Current {
			r.current, current = e, current+1
		}
	}
	if current != 1 {
		return fmt.Errorf("%d encryption keys are current, want 1", current)
	}
	return nil
}

func (r *ring) addIndexes(keys []key.Opened) error {
	current := 0
	for _, k := range keys {
		if err := check(k, key.BlindIndex, "HS256"); err != nil {
			return err
		}
		if err := r.fill(k); err != nil {
			return err
		}
		if k.State == key.Current {
			current++
			r.indexes = slices.Insert(r.indexes, 0, k)
		} else {
			r.indexes = append(r.indexes, k)
		}
		if k.State == key.Next || k.State == key.Current && r.filling == key.NoSlot {
			r.filling = k.Slot
		}
	}
	if current != 1 {
		return fmt.Errorf("%d blind-index keys are current, want 1", current)
	}
	return nil
}

// fill gives k its slot.
func (r *ring) fill(k key.Opened) error {
	switch {
	case k.Slot == key.NoSlot && k.State == key.Retired:
		return nil
	case k.Slot != key.FirstSlot && k.Slot != key.SecondSlot:
		return fmt.Errorf("key %s is %s and has slot %d", k.ID, k.State, k.Slot)
	case r.slots[k.Slot-1].Bytes() != nil:
		return fmt.Errorf("key %s has the slot of another one", k.ID)
	}
	r.slots[k.Slot-1] = k.Material
	return nil
}

func check(k key.Opened, p key.Purpose, algorithm string) error {
	switch {
	case k.ID == "":
		return fmt.Errorf("a key for %s has no id", p)
	case k.Purpose != p || k.Algorithm != algorithm:
		return fmt.Errorf("key %s is for %s with %s, want %s with %s", k.ID, k.Purpose, k.Algorithm, p, algorithm)
	case len(k.Material.Bytes()) != keySize:
		return fmt.Errorf("key %s has %d bytes, want %d", k.ID, len(k.Material.Bytes()), keySize)
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
	return outbound.DataKey{Owner: owner, Wrapped: v.ring.Load().current.wrap(owner, random)}, nil
}

// Shared implements [outbound.Vault]. What was sealed under it opens as long
// as the KEK is known that was current then.
func (v *Vault) Shared() outbound.DataKey {
	i := v.ring.Load().current.id
	return outbound.DataKey{Wrapped: append([]byte{derived}, i[:]...)}
}

// Rewrap implements [outbound.Vault].
func (v *Vault) Rewrap(k outbound.DataKey) (outbound.DataKey, error) {
	current := v.ring.Load().current
	format, i, _, _ := cut(k.Wrapped)
	d, err := v.open(k)
	switch {
	case err != nil || format != random || k.Owner == "":
		return outbound.DataKey{}, failure("data key of " + k.Owner)
	case i == current.id:
		return k, nil
	}
	return outbound.DataKey{Owner: k.Owner, Wrapped: current.wrap(k.Owner, d.secret)}, nil
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

// Sign implements [outbound.Vault] with HMAC-SHA256.
func (v *Vault) Sign(k outbound.DataKey, use string, text []byte) ([]byte, error) {
	d, err := v.open(k)
	if err == nil && k.Owner != "" {
		var secret []byte
		if secret, err = hkdf.Expand(sha256.New, d.root, "gatehouse/sign/v1/"+use, keySize); err == nil {
			mac := hmac.New(sha256.New, secret)
			mac.Write(text)
			return mac.Sum(nil), nil
		}
	}
	return nil, failure("data key of " + k.Owner)
}

// Index implements [outbound.Vault] with HMAC-SHA256: 32 bytes.
func (v *Vault) Index(use, text string) []byte {
	return hash(v.ring.Load().indexes[0].Material, use, text)
}

// Indexes implements [outbound.Vault].
func (v *Vault) Indexes(use, text string) (all [][]byte) {
	for _, k := range v.ring.Load().indexes {
		all = append(all, hash(k.Material, use, text))
	}
	return all
}

// Slots implements [outbound.Vault].
func (v *Vault) Slots(use, text string) (first, second []byte) {
	s := v.ring.Load().slots
	return hash(s[0], use, text), hash(s[1], use, text)
}

// Filling implements [outbound.Vault].
func (v *Vault) Filling() key.Slot { return v.ring.Load().filling }

// hash returns nil when there is no key.
func hash(k key.Material, use, text string) []byte {
	if k.Bytes() == nil {
		return nil
	}
	mac := hmac.New(sha256.New, k.Bytes())
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
