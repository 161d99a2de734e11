package i18n

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// Bounds for what strangers send.
const (
	maxTag    = 35 // bytes; RFC 5646 §4.4.1 needs no more
	maxHeader = 256
	maxWanted = 10
)

// canonical replaces deprecated subtags and bibliographic codes and leaves out
// scripts that go without saying.
const canonical = language.BCP47 | language.Legacy

var unknown language.Base // of und, x-private and the like

// parse reads a tag of registered subtags that names a language.
func parse(s string) (language.Tag, bool) {
	if len(s) > maxTag {
		return language.Und, false
	}
	tag, err := canonical.Parse(s)
	if err != nil || baseOf(tag) == unknown {
		return language.Und, false
	}
	// What the parser makes of a malformed extension is sometimes no tag itself.
	again, err := canonical.Parse(tag.String())
	if err != nil || again != tag || !wellExtended(tag.String()) {
		return language.Und, false
	}
	return tag, true
}

// wellExtended reports whether the extensions of a tag are registered ones, each
// there once (RFC 5646 §2.2.6, RFC 6067, RFC 6497). The parser lets any pass:
// it takes "not-a-locale" for Nomatsiguenga.
func wellExtended(tag string) bool {
	seen := ""
	for subtag := range strings.SplitSeq(tag, "-") {
		switch {
		case subtag == "x":
			return true
		case len(subtag) > 1:
		case subtag != "u" && subtag != "t", strings.Contains(seen, subtag):
			return false
		default:
			seen += subtag
		}
	}
	return true
}

// baseOf returns the language as written. Tag.Base would guess one from a region.
func baseOf(tag language.Tag) language.Base {
	base, _, _ := tag.Raw()
	return base
}

// accepted reads a tag or an Accept-Language header, the most wanted tag first.
// Entries that are not readable are left out, as are those refused with q=0.
func accepted(header string) []language.Tag {
	type choice struct {
		tag language.Tag
		q   float32
	}
	var choices []choice
	entries := strings.Split(cut(header), ",")
	for _, entry := range entries[:min(len(entries), maxWanted)] {
		// One at a time: a single bad entry would spoil the whole header.
		tags, q, err := language.ParseAcceptLanguage(entry)
		if err == nil && len(tags) == 1 && q[0] <= 1 { // NaN is not
			choices = append(choices, choice{tags[0], q[0]})
		}
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(b.q, a.q) })
	tags := make([]language.Tag, 0, len(choices))
	for _, c := range choices {
		tags = append(tags, c.tag)
	}
	return tags
}

// cut shortens a long header to the entries that are whole.
func cut(header string) string {
	if len(header) <= maxHeader {
		return header
	}
	end := strings.LastIndexByte(header[:maxHeader+1], ',')
	return header[:max(end, 0)]
}
