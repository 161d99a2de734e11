package vault_test

import (
	"bytes"
	"sync"
	"testing"

	"gatehouse/adapters/vault"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

func load(t *testing.T, v *vault.Vault, keks, indexes []key.Opened) {
	t.Helper()
	if err := v.Load(keks, indexes); err != nil {
		t.Fatal(err)
	}
}

func newDataKey(t *testing.T, v *vault.Vault) outbound.DataKey {
	t.Helper()
	k, err := v.NewDataKey("ada")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t *testing.T, v *vault.Vault, k outbound.DataKey) []byte {
	t.Helper()
	b, err := v.Seal(k, place, []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestADataKeyThatIsRewrappedOpensWhatItSealed(t *testing.T) {
	v, idx := open(t, kek("old", key.Current)), []key.Opened{index("i1")}
	before := newDataKey(t, v)
	b := sealed(t, v, before)
	signed, err := v.Sign(before, "use", []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	load(t, v, []key.Opened{kek("old", key.Retired), kek("new", key.Current)}, idx)
	after, err := v.Rewrap(before)
	if err != nil || bytes.Equal(after.Wrapped, before.Wrapped) {
		t.Fatalf("Rewrap = %x, %v", after.Wrapped, err)
	}
	load(t, v, []key.Opened{kek("new", key.Current)}, idx)
	if got, err := v.Open(after, place, b); err != nil || string(got) != "text" {
		t.Errorf("Open without the old KEK = %q, %v", got, err)
	}
	if got, err := v.Sign(after, "use", []byte("text")); err != nil || !bytes.Equal(got, signed) {
		t.Errorf("Sign without the old KEK = %x, %v, want %x", got, err, signed)
	}
	if _, err := v.Rewrap(before); fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
		t.Errorf("Rewrap without the old KEK = %v", err)
	}
}

func TestAnUnknownKeyIsAskedForAndATamperedFieldIsNot(t *testing.T) {
	asked := 0
	v, err := vault.New([]key.Opened{kek("old", key.Current)}, []key.Opened{index("i1")}, func() { asked++ })
	if err != nil {
		t.Fatal(err)
	}
	ahead := open(t, kek("new", key.Current))
	k := newDataKey(t, ahead)
	owned, shared := sealed(t, ahead, k), sealed(t, ahead, ahead.Shared())
	for _, c := range []struct {
		key outbound.DataKey
		b   []byte
	}{{k, owned}, {v.Shared(), shared}} {
		was := asked
		if _, err := v.Open(c.key, place, c.b); err == nil || asked != was+1 {
			t.Errorf("Open = %v, and asked %d times", err, asked-was)
		}
	}
	mine := newDataKey(t, v)
	b, was := sealed(t, v, mine), asked
	b[len(b)-1] ^= 1
	if _, err := v.Open(mine, place, b); err == nil || asked != was {
		t.Errorf("Open of a field that was changed = %v, and asked %d times", err, asked-was)
	}
	load(t, v, []key.Opened{kek("old", key.Retired), kek("new", key.Current)}, []key.Opened{index("i1")})
	if got, err := v.Open(k, place, owned); err != nil || string(got) != "text" {
		t.Errorf("Open with the key = %q, %v", got, err)
	}
}

// The stages of an exchange of the blind index (faults §9.4): at each one,
// what any replica of the stage before or after has written is found.
func TestSlotsFollowTheKeysThatHaveThem(t *testing.T) {
	old, anew := func(st key.State, s key.Slot) key.Opened { return indexIn("old", st, s) }, func(st key.State, s key.Slot) key.Opened { return indexIn("new", st, s) }
	byOld, byNew := open(t, kek("k", key.Current)), open(t, kek("k", key.Current))
	load(t, byOld, []key.Opened{kek("k", key.Current)}, []key.Opened{old(key.Current, key.FirstSlot)})
	load(t, byNew, []key.Opened{kek("k", key.Current)}, []key.Opened{anew(key.Current, key.FirstSlot)})
	o, n := byOld.Index("email", "x"), byNew.Index("email", "x")
	for _, c := range []struct {
		stage         string
		keys          []key.Opened
		first, second []byte
		indexes       [][]byte
		filling       key.Slot
	}{
		{"before", []key.Opened{old(key.Current, key.FirstSlot)}, o, nil, [][]byte{o}, key.FirstSlot},
		{"filling", []key.Opened{anew(key.Next, key.SecondSlot), old(key.Current, key.FirstSlot)}, o, n, [][]byte{o, n}, key.SecondSlot},
		{"with failures", []key.Opened{old(key.Retired, key.FirstSlot), anew(key.Current, key.SecondSlot)}, o, n, [][]byte{n, o}, key.SecondSlot},
		{"after", []key.Opened{old(key.Retired, key.NoSlot), anew(key.Current, key.SecondSlot)}, nil, n, [][]byte{n, o}, key.SecondSlot},
		{"long after", []key.Opened{anew(key.Current, key.SecondSlot)}, nil, n, [][]byte{n}, key.SecondSlot},
	} {
		v := open(t, kek("k", key.Current))
		load(t, v, []key.Opened{kek("k", key.Current)}, c.keys)
		first, second := v.Slots("email", "x")
		if !bytes.Equal(first, c.first) || !bytes.Equal(second, c.second) || v.Filling() != c.filling {
			t.Errorf("%s: slots %x and %x, filling %d", c.stage, first, second, v.Filling())
		}
		if got := v.Indexes("email", "x"); !bytes.Equal(bytes.Join(got, nil), bytes.Join(c.indexes, nil)) {
			t.Errorf("%s: indexes %x, want %x", c.stage, got, c.indexes)
		}
	}
}

func TestKeysThatAreNoGoodLeaveThoseOfBefore(t *testing.T) {
	v := open(t, kek("old", key.Current))
	k := newDataKey(t, v)
	b, idx := sealed(t, v, k), v.Index("email", "x")
	for _, c := range []struct{ keks, indexes []key.Opened }{
		{nil, []key.Opened{index("i2")}},
		{[]key.Opened{kek("new", key.Current)}, nil},
	} {
		if err := v.Load(c.keks, c.indexes); err == nil {
			t.Error("Load = nil")
		}
	}
	if got, err := v.Open(k, place, b); err != nil || string(got) != "text" || !bytes.Equal(v.Index("email", "x"), idx) {
		t.Errorf("Open = %q, %v", got, err)
	}
}

func TestKeysAreExchangedUnderLoad(t *testing.T) {
	v, idx := open(t, kek("old", key.Current), kek("new", key.Next)), []key.Opened{index("i1")}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				k := newDataKey(t, v)
				for _, k := range []outbound.DataKey{k, v.Shared()} {
					if got, err := v.Open(k, place, sealed(t, v, k)); err != nil || string(got) != "text" {
						t.Errorf("Open = %q, %v", got, err)
					}
				}
			}
		})
	}
	states := []key.State{key.Current, key.Retired}
	for i := range 100 {
		load(t, v, []key.Opened{kek("old", states[i%2]), kek("new", states[(i+1)%2])}, idx)
	}
	all.Wait()
}
