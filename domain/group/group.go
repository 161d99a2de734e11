// Package group holds labels for users, which tokens carry to whoever asks
// there. No permission inside Gatehouse depends on them (contract §7.7).
package group

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"gatehouse/domain/fault"
)

// key is what a group is called by, case-sensitive and for ever.
var key = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ValidKey reports whether a group can have this key.
func ValidKey(s string) bool { return key.MatchString(s) }

// Text is what a group is called and said to be in one language.
type Text struct{ Name, Description string }

// Texts are what a group is called, by canonical language tag.
type Texts map[string]Text

// Delivered is a group as somebody is shown it, in the language of Locale.
type Delivered struct {
	Key, Locale string
	Text
}

// Group is a group with its texts. Change it through its methods, which keep it
// valid.
type Group struct {
	key   string
	texts Texts
}

// New returns a group with valid texts. It refuses with
// INVALID_GROUP_TRANSLATION when they lack the language of the service.
func New(key string, texts Texts, service string) (Group, error) {
	g := Restore(key, texts)
	return g, g.speaks(service)
}

// Restore rebuilds a group that was saved earlier.
func Restore(key string, texts Texts) Group { return Group{key, maps.Clone(texts)} }

// Key returns what the group is called by.
func (g Group) Key() string { return g.key }

// Texts returns all texts; the map is the caller's own.
func (g Group) Texts() Texts { return maps.Clone(g.texts) }

// Rewrite returns the group without some texts, and then with others. It
// refuses as [New] does.
func (g Group) Rewrite(without []string, with Texts, service string) (Group, error) {
	next := Group{g.key, Texts{}}
	maps.Copy(next.texts, g.texts)
	for _, locale := range without {
		delete(next.texts, locale)
	}
	maps.Copy(next.texts, with)
	return next, next.speaks(service)
}

func (g Group) speaks(service string) error {
	if _, ok := g.texts[service]; !ok {
		return fault.New(fault.InvalidGroupTranslation)
	}
	return nil
}

// In returns the group in the language that suits who wants one (contract §4):
// that very tag, or else another one of the language, that of the service, or
// any. Of several the first in alphabetical order is taken.
func (g Group) In(wanted, service string) Delivered {
	best := slices.MinFunc(slices.Collect(maps.Keys(g.texts)), func(a, b string) int {
		if d := distance(a, wanted, service) - distance(b, wanted, service); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return Delivered{g.key, best, g.texts[best]}
}

func distance(locale, wanted, service string) int {
	switch {
	case locale == wanted:
		return 0
	case Language(locale) == Language(wanted):
		return 1
	case locale == service:
		return 2
	}
	return 3
}

// Language is the first part of a canonical tag.
func Language(tag string) string {
	language, _, _ := strings.Cut(tag, "-")
	return language
}
