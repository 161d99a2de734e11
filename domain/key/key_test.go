package key_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"gatehouse/domain/key"
)

func TestMaterialNeverPrints(t *testing.T) {
	const text = "32 bytes that nobody may read !!"
	opened := key.Opened{Key: key.Key{ID: "k1"}, Material: key.NewMaterial([]byte(text))}
	type ring struct{ hidden key.Opened }
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "key", opened, "material", opened.Material, "list", []key.Opened{opened})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", opened.Material)
		fmt.Fprintf(&out, verb+"\n", opened)
		fmt.Fprintf(&out, verb+"\n", &opened)
		fmt.Fprintf(&out, verb+"\n", []key.Material{opened.Material})
		fmt.Fprintf(&out, verb+"\n", ring{opened})
		fmt.Fprintf(&out, verb+"\n", &ring{opened})
	}
	fmt.Fprintln(&out, opened.Material, opened.Material.String(), opened.Material.GoString())
	if err := json.NewEncoder(&out).Encode(opened); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), "51 50 32"} {
		if strings.Contains(out.String(), form) {
			t.Fatalf("a key leaked:\n%s", &out)
		}
	}
}

func TestEveryPurposeIsListedOnce(t *testing.T) {
	all := key.Purposes()
	slices.Sort(all)
	if want := []key.Purpose{key.BlindIndex, key.Encryption, key.Signing}; !slices.Equal(all, want) {
		t.Errorf("Purposes() = %v", all)
	}
}
