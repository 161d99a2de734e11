package i18n_test

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"gatehouse/adapters/i18n"
	"gatehouse/domain/fault"
	"gatehouse/locales"
)

// What stands in for what a mail may say.
var placeholders = map[string]any{
	"App": "Gatehouse", "Name": "Ada", "Label": "Browser", "Value": "Firefox", "Hours": 24, "Minutes": 24,
}

// forms are the plural forms each language has for whole numbers, besides other
// (Unicode CLDR 48, cardinal rules).
var forms = map[string][]string{
	"de": {"one"}, "en": {"one"}, "es": {"one", "many"}, "fr": {"one", "many"}, "it": {"one", "many"}, "ja": {},
	"nl": {"one"}, "pl": {"one", "few", "many"}, "pt": {"one", "many"}, "tr": {"one"}, "zh-Hans": {},
}

var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

func load(t testing.TB, fallback string, supported ...string) *i18n.Catalogue {
	t.Helper()
	c, err := i18n.Load(locales.Files, fallback, supported)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// texts returns the messages of every shipped file, by language and key.
func texts(t testing.TB) map[string]map[string]*goi18n.Message {
	t.Helper()
	names, err := fs.Glob(locales.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]*goi18n.Message{}
	for _, name := range names {
		content, err := fs.ReadFile(locales.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := goi18n.ParseMessageFileBytes(content, name, map[string]goi18n.UnmarshalFunc{"toml": toml.Unmarshal})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		byKey := map[string]*goi18n.Message{}
		for _, m := range file.Messages {
			byKey[m.ID] = m
		}
		all[file.Tag.String()] = byKey
	}
	for lang := range all {
		if _, ok := forms[lang]; !ok {
			t.Fatalf("nobody says which plural forms %s has", lang)
		}
	}
	return all
}

func formsOf(m *goi18n.Message) []string {
	return slices.DeleteFunc([]string{m.Zero, m.One, m.Two, m.Few, m.Many, m.Other}, func(s string) bool { return s == "" })
}

func TestEveryCodeAndRuleIsSaidInEveryLanguage(t *testing.T) {
	fixed := make([]string, 0, 128)
	for _, code := range fault.Codes() {
		fixed = append(fixed, string(code))
	}
	for _, rule := range fault.Rules() {
		fixed = append(fixed, "rule."+string(rule))
	}
	for lang, messages := range texts(t) {
		c := load(t, lang, lang)
		for _, key := range fixed {
			m := messages[key]
			if m == nil {
				t.Errorf("%s says nothing for %s", lang, key)
			} else if got := c.Say(lang, key); got != m.Other || strings.Contains(got, "{") {
				t.Errorf("%s says %q for %s", lang, got, key)
			}
		}
		for key := range messages {
			if !slices.Contains(fixed, key) && !strings.HasPrefix(key, "mail.") {
				t.Errorf("%s has an unknown key %q", lang, key)
			}
		}
	}
}

func TestEveryLanguageSaysTheSameThings(t *testing.T) {
	all := texts(t)
	want := slices.Sorted(maps.Keys(all["en"]))
	for lang, messages := range all {
		if got := slices.Sorted(maps.Keys(messages)); !slices.Equal(got, want) {
			t.Errorf("%s has keys\n%q\nbut en has\n%q", lang, got, want)
			continue
		}
		for key, m := range messages {
			for _, form := range append(formsOf(m), m.Other) {
				if got, want := namesIn(form), namesIn(all["en"][key].Other); !slices.Equal(got, want) {
					t.Errorf("%s in %s uses %q, in en %q", key, lang, got, want)
				}
			}
		}
	}
}

func namesIn(text string) (names []string) {
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestTextsAreCleanlyWritten(t *testing.T) {
	for lang, messages := range texts(t) {
		for key, m := range messages {
			for _, form := range append(formsOf(m), m.Other) {
				if form == "" || strings.TrimSpace(form) != form || strings.ContainsAny(form, "\r\n\t<>") || strings.Contains(form, "  ") {
					t.Errorf("%s in %s is empty or has stray white space or markup: %q", key, lang, form)
				}
				if rest := placeholder.ReplaceAllString(form, ""); strings.ContainsAny(rest, "{}") {
					t.Errorf("%s in %s has a template that is no plain placeholder: %q", key, lang, form)
				}
				for _, name := range namesIn(form) {
					if _, ok := placeholders[name]; !ok {
						t.Errorf("%s in %s uses the unknown placeholder %s", key, lang, name)
					}
					if strings.HasSuffix(key, ".subject") && name != "App" {
						t.Errorf("%s in %s lets %s into a subject", key, lang, name)
					}
				}
			}
		}
	}
}

func TestEveryMailTextCanBeFilled(t *testing.T) {
	for lang, messages := range texts(t) {
		c := load(t, lang, lang) // nothing to fall back to
		for key, m := range messages {
			for _, n := range []int{0, 1, 2, 5, 12, 22, 24, 101, 1_000_000} {
				data := map[string]any{}
				for _, name := range namesIn(m.Other) {
					if data[name] = placeholders[name]; data[name] == 24 {
						data[name] = n
					}
				}
				got, err := c.Text(lang, key, data)
				if err != nil || got == "" || strings.Contains(got, "{{") {
					t.Errorf("%s in %s with %d: %q, %v", key, lang, n, got, err)
				}
			}
		}
	}
}

// x/text is older than the many of Romance languages, but knows the rest.
func TestThePluralFormsAreThoseOfCLDR(t *testing.T) {
	names := map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many"}
	for lang, known := range forms {
		seen := map[string]bool{}
		for n := range 1001 {
			form := plural.Cardinal.MatchPlural(language.MustParse(lang), n, 0, 0, 0, 0)
			if name := names[form]; name != "" && !slices.Contains(known, name) {
				t.Fatalf("%s has the form %s for %d", lang, name, n)
			}
			seen[names[form]] = true
		}
		for _, name := range known {
			if !seen[name] && (name != "many" || !slices.Contains([]string{"es", "fr", "it", "pt"}, lang)) {
				t.Errorf("%s never uses the form %s", lang, name)
			}
		}
	}
}

func TestTextsHaveThePluralFormsOfTheirLanguage(t *testing.T) {
	for lang, messages := range texts(t) {
		for key, m := range messages {
			var got []string
			for _, form := range []struct{ name, text string }{
				{"zero", m.Zero}, {"one", m.One}, {"two", m.Two}, {"few", m.Few}, {"many", m.Many},
			} {
				if form.text != "" {
					got = append(got, form.name)
				}
			}
			var want []string
			if names := namesIn(m.Other); slices.Contains(names, "Hours") || slices.Contains(names, "Minutes") {
				want = forms[lang]
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s in %s has the forms %q besides other, want %q", key, lang, got, want)
			}
		}
	}
}

// What may be the same in another language as in English: names, borrowed
// words, and the shape of a line.
var alike = regexp.MustCompile(`^mail\.shared\.(lead|pair|label\.(details|browser|os|location|factor)|factor\.(totp|passkey))$`)

// English words that no other language here has.
var english = regexp.MustCompile(`(?i)\b(the|your|please|this|with|again|and|from|has been)\b`)

func TestNothingIsLeftInEnglish(t *testing.T) {
	all := texts(t)
	for lang, messages := range all {
		if lang == "en" {
			continue
		}
		for key, m := range messages {
			for _, form := range append(formsOf(m), m.Other) {
				if form == all["en"][key].Other && !alike.MatchString(key) {
					t.Errorf("%s in %s is the English %q", key, lang, form)
				}
				if word := english.FindString(form); word != "" {
					t.Errorf("%s in %s says %q in %q", key, lang, word, form)
				}
			}
		}
	}
}

// typos are what the typography of a language does not have.
var typos = map[string]*regexp.Regexp{
	// A narrow no-break space before ; ! ?, a no-break space before a colon.
	"fr": regexp.MustCompile(`[^\x{202f}];|[^\x{202f} ][!?]|[^\x{a0}\d]:|\d:[^\d]|'|"`),
	"de": regexp.MustCompile(`'|"| [;:!?](?: |$)[^o]`),
	"es": regexp.MustCompile(`'|"`), "it": regexp.MustCompile(`'|"`), "nl": regexp.MustCompile(`'|"`),
	"pl": regexp.MustCompile(`'|"`), "pt": regexp.MustCompile(`'|"`), "tr": regexp.MustCompile(`'|"`), "en": regexp.MustCompile(`'|"`),
	// Full-width punctuation, and no space between sentences.
	"ja":      regexp.MustCompile(`[\p{Han}\p{Hiragana}\p{Katakana}][,.;:!?()]|[、。] |'|"`),
	"zh-Hans": regexp.MustCompile(`[\p{Han}][,.;:!?()]|[，。；：] |'|"`),
}

func TestTextsHaveTheTypographyOfTheirLanguage(t *testing.T) {
	for lang, messages := range texts(t) {
		for key, m := range messages {
			for _, form := range append(formsOf(m), m.Other) {
				if wrong := typos[lang].FindString(form); wrong != "" {
					t.Errorf("%s in %s has %q in %q", key, lang, wrong, form)
				}
			}
		}
	}
}
