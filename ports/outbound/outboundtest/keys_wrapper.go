package outboundtest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

// KeyWrapper runs the suite of [outbound.KeyWrapper]. open returns a wrapper
// with a wrapping key of its own.
func KeyWrapper(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, func(*testing.T) outbound.KeyWrapper)
	}{
		{"WrapsAndUnwraps", wrapsAndUnwraps},
		{"OpensForNoOtherKey", opensForNoOtherKey},
		{"SurvivesAChangeOfState", survivesAChangeOfState},
		{"NeedsItsWrappingKey", needsItsWrappingKey},
		{"NoticesTampering", noticesTampering},
		{"RewrapLeavesWhatIsCurrent", rewrapLeavesAKey},
		{"ShowsNothing", showsNothing},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

var (
	aKey = key.Key{
		ID: "0191f0c4-7c00-7000-8000-000000000001", Purpose: key.Encryption, Algorithm: "A256GCM",
		State: key.Current, CreatedAt: at,
	}
	material = key.NewMaterial([]byte("0123456789abcdef0123456789ABCDEF"))
)

func wrap(t *testing.T, w outbound.KeyWrapper, k key.Key, m key.Material) key.Wrapped {
	t.Helper()
	got, err := w.Wrap(t.Context(), k, m)
	if err != nil {
		t.Fatalf("Wrap = %v", err)
	}
	return got
}

func staysWrapped(t *testing.T, w outbound.KeyWrapper, k key.Wrapped, why string) {
	t.Helper()
	if m, err := w.Unwrap(t.Context(), k); err == nil || m.Bytes() != nil {
		t.Errorf("Unwrap %s = %d bytes, %v, want an error alone", why, len(m.Bytes()), err)
	}
}

func wrapsAndUnwraps(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	w := open(t)
	for _, m := range []key.Material{material, key.NewMaterial(bytes.Repeat([]byte{0}, 32)), key.NewMaterial(bytes.Repeat([]byte("PKCS #8"), 300))} {
		k := wrap(t, w, aKey, m)
		same(t, "key", k.Key, aKey)
		got, err := w.Unwrap(t.Context(), k)
		if err != nil || !bytes.Equal(got.Bytes(), m.Bytes()) {
			t.Errorf("Unwrap = %d bytes, %v, want the %d that were wrapped", len(got.Bytes()), err, len(m.Bytes()))
		}
	}
}

func opensForNoOtherKey(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	w := open(t)
	for why, change := range map[string]func(*key.Key){
		"for another id":        func(k *key.Key) { k.ID = "0191f0c4-7c00-7000-8000-000000000002" },
		"for another purpose":   func(k *key.Key) { k.Purpose = key.BlindIndex },
		"for another algorithm": func(k *key.Key) { k.Algorithm = "HS256" },
		"with shifted members":  func(k *key.Key) { k.ID, k.Purpose = k.ID+string(k.Purpose[:1]), k.Purpose[1:] },
	} {
		k := wrap(t, w, aKey, material)
		change(&k.Key)
		staysWrapped(t, w, k, why)
	}
}

// A next key becomes current and then retired without being wrapped again.
func survivesAChangeOfState(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	w := open(t)
	k := wrap(t, w, aKey, material)
	k.State, k.CreatedAt = key.Retired, k.CreatedAt.Add(time.Hour)
	if got, err := w.Unwrap(t.Context(), k); err != nil || !bytes.Equal(got.Bytes(), material.Bytes()) {
		t.Errorf("Unwrap after a change of state = %v", err)
	}
}

func needsItsWrappingKey(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	mine, other := open(t), open(t)
	k, foreign := wrap(t, mine, aKey, material), wrap(t, other, aKey, material)
	if k.WrapperID == "" || k.WrapperID == foreign.WrapperID {
		t.Errorf("two wrapping keys have the ids %q and %q", k.WrapperID, foreign.WrapperID)
	}
	if again := wrap(t, mine, aKey, material); again.WrapperID != k.WrapperID {
		t.Errorf("one wrapping key has the ids %q and %q", k.WrapperID, again.WrapperID)
	}
	staysWrapped(t, other, k, "under another wrapping key")
	k.WrapperID = foreign.WrapperID
	staysWrapped(t, other, k, "under another wrapping key that claims to be the right one")
	staysWrapped(t, mine, k, "with the id of another wrapping key")
}

func noticesTampering(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	w := open(t)
	whole := wrap(t, w, aKey, material)
	with := func(m []byte) key.Wrapped {
		k := whole
		k.Material = m
		return k
	}
	for i := range whole.Material {
		m := slices.Clone(whole.Material)
		m[i] ^= 1
		staysWrapped(t, w, with(m), fmt.Sprint("with a change in byte ", i))
		staysWrapped(t, w, with(whole.Material[:i]), fmt.Sprint("cut to bytes: ", i))
	}
	staysWrapped(t, w, with(append(slices.Clone(whole.Material), 0)), "with a byte more")
	staysWrapped(t, w, with(nil), "without anything")
}

func rewrapLeavesAKey(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	w, other := open(t), open(t)
	k := wrap(t, w, aKey, material)
	got, err := w.Rewrap(t.Context(), k)
	must(t, err)
	same(t, "key", got, k)
	tampered := k
	tampered.Material = append(slices.Clone(k.Material), 0)
	for why, k := range map[string]key.Wrapped{
		"of another wrapping key": wrap(t, other, aKey, material), "with a byte more": tampered, "of nothing": {Key: aKey, WrapperID: k.WrapperID},
	} {
		if got, err := w.Rewrap(t.Context(), k); err == nil || got.Material != nil {
			t.Errorf("Rewrap %s = %d bytes, %v, want an error alone", why, len(got.Material), err)
		}
	}
}

func showsNothing(t *testing.T, open func(*testing.T) outbound.KeyWrapper) {
	w := open(t)
	first, second := wrap(t, w, aKey, material), wrap(t, w, aKey, material)
	if bytes.Equal(first.Material, second.Material) {
		t.Error("one key is wrapped twice to the same bytes")
	}
	if bytes.Contains(first.Material, material.Bytes()[:8]) {
		t.Error("a wrapped key shows its material")
	}
}
