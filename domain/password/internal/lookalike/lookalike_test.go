package lookalike_test

import (
	"strings"
	"testing"

	"gatehouse/domain/password/internal/lookalike"
)

func TestLookAlikesAreEqual(t *testing.T) {
	for _, same := range [][2]string{
		{"", ""},
		{"p@$$w0rd1", "passwordl"},
		{"pa$sword1", "p@sswordl"},
		{"13@0$", "leaos"},
		{"größe", "größ3"},
	} {
		if lookalike.Compare(same[0], same[1]) != 0 {
			t.Errorf("%q and %q differ", same[0], same[1])
		}
	}
	for _, differ := range [][2]string{{"", "a"}, {"a", "A"}, {"2", "z"}, {"!", "l"}, {"abc", "abcd"}} {
		if lookalike.Compare(differ[0], differ[1]) == 0 {
			t.Errorf("%q and %q are equal", differ[0], differ[1])
		}
	}
}

// Compare must be a total order, or a binary search with it would lose entries.
func FuzzCompare(f *testing.F) {
	folding := strings.NewReplacer("@", "a", "0", "o", "1", "l", "3", "e", "$", "s")
	f.Add("p@ssw0rd", "password!")
	f.Add("\xff1", "\xffl")
	f.Fuzz(func(t *testing.T, a, b string) {
		want := strings.Compare(folding.Replace(a), folding.Replace(b))
		if got := lookalike.Compare(a, b); sign(got) != want || sign(lookalike.Compare(b, a)) != -want {
			t.Fatalf("Compare(%q, %q) = %d, want the sign of %d", a, b, got, want)
		}
	})
}

func sign(n int) int { return max(-1, min(n, 1)) }
