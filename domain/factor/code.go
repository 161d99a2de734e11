package factor

import (
	"strings"
	"unicode"

	"gatehouse/domain/secret"
)

// CodeDigits is how many digits a one-time code has (contract §7.4).
const CodeDigits = 6

// Code is a one-time code as it is compared: six digits that cannot be
// printed. The zero Code is none, and no code.
type Code struct{ secret.Text }

// ParseCode reads what somebody typed: six digits of ASCII, with any blanks
// between and around them.
func ParseCode(typed secret.Text) (Code, bool) {
	digits := make([]byte, 0, CodeDigits)
	for _, r := range typed.Reveal() {
		switch {
		case unicode.IsSpace(r):
			continue
		case r < '0' || r > '9' || len(digits) == CodeDigits:
			return Code{}, false
		}
		digits = append(digits, byte(r))
	}
	if len(digits) < CodeDigits {
		return Code{}, false
	}
	return Code{secret.New(string(digits))}, true
}

// PadCode writes a code that was sent as a number, in decimal, as its owner
// sees it: with the zeros in front that numbers do not have.
func PadCode(number string) string {
	return strings.Repeat("0", max(0, CodeDigits-len(number))) + number
}
