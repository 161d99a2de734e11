package recovery_test

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/domain/password"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
)

// letters is the alphabet as the contract writes it: A-Z2-9 without I and O.
const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

func TestEveryByteMakesALetterAndNoneIsFavoured(t *testing.T) {
	times := map[rune]int{}
	for b := range 256 {
		var random [recovery.Length]byte
		for i := range random {
			random[i] = byte(b)
		}
		code := recovery.Make(random).Reveal()
		if len(code) != 10 || strings.Trim(code, code[:1]) != "" {
			t.Fatalf("ten bytes %d make %q", b, code)
		}
		times[rune(code[0])]++
	}
	if len(times) != len(letters) {
		t.Errorf("%d letters, want %d", len(times), len(letters))
	}
	for letter, n := range times {
		if n != 256/32 || !strings.ContainsRune(letters, letter) {
			t.Errorf("%q comes of %d bytes, want 8", letter, n)
		}
	}
	if got := recovery.Make([10]byte{0, 1, 31, 32, 63, 8, 9, 24, 255, 128}).Reveal(); got != "AB9A9JK29A" {
		t.Errorf("bytes in their order make %q", got)
	}
}

func TestCodesAreReadAsTheyAreTyped(t *testing.T) {
	for typed, want := range map[string]string{
		"K7QXBTM2ZD": "K7QXBTM2ZD", "k7qxbtm2zd": "K7QXBTM2ZD", " k7qx-BTM2 zd\n": "K7QXBTM2ZD", "K7QXB\u2013TM2ZD": "K7QXBTM2ZD",
		"K7QXB\u00a0TM2\u2011ZD": "K7QXBTM2ZD", "": "", "-": "", "K7QXBTM2Z": "", "K7QXBTM2ZDD": "", "K7QXBTM2ZO": "", "I7QXBTM2ZD": "",
		"07QXBTM2ZD": "", "17QXBTM2ZD": "", "K7QXBTM2Z\u017f": "", "\u212a7QXBTM2ZD": "", "K7QXBTM2ZD\x00": "", "K7QXBTM2Z\xff": "", "K7QXBTM2_D": "",
	} {
		c, ok := recovery.Parse(secret.New(typed))
		if ok != (want != "") || c.Reveal() != want || c.Missing() == ok {
			t.Errorf("Parse(%q) = %q, %v, want %q", typed, c.Reveal(), ok, want)
		}
	}
	if c, ok := recovery.Parse(secret.Text{}); ok || !c.Missing() {
		t.Error("a code that was not sent is one")
	}
}

func TestCodesCannotBePrinted(t *testing.T) {
	c := recovery.Make([10]byte{1})
	if printed := fmt.Sprintf("%v %+v %#v %s", c, c, c, []recovery.Code{c}); strings.Contains(printed, "BAAAAAAAAA") {
		t.Error(printed)
	}
}

func TestASetLosesWhatIsTakenOutAndNothingElse(t *testing.T) {
	a, b, c := password.NewHash("a"), password.NewHash("b"), password.NewHash("c")
	all := recovery.Set{a, b, c}
	rest, found := all.Without(password.NewHash("b"))
	if !found || len(rest) != 2 || !rest[0].Equal(a) || !rest[1].Equal(c) || !all[1].Equal(b) {
		t.Errorf("Without = %d, %v, and the set has %d", len(rest), found, len(all))
	}
	for _, stranger := range []password.Hash{b, {}, password.NewHash("A")} {
		if got, found := rest.Without(stranger); found || len(got) != 2 {
			t.Errorf("something that is not in the set was taken out of it: %v, %d", found, len(got))
		}
	}
	if !all.Like().Equal(a) || !(recovery.Set{}).Like().IsZero() {
		t.Error("Like is not the hash of one of the set")
	}
	if _, found := (recovery.Set{{}}).Without(password.Hash{}); found {
		t.Error("nobody's hash was found")
	}
}

// FuzzParse holds what it accepts to what codes are made of.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"K7QXBTM2ZD", "k7qx-btm2-zd", "", "\u017f", "IIIIIIIIII"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		c, ok := recovery.Parse(secret.New(typed))
		normal := c.Reveal()
		if !ok {
			if !c.Missing() {
				t.Errorf("Parse(%q) refuses and returns a code", typed)
			}
			return
		}
		if len(normal) != recovery.Length || strings.Trim(normal, letters) != "" {
			t.Errorf("Parse(%q) = %q, which is no code", typed, normal)
		}
		if again, ok := recovery.Parse(c.Text); !ok || !again.Equal(c.Text) {
			t.Errorf("Parse(%q) is not normal", normal)
		}
		if spaced, ok := recovery.Parse(secret.New(strings.ToLower(normal[:5]) + "- " + normal[5:])); !ok || !spaced.Equal(c.Text) {
			t.Errorf("%q is another code with a hyphen", normal)
		}
	})
}
