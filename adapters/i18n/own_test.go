package i18n_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"gatehouse/adapters/i18n"
)

// builtIn stands in for what we ship.
var builtIn = files(
	"active.en.toml", `CODE = "fixed"
[mail.x]
subject = "Mail of {{.App}}"
hello = "Hello {{.Name}}"
pair = "{{.Label}}: {{.Value}}"
[mail.x.hours]
one = "{{.Hours}} hour"
other = "{{.Hours}} hours"`,
	"active.de.toml", `CODE = "fest"
[mail.x]
subject = "Mail von {{.App}}"`)

func TestOwnTextsTakeThePlaceOfOurs(t *testing.T) {
	c, err := i18n.LoadOver(builtIn, files(
		"active.de.toml", `[mail.x]
subject = "Post!"`,
		"active.DE_at.toml", `CODE = "fix"`,
		"active.pl.toml", `mail.x.hours = {one = "jedna godzina", few = "{{ .Hours }} godziny", many = "{{.Hours}} godzin"}`,
		".draft", "neither read nor refused"), "en", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Languages(); !slices.Equal(got, []string{"de", "de-AT", "en", "pl"}) {
		t.Errorf("languages %q", got)
	}
	data := map[string]any{"App": "Acme", "Name": "Ada", "Label": "a", "Value": "b", "Hours": 22}
	for _, tc := range []struct{ lang, key, want, in string }{
		{"de", "mail.x.subject", "Post!", "de"},
		{"de", "CODE", "fest", "de"},
		{"de-AT", "CODE", "fix", "de-AT"},
		{"de-AT", "mail.x.subject", "Post!", "de"},
		{"pl", "mail.x.hours", "22 godziny", "pl"},
		{"pl", "mail.x.subject", "Mail of Acme", "en"},
		{"en", "mail.x.subject", "Mail of Acme", "en"},
	} {
		if got, err := c.Text(tc.lang, tc.key, data); err != nil || got != tc.want || c.Tongue(tc.lang, tc.key) != tc.in {
			t.Errorf("%s in %s: %q in %s, %v, want %q", tc.key, tc.lang, got, c.Tongue(tc.lang, tc.key), err, tc.want)
		}
	}
	if got := c.Missing("pl"); !slices.Equal(got, []string{"CODE", "mail.x.hello", "mail.x.pair", "mail.x.subject"}) {
		t.Errorf("pl lacks %q", got)
	}
}

func TestOwnLanguagesAreChosenLikeOurs(t *testing.T) {
	own := files("active.sv.toml", `CODE = "fast"`)
	for _, tc := range []struct {
		fallback  string
		supported []string
		want      string
	}{{"en", nil, "de en sv"}, {"sv", []string{"sv"}, "sv"}, {"de", []string{"de"}, "de"}} {
		c, err := i18n.LoadOver(builtIn, own, tc.fallback, tc.supported)
		if err != nil || strings.Join(c.Languages(), " ") != tc.want {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}

func TestEveryMistakeInOwnTextsIsNamedAtOnce(t *testing.T) {
	_, err := i18n.LoadOver(builtIn, files(
		"active.de.toml", `CODE = "holds {{.App}}"
COED = "x"
[mail.x]
subject = "Mail for {{.Name}}"
hello = "line\nline"
pair = "{{.Label}}"`,
		"active.fr.toml", `CODE = {other = "x", leftDelim = "<<"}
mail.x.subject = "{{if .App}}x{{end}}"
mail.x.hello = "  "
mail.x.pair = {one = "{{.Label}} {{.Value}}", other = "{{.Label}} {{.Value}}"}
mail.x.hours = "{{.Hours}}"`,
		"active.es.toml", `mail.x.hours = {one = "x", many = "{{.Hours}}", other = "y"}`,
		"active.pl.toml", `CODE = "a`,
		"active.nl.toml", `CODE = 1`,
		"active.sv.toml", "CODE = \"a\"\n[other]\nid = \"CODE\"\nother = \"b\"",
		"active.tlh.toml", `CODE = "x"`,
		"active.it.toml", "", "active.IT.toml", "",
		"german.toml", "", "README", "", "active.xx.toml", "", "active.de.yaml", ""), "en", nil)
	if err == nil {
		t.Fatal("all was taken")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []string{
		"active.de.toml: CODE: uses {{.App}}, but can have none",
		"active.de.toml: COED: is no key of ours",
		"active.de.toml: mail.x.subject: uses {{.Name}}, but can have only {{.App}}",
		"active.de.toml: mail.x.hello: has a line break or another control character",
		"active.de.toml: mail.x.pair: lacks {{.Value}}",
		"active.fr.toml: CODE: must keep the delimiters {{ and }}",
		"active.fr.toml: mail.x.subject: may use {{ and }} for placeholders such as {{.App}} only",
		"active.fr.toml: mail.x.hello: lacks the form other",
		"active.fr.toml: mail.x.pair: has the form one, which nothing would use",
		"active.fr.toml: mail.x.hours: lacks the form one",
		"active.fr.toml: mail.x.hours: lacks the form many",
		"active.es.toml: mail.x.hours: lacks {{.Hours}}",
		"active.sv.toml: CODE: is there twice",
		"active.it.toml: a second file for it",
		"german.toml: want active.<language tag>.toml",
		"README: want active.<language tag>.toml",
		"active.xx.toml: want active.<language tag>.toml",
		"active.de.yaml: want active.<language tag>.toml",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("nobody says %q", want)
		}
	}
	for _, prefix := range []string{"active.pl.toml: toml: line 1", "active.nl.toml: ", "active.tlh.toml: no plural rule"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, prefix) }) {
			t.Errorf("nobody says %q", prefix)
		}
	}
	if len(lines) != 21 {
		t.Errorf("%d mistakes, want 21:\n%v", len(lines), err)
	}
}

func TestOwnTextsAreBounded(t *testing.T) {
	many := fstest.MapFS{".hidden": {Data: nil}}
	for i := range 100 {
		many[fmt.Sprintf("active.de-x-%d.toml", i)] = &fstest.MapFile{Data: []byte(`CODE = "x"`)}
	}
	if _, err := i18n.LoadOver(builtIn, many, "en", nil); err != nil {
		t.Errorf("100 files: %v", err)
	}
	many["active.fr.toml"] = &fstest.MapFile{Data: nil}
	full := `CODE = "x" #` + strings.Repeat("x", 256<<10-12)
	if _, err := i18n.LoadOver(builtIn, files("active.de.toml", full), "en", nil); err != nil {
		t.Errorf("256 KiB: %v", err)
	}
	for want, own := range map[string]fs.FS{
		"101 files, more than 100": many,
		"larger than 256 KiB":      files("active.de.toml", full+"x"),
		"is no regular file":       fstest.MapFS{"active.de.toml/x": {Data: nil}},
	} {
		if _, err := i18n.LoadOver(builtIn, own, "en", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it %s", err, want)
		}
	}
}

// A folder that Kubernetes mounts is full of links; what they lead to counts.
func TestOwnTextsMayBeLinkedButNotFromOutside(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	steps := []error{
		os.Mkdir(filepath.Join(dir, "..v1"), 0o700), os.Symlink("..v1", filepath.Join(dir, "..data")),
		os.WriteFile(filepath.Join(dir, "..v1", "active.sv.toml"), []byte(`CODE = "fast"`), 0o600),
		os.Symlink("..data/active.sv.toml", filepath.Join(dir, "active.sv.toml")),
		os.WriteFile(outside, []byte(`CODE = "outside"`), 0o600),
	}
	for _, err := range steps {
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	c, err := i18n.LoadOver(builtIn, root.FS(), "en", nil)
	if err != nil || c.Say("sv", "CODE") != "fast" {
		t.Fatalf("%v", err)
	}
	for name, add := range map[string]func(path string) error{
		"active.fr.toml": func(path string) error { return os.Symlink(outside, path) },
		"active.es.toml": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := filepath.Join(dir, name)
		if err := add(path); err != nil {
			t.Fatal(err)
		}
		if _, err := i18n.LoadOver(builtIn, root.FS(), "en", nil); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "outside") {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// What is taken at the start can be said later, whatever the count.
func FuzzOwnTexts(f *testing.F) {
	for _, seed := range []string{
		`CODE = "x"`, "[mail.x]\nsubject = \"{{.App}}\"", `mail.x.hours = {one = "x", few = "{{.Hours}}", many = "y", other = "{{.Hours}}"}`,
		`mail.x.hello = "{{ .Name }} {{"`, `CODE = {description = "d", other = "}}"}`, "[[x]]\nid = \"CODE\"", `translation = "x"`,
	} {
		f.Add("pl", seed)
		f.Add("de", seed)
	}
	f.Fuzz(func(t *testing.T, tag, content string) {
		if strings.ContainsAny(tag, "/\\\x00") {
			return
		}
		c, err := i18n.LoadOver(builtIn, fstest.MapFS{"active." + tag + ".toml": {Data: []byte(content)}}, "en", nil)
		if err != nil {
			return
		}
		for _, lang := range c.Languages() {
			for _, key := range []string{"CODE", "mail.x.subject", "mail.x.hello", "mail.x.pair", "mail.x.hours"} {
				for _, n := range []int{0, 1, 2, 3, 5, 11, 24, 100, 1_000_000} {
					got, err := c.Text(lang, key, map[string]any{"App": "A", "Name": "N", "Label": "L", "Value": "V", "Hours": n})
					if err != nil || strings.TrimSpace(got) == "" || strings.ContainsAny(got, "\r\n") {
						t.Fatalf("%s in %s with %d: %q, %v", key, lang, n, got, err)
					}
				}
			}
		}
	})
}
