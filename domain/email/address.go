// Package email holds what an e-mail address is, when two of them are the
// same, and which ones are acceptable (contract §7.2).
package email

import (
	"log/slog"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/fault"
)

// maxLength is the most characters an address may have (RFC 5321 §4.5.3.1.3).
const maxLength = 254

// enough bytes for any address, which bounds the work of looking at one.
const enough = 4*maxLength + 64

// Address is one acceptable address. Its spelling is for display and mails,
// its normal form for everything that compares.
type Address struct{ typed string }

// Parse trims s and checks it. It returns the rules s breaks, if any:
// not_blank, max_length or email.
func Parse(s string) (Address, []fault.Rule) {
	s = strings.TrimSpace(s)
	switch {
	case len(s) > enough:
		return Address{}, []fault.Rule{fault.RuleMaxLength}
	case s == "":
		return Address{}, []fault.Rule{fault.RuleNotBlank}
	case utf8.RuneCountInString(s) > maxLength:
		return Address{}, []fault.Rule{fault.RuleMaxLength}
	case !wellFormed(s):
		return Address{}, []fault.Rule{fault.RuleEmail}
	}
	return Address{s}, nil
}

// wellFormed asks for one bare address: no display name, quoted local part, IP
// literal or invisible character, all of which net/mail would accept.
func wellFormed(s string) bool {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unwanted) || strings.ContainsAny(s, `[]"<>()`) {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s
}

func unwanted(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
}

// Restore returns an address that was accepted and stored earlier.
func Restore(typed string) (Address, bool) {
	a, broken := Parse(typed)
	return a, len(broken) == 0
}

// Typed returns the address as its owner spells it.
func (a Address) Typed() string { return a.typed }

// Normal returns the normal form, see [Normal].
func (a Address) Normal() string { return Normal(a.typed) }

// LocalPart returns what stands before the @.
func (a Address) LocalPart() string {
	local, _, _ := strings.Cut(a.typed, "@")
	return local
}

// IsZero reports whether there is no address, as with guests.
func (a Address) IsZero() bool { return a.typed == "" }

// Normal returns the form in which spellings of one address are equal: NFC,
// trimmed, lower case. Dots and +tags are significant. It takes any text,
// since a sign-in checks no format; what is too long for an address is cut, so
// that the work stays bounded.
func Normal(s string) string {
	if s = strings.TrimSpace(s); len(s) > enough {
		s = s[:enough]
	}
	// Some letters have a composed form in lower case only, so composing once,
	// before, would leave "J̌" and "ǰ" apart.
	return norm.NFC.String(strings.ToLower(norm.NFC.String(s)))
}

// LogValue keeps addresses out of logs.
func (Address) LogValue() slog.Value { return slog.StringValue("[address]") }
