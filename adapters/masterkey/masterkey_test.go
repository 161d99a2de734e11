package masterkey_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/adapters/masterkey"
	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

var aKey = key.Key{ID: "k1", Purpose: key.BlindIndex, Algorithm: "HS256", State: key.Current}

func random(t testing.TB) *masterkey.Wrapper {
	t.Helper()
	b := make([]byte, 32)
	rand.Read(b)
	return parsed(t, base64.StdEncoding.EncodeToString(b))
}

func parsed(t testing.TB, s string) *masterkey.Wrapper {
	t.Helper()
	w, err := masterkey.FromBase64(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestKeyWrapper(t *testing.T) {
	outboundtest.KeyWrapper(t, func(t *testing.T) outbound.KeyWrapper { return random(t) })
}

func TestSaysThatAnotherMasterKeyIsNeeded(t *testing.T) {
	k, err := random(t).Wrap(t.Context(), aKey, key.NewMaterial([]byte("material")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = random(t).Unwrap(t.Context(), k)
	if !errors.Is(err, masterkey.ErrOtherMasterKey) || err.Error() != "unwrap key k1: it was wrapped under another master key" {
		t.Errorf("Unwrap = %v", err)
	}
}

func TestReadsEverySpellingOfAKey(t *testing.T) {
	padded := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32))
	want := parsed(t, padded).ID()
	for _, s := range []string{padded, padded + "\n", " \t" + padded + "\r\n", strings.TrimRight(padded, "=")} {
		if got := parsed(t, s).ID(); got != want {
			t.Errorf("%q has the id %s, want %s", s, got, want)
		}
	}
}

func TestRefusesWhatIsNoKeyAndDoesNotQuoteIt(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32))
	for _, s := range []string{
		"", "=", "correct horse battery staple", good[:40], good + good, good[:20] + "\n" + good[20:],
		strings.NewReplacer("+", "-", "/", "_").Replace(good), strings.Repeat("f", 64),
		good[:42] + "t=", // unused bits that are not zero
	} {
		_, err := masterkey.FromBase64(s)
		if !errors.Is(err, masterkey.ErrMalformed) || len(s) > 8 && strings.Contains(err.Error(), s[:8]) {
			t.Errorf("FromBase64(%q) = %v, want ErrMalformed", s, err)
		}
	}
}

func TestWrapsNoEmptyKey(t *testing.T) {
	if _, err := random(t).Wrap(t.Context(), aKey, key.Material{}); err == nil {
		t.Error("Wrap took a key without material")
	}
}

func TestGeneratesAKeyOnceForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	if err := masterkey.Generate(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("Stat = %v, %v, want mode 0600", info, err)
	}
	first, err := masterkey.FromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := masterkey.Generate(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Generate over a key = %v, want ErrExist", err)
	}
	if again, err := masterkey.FromFile(path); err != nil || again.ID() != first.ID() {
		t.Errorf("the key has changed: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v is left beside the key, %v", entries, err)
	}
}

func TestOfManyWhoGenerateOneWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch err := masterkey.Generate(path); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
			if _, err := masterkey.FromFile(path); err != nil {
				t.Errorf("a key that is there cannot be read: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 50 generated the key", won.Load())
	}
}

func TestGenerateNeedsAFolder(t *testing.T) {
	if err := masterkey.Generate(filepath.Join(t.TempDir(), "none", "master.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Generate = %v, want ErrNotExist", err)
	}
}

func TestTellsWhoElseMayReadTheFile(t *testing.T) {
	text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o666, 0o620} {
		path := filepath.Join(t.TempDir(), "master.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		w, err := masterkey.FromFile(path)
		e, ok := errors.AsType[*masterkey.ModeError](err)
		if !ok || w == nil || e.Mode.Perm() != mode || e.Path != path || !strings.Contains(err.Error(), fmt.Sprintf("%04o", mode)) {
			t.Errorf("FromFile with mode %04o = %v, %v, want the key and a ModeError", mode, w, err)
		}
	}
}

func TestReadsNoWrongFile(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("A"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		big: masterkey.ErrMalformed, dir: nil, filepath.Join(dir, "none"): fs.ErrNotExist,
	} {
		w, err := masterkey.FromFile(path)
		if w != nil || err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("FromFile(%s) = %v, %v, want %v", path, w, err, want)
		}
	}
}

// golden is "material", wrapped for aKey under 32 bytes of 7 by the first
// version of the format.
const golden = "01c430dfbbe33b620d8b8b01e3cdca45d6a067823f7d2c8a83887c6eafce60bd870a95d75e"

func goldenKey(t testing.TB) (*masterkey.Wrapper, key.Wrapped) {
	t.Helper()
	m, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	w := parsed(t, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	return w, key.Wrapped{Key: aKey, Material: m, WrapperID: "a8b97a7d46ab44f7"}
}

// What is stored today must open tomorrow.
func TestFormatIsWhatItWas(t *testing.T) {
	w, k := goldenKey(t)
	if m, err := w.Unwrap(t.Context(), k); err != nil || string(m.Bytes()) != "material" {
		t.Errorf("Unwrap = %v", err)
	}
}

func FuzzUnwrap(f *testing.F) {
	w, k := goldenKey(f)
	f.Add(k.Material, k.ID)
	f.Add([]byte{}, "")
	f.Add([]byte{1}, "k2")
	f.Fuzz(func(t *testing.T, b []byte, id string) {
		forged := k
		forged.Material, forged.ID = b, id
		m, err := w.Unwrap(t.Context(), forged)
		if genuine := id == k.ID && bytes.Equal(b, k.Material); (err == nil) != genuine || (m.Bytes() != nil) != genuine {
			t.Errorf("Unwrap of %x for %q = %v", b, id, err)
		}
	})
}
