package group_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"gatehouse/domain/fault"
	"gatehouse/domain/group"
)

func TestAKeyIsAWordThatNeedsNoEscaping(t *testing.T) {
	for key, want := range map[string]bool{
		"staff": true, "Staff": true, "9": true, "a.b_c-d": true, "A" + strings.Repeat("-", 63): true,
		"A" + strings.Repeat("-", 64): false, "": false, "-a": false, ".a": false, "_a": false, "a b": false, "a/b": false, "ä": false,
		"a\n": false, "a\x00": false, " a": false,
	} {
		if got := group.ValidKey(key); got != want {
			t.Errorf("ValidKey(%q) = %t", key, got)
		}
	}
}

func called(names ...string) group.Texts {
	texts := group.Texts{}
	for _, locale := range names {
		texts[locale] = group.Text{Name: "name in " + locale}
	}
	return texts
}

func TestAGroupIsDeliveredInTheLanguageThatSuitsBest(t *testing.T) {
	for _, tc := range []struct{ there, wanted, service, want string }{
		{"en de de-AT", "de-AT", "en", "de-AT"},
		{"en de de-AT", "de", "en", "de"},
		{"en de de-AT", "de-CH", "en", "de"},
		{"en de-CH de-AT", "de", "en", "de-AT"},
		{"en de-CH de-AT", "de-DE", "en", "de-AT"},
		{"en zh-Hant", "zh-Hans", "en", "zh-Hant"},
		{"en de", "fr", "en", "en"},
		{"en de", "fr", "de", "de"},
		{"en de", "d", "en", "en"},
		{"pt de", "fr", "en", "de"},
		{"pt", "fr", "en", "pt"},
		{"de-AT de", "fr", "de-AT", "de-AT"},
	} {
		g := group.Restore("staff", called(strings.Fields(tc.there)...))
		want := group.Delivered{Key: "staff", Locale: tc.want, Text: group.Text{Name: "name in " + tc.want}}
		if got := g.In(tc.wanted, tc.service); got != want {
			t.Errorf("of %q, %s is wanted where %s is spoken: %+v, want %s", tc.there, tc.wanted, tc.service, got, tc.want)
		}
	}
}

func TestAGroupSpeaksTheLanguageOfTheService(t *testing.T) {
	for there, want := range map[string]fault.Code{"en": "", "en de": "", "": fault.InvalidGroupTranslation, "de": fault.InvalidGroupTranslation, "en-GB": fault.InvalidGroupTranslation} {
		if _, err := group.New("staff", called(strings.Fields(there)...), "en"); fault.CodeOf(err) != want {
			t.Errorf("New in %q = %v, want code %q", there, err, want)
		}
	}
}

func TestTextsGoBeforeOthersCome(t *testing.T) {
	for _, tc := range []struct {
		without, with, want string
		code                fault.Code
	}{
		{"", "", "de en", ""},
		{"de", "", "en", ""},
		{"fr", "", "de en", ""},
		{"", "fr de", "de en fr", ""},
		{"de", "de fr", "de en fr", ""},
		{"en", "en", "de en", ""},
		{"en", "", "", fault.InvalidGroupTranslation},
		{"en de", "fr", "", fault.InvalidGroupTranslation},
	} {
		g := group.Restore("staff", called("en", "de"))
		with := called(strings.Fields(tc.with)...)
		for locale := range with {
			with[locale] = group.Text{Name: "anew"}
		}
		next, err := g.Rewrite(strings.Fields(tc.without), with, "en")
		if fault.CodeOf(err) != tc.code {
			t.Errorf("without %q and with %q: %v, want code %q", tc.without, tc.with, err, tc.code)
		}
		if err != nil {
			continue
		}
		texts := next.Texts()
		if got := strings.Join(slices.Sorted(maps.Keys(texts)), " "); got != tc.want || next.Key() != "staff" {
			t.Errorf("without %q and with %q it has %q, want %q", tc.without, tc.with, got, tc.want)
		}
		for locale, text := range texts {
			if _, anew := with[locale]; anew != (text.Name == "anew") {
				t.Errorf("without %q and with %q the text in %s is %q", tc.without, tc.with, locale, text.Name)
			}
		}
		if !maps.Equal(g.Texts(), called("en", "de")) {
			t.Error("the group itself has changed")
		}
	}
}

// plain knows tags of two letters, in any case.
func plain(tag string) (string, bool) { return strings.ToLower(tag), len(tag) == 2 }

func TestTextsAreReadByTheirRules(t *testing.T) {
	name, description := strings.Repeat("ä", 100), strings.Repeat("ä", 1000)
	for _, tc := range []struct {
		typed group.Texts
		rules string // that are broken
	}{
		{group.Texts{}, ""},
		{group.Texts{"EN": {Name: " Staff ", Description: " two\nlines\t"}}, ""},
		{group.Texts{"en": {Name: name, Description: description}}, ""},
		{group.Texts{"en": {Name: "A\u030a" + name[2:]}}, ""}, // one character in NFC
		{group.Texts{"en": {Name: name + "ä", Description: description + "ä"}}, "t.en.name:max_length t.en.description:max_length"},
		{group.Texts{"en": {Name: " \t"}, "de": {}}, "t.de.name:not_blank t.en.name:not_blank"},
		{group.Texts{"en": {Name: "a\nb", Description: "\x00"}}, "t.en.name:control_characters t.en.description:control_characters"},
		{group.Texts{"en": {Name: "a\xff", Description: "\x1b[0m"}}, "t.en.name:control_characters t.en.description:control_characters"},
		{group.Texts{"english": {Name: "a"}, "": {Name: "b"}}, "t.:locale t.english:locale"},
		{group.Texts{"en": {Name: "a"}, "EN": {Name: "b"}, "de": {Name: "c"}}, "t.en:locale"},
	} {
		texts, f := group.Read(tc.typed, "t", plain, fault.New(fault.InvalidRequest))
		var rules []string
		for _, b := range f.Broken() {
			rules = append(rules, b.Field+":"+string(b.Rule))
		}
		if got := strings.Join(rules, " "); got != tc.rules {
			t.Errorf("%+.80v breaks %q, want %q", tc.typed, got, tc.rules)
		}
		if tc.rules == "" && len(texts) != len(tc.typed) {
			t.Errorf("%+.80v is read as %+.80v", tc.typed, texts)
		}
	}
	texts, _ := group.Read(group.Texts{"EN": {Name: " Sta\u0308ff ", Description: " x\n"}}, "t", plain, fault.New(fault.InvalidRequest))
	if want := (group.Text{Name: "Stäff", Description: " x\n"}); texts["en"] != want {
		t.Errorf("read as %+q, want %+q", texts, want)
	}
}

func TestLocalesAreReadByTheirRule(t *testing.T) {
	locales, f := group.ReadLocales([]string{"EN", "english", "en"}, "l", plain, fault.New(fault.InvalidRequest))
	if b := f.Broken(); len(b) != 1 || b[0] != (fault.Violation{Field: "l.1", Rule: fault.RuleLocale}) || locales[0] != "en" || locales[2] != "en" {
		t.Errorf("%v, broken %v", locales, b)
	}
}

func FuzzReadingKeepsTextsWithinTheirRules(f *testing.F) {
	f.Add("Staff", "People\nwho work here")
	f.Add("\u0958\u0958", "\u0000")
	f.Fuzz(func(t *testing.T, name, description string) {
		texts, broken := group.Read(group.Texts{"en": {Name: name, Description: description}}, "t", plain, fault.New(fault.InvalidRequest))
		if len(broken.Broken()) > 0 {
			return
		}
		again, broken := group.Read(texts, "t", plain, fault.New(fault.InvalidRequest))
		if len(broken.Broken()) > 0 || again["en"] != texts["en"] {
			t.Errorf("what was read as %+q is read again as %+q, broken %v", texts, again, broken.Broken())
		}
	})
}
