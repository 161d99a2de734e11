package principal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/fault"
)

const (
	maxName = 100 // characters in NFC

	// maxBytes bounds the work of normalising. It leaves room for names that
	// come decomposed, which takes up to 9 bytes a character.
	maxBytes = 12 * maxName
)

// ParseName trims a display name and returns it in NFC, or every rule it
// breaks: not_blank, max_length, control_characters (contract §7.3). Control
// characters include line separators and what turns the direction of text,
// with which a name could pass for something else in a mail.
func ParseName(s string) (string, []fault.Rule) {
	if s = strings.TrimSpace(s); len(s) > maxBytes {
		return "", []fault.Rule{fault.RuleMaxLength}
	}
	s = norm.NFC.String(s)
	var broken []fault.Rule
	if s == "" {
		broken = append(broken, fault.RuleNotBlank)
	}
	if utf8.RuneCountInString(s) > maxName {
		broken = append(broken, fault.RuleMaxLength)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, forbidden) {
		broken = append(broken, fault.RuleControlCharacters)
	}
	if broken != nil {
		return "", broken
	}
	return s, nil
}

func forbidden(r rune) bool {
	bidi := (r >= 0x202A && r <= 0x202E) || (r >= 0x2066 && r <= 0x2069)
	return unicode.IsControl(r) || bidi || r == 0x2028 || r == 0x2029 || r == 0xFEFF
}
