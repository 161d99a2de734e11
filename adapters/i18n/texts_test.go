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

	"gatehouse/adapters/i18n"
	"gatehouse/domain/fault"
	"gatehouse/locales"
)

// What a mail may say, and what stands in for it here.
var placeholders = map[string]any{
	"App": "Gatehouse", "Name": "Ada", "Link": "https://id.example.com/x?token=t", "Time": "12:00",
	"Browser": "Firefox", "OS": "Linux", "Address": "192.0.2.1", "Location": "Paris", "Hours": 24,
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
	if len(all) != 4 {
		t.Fatalf("%d languages are shipped, want 4", len(all))
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
		for key := range messages {
			for _, hours := range []int{0, 1, 2, 24, 1_000_000} {
				data := maps.Clone(placeholders)
				data["Hours"] = hours
				got, err := c.Text(lang, key, data)
				if err != nil || got == "" || strings.Contains(got, "{{") {
					t.Errorf("%s in %s with %d hours: %q, %v", key, lang, hours, got, err)
				}
			}
		}
	}
}

func TestEveryMailKindHasItsParts(t *testing.T) {
	alert := []string{"subject", "heading", "intro", "was_you", "not_you"}
	for kind, parts := range map[string][]string{
		"shared":                              {"greeting", "link_hint", "automatic", "footer"},
		"shared.label":                        {"details", "time", "browser", "os", "address", "location"},
		"email_verification":                  {"subject", "heading", "intro", "action", "expires", "ignore"},
		"registration_alert":                  alert,
		"login_alert":                         alert,
		"security_alert.password_changed":     alert,
		"security_alert.refresh_token_reused": alert,
	} {
		for lang, messages := range texts(t) {
			for _, part := range parts {
				if messages["mail."+kind+"."+part] == nil {
					t.Errorf("%s has no %s for %s", lang, part, kind)
				}
			}
		}
	}
}
