package group

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/fault"
)

const (
	maxName        = 100 // characters in NFC
	maxDescription = 1000
)

// Canonical returns the one way to write a language tag, if it is one.
type Canonical func(tag string) (string, bool)

// Read takes texts as they were typed, by whatever they call a language. Names
// are trimmed. What is broken it adds to f, by the path of field: locale, also
// where two tags are one language; not_blank and max_length; and
// control_characters, which no text has but for line breaks and tabs in a
// description.
func Read(typed Texts, field string, canonical Canonical, f *fault.Error) (Texts, *fault.Error) {
	texts := Texts{}
	for _, tag := range slices.Sorted(maps.Keys(typed)) {
		at := field + "." + tag
		locale, ok := canonical(tag)
		if _, twice := texts[locale]; !ok || twice {
			f = f.On(at, fault.RuleLocale)
		}
		name, brokenName := readName(typed[tag].Name)
		description, brokenDescription := readDescription(typed[tag].Description)
		f = f.On(at+".name", brokenName...).On(at+".description", brokenDescription...)
		texts[locale] = Text{name, description}
	}
	return texts, f
}

// ReadLocales is [Read] for language tags alone.
func ReadLocales(typed []string, field string, canonical Canonical, f *fault.Error) ([]string, *fault.Error) {
	locales := make([]string, len(typed))
	for i, tag := range typed {
		locale, ok := canonical(tag)
		if !ok {
			f = f.On(field+"."+strconv.Itoa(i), fault.RuleLocale)
		}
		locales[i] = locale
	}
	return locales, f
}

func readName(s string) (string, []fault.Rule) {
	s = norm.NFC.String(strings.TrimSpace(s))
	var broken []fault.Rule
	if s == "" {
		broken = append(broken, fault.RuleNotBlank)
	}
	return s, append(broken, tooMuch(s, maxName, unicode.IsControl)...)
}

func readDescription(s string) (string, []fault.Rule) {
	s = norm.NFC.String(s)
	return s, tooMuch(s, maxDescription, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) })
}

func tooMuch(s string, most int, forbidden func(rune) bool) (broken []fault.Rule) {
	if utf8.RuneCountInString(s) > most {
		broken = append(broken, fault.RuleMaxLength)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, forbidden) {
		broken = append(broken, fault.RuleControlCharacters)
	}
	return broken
}
