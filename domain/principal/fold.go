package principal

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Fold makes names that differ in nothing but case, or in how their characters
// are composed, the same: character by character, so that the fold of the
// beginning of a name is the beginning of its fold. Stores keep it, so it may
// not change for characters there are.
func Fold(name string) string { return strings.Map(fold, norm.NFC.String(name)) }

// fold returns the lower case of the first of those that differ from r in case
// alone: K is a letter, the sign of a unit, and k.
func fold(r rune) rune {
	first := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		first = min(first, other)
	}
	return unicode.ToLower(first)
}
