package vault_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/adapters/vault"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

var place = outbound.Field{Table: "principals", Column: "email", Row: "r1"}

func kek(id string, state key.State) key.Opened {
	return opened(id, key.Encryption, "A256GCM", state)
}

func index(id string) key.Opened { return indexIn(id, key.Current, key.FirstSlot) }

func indexIn(id string, state key.State, s key.Slot) key.Opened {
	k := opened(id, key.BlindIndex, "HS256", state)
	k.Slot = s
	return k
}

// opened returns a key whose material depends on its id and purpose alone.
func opened(id string, p key.Purpose, algorithm string, state key.State) key.Opened {
	m := bytes.Repeat([]byte{byte(len(p))}, 32)
	copy(m, id)
	return key.Opened{Key: key.Key{ID: id, Purpose: p, Algorithm: algorithm, State: state}, Material: key.NewMaterial(m)}
}

func open(t testing.TB, keks ...key.Opened) *vault.Vault {
	t.Helper()
	v, err := vault.New(keks, []key.Opened{index("i1")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVault(t *testing.T) {
	outboundtest.Vault(t, func(t *testing.T) outbound.Vault {
		v, err := vault.New([]key.Opened{kek(rand.Text(), key.Current)}, []key.Opened{index(rand.Text())}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return v
	})
}

func TestWhatWasSealedOutlivesARotationOfTheKEK(t *testing.T) {
	before := open(t, kek("old", key.Current), kek("new", key.Next))
	owned, err := before.NewDataKey("ada")
	if err != nil {
		t.Fatal(err)
	}
	seal := func(k outbound.DataKey) []byte {
		b, err := before.Seal(k, place, []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bySelf, byAll := seal(owned), seal(before.Shared())
	after := open(t, kek("new", key.Current), kek("old", key.Retired))
	for _, c := range []struct {
		key    outbound.DataKey
		sealed []byte
	}{{owned, bySelf}, {before.Shared(), byAll}, {after.Shared(), byAll}} {
		if got, err := after.Open(c.key, place, c.sealed); err != nil || string(got) != "text" {
			t.Errorf("Open under the key of %q = %q, %v", c.key.Owner, got, err)
		}
	}
	gone := open(t, kek("new", key.Current))
	for _, c := range []struct {
		key    outbound.DataKey
		sealed []byte
	}{{owned, bySelf}, {before.Shared(), byAll}, {gone.Shared(), byAll}} {
		if _, err := gone.Open(c.key, place, c.sealed); fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
			t.Errorf("Open under the key of %q after the KEK is gone = %v", c.key.Owner, err)
		}
	}
}

func TestNewDataKeysAreWrappedByTheCurrentKEK(t *testing.T) {
	k, err := open(t, kek("old", key.Retired), kek("new", key.Current)).NewDataKey("ada")
	if err != nil {
		t.Fatal(err)
	}
	alone := open(t, kek("new", key.Current))
	if _, err := alone.Seal(k, place, nil); err != nil {
		t.Errorf("the current KEK alone does not open it: %v", err)
	}
}

// What is stored today must open tomorrow.
func TestFormatIsWhatItWas(t *testing.T) {
	v := open(t, kek(goldenKEK, key.Current))
	for _, c := range []struct {
		key    outbound.DataKey
		sealed string
	}{
		{outbound.DataKey{Owner: "ada", Wrapped: unhex(t, goldenDataKey)}, goldenOwned},
		{outbound.DataKey{Wrapped: unhex(t, goldenSharedKey)}, goldenShared},
		{v.Shared(), goldenShared},
	} {
		if got, err := v.Open(c.key, place, unhex(t, c.sealed)); err != nil || string(got) != goldenPlain {
			t.Errorf("Open for %q = %q, %v", c.key.Owner, got, err)
		}
	}
	if got := v.Index("email", goldenPlain); !bytes.Equal(got, unhex(t, goldenIndex)) {
		t.Errorf("Index = %x, want %s", got, goldenIndex)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTellsOnlyThePlaceOfAFailure(t *testing.T) {
	v := open(t, kek("k1", key.Current))
	_, err := v.Open(v.Shared(), place, []byte("some bytes that were never sealed at all"))
	if want := "DATABASE_ENCRYPTION_FAILURE: principals.email of row r1"; err == nil || err.Error() != want {
		t.Errorf("Open = %v, want %s", err, want)
	}
}

func TestNobodyHasADataKeyOfTheirOwn(t *testing.T) {
	if _, err := open(t, kek("k1", key.Current)).NewDataKey(""); fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
		t.Errorf("NewDataKey of nobody = %v", err)
	}
}

func TestRefusesKeysThatAreNoGood(t *testing.T) {
	good, idx := kek("k1", key.Current), index("i1")
	change := func(k key.Opened, fn func(*key.Opened)) key.Opened {
		fn(&k)
		return k
	}
	idx2 := func(state key.State, s key.Slot) key.Opened { return indexIn("i2", state, s) }
	for why, c := range map[string]struct{ keks, indexes []key.Opened }{
		"no KEK":                         {nil, []key.Opened{idx}},
		"no current KEK":                 {[]key.Opened{kek("k1", key.Retired)}, []key.Opened{idx}},
		"two current KEKs":               {[]key.Opened{good, kek("k2", key.Current)}, []key.Opened{idx}},
		"one KEK twice":                  {[]key.Opened{good, kek("k1", key.Retired)}, []key.Opened{idx}},
		"a KEK without id":               {[]key.Opened{kek("", key.Current)}, []key.Opened{idx}},
		"a short KEK":                    {[]key.Opened{change(good, func(k *key.Opened) { k.Material = key.NewMaterial(k.Material.Bytes()[:31]) })}, []key.Opened{idx}},
		"a KEK with HS256":               {[]key.Opened{change(good, func(k *key.Opened) { k.Algorithm = "HS256" })}, []key.Opened{idx}},
		"a signing key":                  {[]key.Opened{change(good, func(k *key.Opened) { k.Purpose = key.Signing })}, []key.Opened{idx}},
		"a KEK as index":                 {[]key.Opened{good}, []key.Opened{good}},
		"an index as KEK":                {[]key.Opened{idx}, []key.Opened{idx}},
		"a long index key":               {[]key.Opened{good}, []key.Opened{change(idx, func(k *key.Opened) { k.Material = key.NewMaterial(append(k.Material.Bytes(), 0)) })}},
		"no index key at all":            {[]key.Opened{good}, nil},
		"no current index key":           {[]key.Opened{good}, []key.Opened{idx2(key.Next, key.FirstSlot)}},
		"two current index keys":         {[]key.Opened{good}, []key.Opened{idx, idx2(key.Current, key.SecondSlot)}},
		"one slot of two keys":           {[]key.Opened{good}, []key.Opened{idx, idx2(key.Next, key.FirstSlot)}},
		"a current index without a slot": {[]key.Opened{good}, []key.Opened{idx2(key.Current, key.NoSlot)}},
		"a next index without a slot":    {[]key.Opened{good}, []key.Opened{idx, idx2(key.Next, key.NoSlot)}},
		"a third slot":                   {[]key.Opened{good}, []key.Opened{idx, idx2(key.Next, 3)}},
	} {
		v, err := vault.New(c.keks, c.indexes, nil)
		if v != nil || err == nil || strings.Contains(err.Error(), string(good.Material.Bytes())) {
			t.Errorf("New with %s = %v", why, err)
		}
	}
}

func TestEveryTextOpensInItsPlaceAlone(t *testing.T) {
	v := open(t, kek("k1", key.Current))
	fields := rapid.Custom(func(t *rapid.T) outbound.Field {
		name := rapid.StringMatching(`[ab.]{0,3}`)
		return outbound.Field{Table: name.Draw(t, "table"), Column: name.Draw(t, "column"), Row: name.Draw(t, "row")}
	})
	owners := rapid.SampledFrom([]string{"", "a", "b"})
	keys := map[string]outbound.DataKey{"": v.Shared()}
	for _, owner := range []string{"a", "b"} {
		k, err := v.NewDataKey(owner)
		if err != nil {
			t.Fatal(err)
		}
		keys[owner] = k
	}
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		from, to := fields.Draw(t, "sealed in"), fields.Draw(t, "opened in")
		mine, theirs := owners.Draw(t, "sealed for"), owners.Draw(t, "opened for")
		sealed, err := v.Seal(keys[mine], from, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Open(keys[mine], from, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %x, %v, want %x", got, err, plain)
		}
		if _, err := v.Open(keys[theirs], to, sealed); (err == nil) != (from == to && mine == theirs) {
			t.Fatalf("Open of %v for %q in %v for %q = %v", from, mine, to, theirs, err)
		}
	})
}

// The seeds are constants, because each process of a fuzzer makes its own.
func FuzzOpen(f *testing.F) {
	v := open(f, kek(goldenKEK, key.Current), kek("k2", key.Next))
	wrapped, owned := unhex(f, goldenDataKey), unhex(f, goldenOwned)
	name, shared := unhex(f, goldenSharedKey), unhex(f, goldenShared)
	f.Add("ada", wrapped, owned)
	f.Add("", name, shared)
	f.Add("", []byte{2}, []byte{1})
	f.Fuzz(func(t *testing.T, owner string, key, b []byte) {
		genuine := owner == "ada" && bytes.Equal(key, wrapped) && bytes.Equal(b, owned) ||
			owner == "" && bytes.Equal(key, name) && bytes.Equal(b, shared)
		got, err := v.Open(outbound.DataKey{Owner: owner, Wrapped: key}, place, b)
		if genuine && string(got) != goldenPlain || !genuine && (got != nil || err == nil) {
			t.Errorf("Open of %x under %x for %q = %q, %v", b, key, owner, got, err)
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	v := open(b, kek("k1", key.Current))
	k, err := v.NewDataKey("ada")
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := v.Seal(k, place, []byte("ada@example.com"))
	if err != nil {
		b.Fatal(err)
	}
	for name, fn := range map[string]func() error{
		"seal": func() error { _, err := v.Seal(k, place, []byte("ada@example.com")); return err },
		"open": func() error { _, err := v.Open(k, place, sealed); return err },
	} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			for b.Loop() {
				if err := fn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
