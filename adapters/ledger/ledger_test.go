package ledger

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/domain/principal"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 123456000, time.UTC)

func erasure(id principal.ID) principal.Erasure { return principal.Erasure{ID: id, At: noon} }

func ids(t *testing.T, f *File) []principal.ID {
	t.Helper()
	all, err := f.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(all))
}

func TestWhatIsAddedIsThereForWhoeverOpensTheFileNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "erasures.jsonl")
	if got := ids(t, New(path)); len(got) != 0 {
		t.Errorf("without a file there are %v", got)
	}
	for _, some := range [][]principal.Erasure{{erasure("a")}, {}, {erasure("b"), erasure("a")}} {
		if err := New(path).Add(t.Context(), some...); err != nil {
			t.Fatal(err)
		}
	}
	all, err := New(path).All(t.Context())
	if err != nil || len(all) != 2 || all["b"] != erasure("b") {
		t.Errorf("All = %v, %v", all, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A crash leaves half a line, of which nobody was told that it is kept.
func TestHalfALineIsNoErasureAndDoesNotSpoilTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "erasures.jsonl")
	f := New(path)
	if err := f.Add(t.Context(), erasure("a")); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if err := os.WriteFile(path, append(slices.Clone(whole), whole[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, f); !slices.Equal(got, []principal.ID{"a"}) {
			t.Fatalf("cut at %d: %v", cut, got)
		}
		if err := f.Add(t.Context(), erasure("b")); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, f); !slices.Equal(got, []principal.ID{"a", "b"}) {
			t.Fatalf("cut at %d, then added: %v", cut, got)
		}
	}
}

func TestAWholeLineThatMakesNoSenseIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "erasures.jsonl")
	for _, text := range []string{"\n", "x\n", "{}\n", `{"id":"a"}` + "\n", `{"at":"2028-02-29T12:00:00Z"}` + "\n", "[]\n", `{"id":"a","at":"noon"}` + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := New(path).All(t.Context()); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v, %v", text, all, err)
		}
	}
}

func TestAFileThatCannotBeUsedIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := New(dir).All(t.Context()); err == nil {
		t.Error("a folder is read")
	}
	if err := New(filepath.Join(dir, "none", "erasures.jsonl")).Add(t.Context(), erasure("a")); err == nil {
		t.Error("it is added to a file in no folder")
	}
}

func TestManyWhoAddAtOnceLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "erasures.jsonl")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := New(path).Add(t.Context(), erasure(principal.ID(rune('a'+i)))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := ids(t, New(path)); len(got) != 20 {
		t.Errorf("of 20 erasures %d are there", len(got))
	}
}

// FuzzLedger: whatever is in the file is read whole or refused, and what is
// read comes back when it is written.
func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"id":"a","at":"2028-02-29T12:00:00Z"}` + "\n" + `{"id":"b`))
	f.Add([]byte("\n\x00{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parse(b)
		if err != nil {
			return
		}
		if lines := bytes.Count(b, []byte{'\n'}); len(all) > lines {
			t.Fatalf("%d erasures in %d lines", len(all), lines)
		}
		var again bytes.Buffer
		for _, e := range all {
			if err := json.NewEncoder(&again).Encode(line{e.ID, e.At}); err != nil {
				return // a year that cannot be written
			}
		}
		if back, err := parse(again.Bytes()); err != nil || len(back) != len(all) {
			t.Fatalf("%d came back of %d: %v", len(back), len(all), err)
		}
	})
}
