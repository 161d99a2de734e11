package principal_test

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/principal"
)

func TestNamesThatDifferInCaseAreAlike(t *testing.T) {
	for _, alike := range [][]string{
		{"ada", "Ada", "ADA"},
		{"zoë", "ZOË", norm.NFD.String("Zoë")},
		{"straße", "Straße", "STRAẞE"},
		{"ςίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"},
		{"kelvin", "\u212aelvin", "KELVIN"},
		{"irmak", "İrmak"},
		{"李小龍"},
	} {
		for _, s := range alike {
			if got, want := principal.Fold(s), principal.Fold(alike[0]); got != want {
				t.Errorf("%q becomes %q, and %q becomes %q", s, got, alike[0], want)
			}
		}
	}
	for _, different := range [][2]string{{"ada", "åda"}, {"o", "0"}, {"ss", "ß"}, {"a", "а"}} {
		if principal.Fold(different[0]) == principal.Fold(different[1]) {
			t.Errorf("%q passes for %q", different[0], different[1])
		}
	}
}

func TestEveryCharacterIsFoldedOnceAndForAll(t *testing.T) {
	for r := range rune(unicode.MaxRune + 1) {
		if unicode.SimpleFold(r) == r && unicode.ToLower(r) == r {
			continue // there is nothing to fold
		}
		c := string(r)
		once := principal.Fold(c)
		if twice := principal.Fold(once); twice != once {
			t.Errorf("%q becomes %q and then %q", c, once, twice)
		}
		if upper := principal.Fold(strings.ToUpper(c)); norm.NFC.String(c) == c && upper != once && len([]rune(strings.ToUpper(c))) == 1 && unicode.SimpleFold(r) != r {
			t.Errorf("%q becomes %q, in upper case %q", c, once, upper)
		}
	}
}
