package i18n

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Bounds for what an operator adds.
const (
	maxOwnFiles = 100
	maxOwnBytes = 256 << 10 // of a file, which is ten times the largest we ship
)

// readOwn reads an operator's files. Every text of them is checked against the
// English one of its key.
func readOwn(files fs.FS, english map[string]*goi18n.Message) (map[string]*voice, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("list own texts: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })
	if len(entries) > maxOwnFiles {
		return nil, fmt.Errorf("own texts: %d files, more than %d", len(entries), maxOwnFiles)
	}
	voices, errs := map[string]*voice{}, []error{}
	for _, e := range entries {
		v, err := readOwnVoice(files, e.Name(), english)
		switch {
		case err != nil:
			errs = append(errs, err)
		case voices[v.tag.String()] != nil:
			errs = append(errs, fmt.Errorf("%s: a second file for %s", e.Name(), v.tag))
		default:
			voices[v.tag.String()] = v
		}
	}
	return voices, errors.Join(errs...)
}

func readOwnVoice(files fs.FS, name string, english map[string]*goi18n.Message) (*voice, error) {
	tag, ok := tagIn(name)
	if !ok {
		return nil, fmt.Errorf("%s: want active.<language tag>.toml", name)
	}
	content, err := readBounded(files, name)
	if err != nil {
		return nil, err
	}
	messages, err := goi18n.ParseMessageBytes(content, toml.Unmarshal)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	forms, err := pluralForms(tag)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	slices.SortFunc(messages, func(a, b *goi18n.Message) int { return cmp.Compare(a.ID, b.ID) })
	var errs []error
	for i, m := range messages {
		if i > 0 && messages[i-1].ID == m.ID {
			errs = append(errs, fmt.Errorf("%s: %s: is there twice", name, m.ID))
		}
		for _, wrong := range mistakes(m, english[m.ID], forms) {
			errs = append(errs, fmt.Errorf("%s: %s: %s", name, cmp.Or(m.ID, "text without a key"), wrong))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	v, err := newVoice(tag, messages)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

// readBounded asks what a file is before it opens it: a pipe would block.
func readBounded(files fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file", name)
	}
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxOwnBytes+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(content) > maxOwnBytes {
		return nil, fmt.Errorf("%s: is larger than %d KiB", name, maxOwnBytes>>10)
	}
	return content, nil
}

// pluralForms returns the forms that a language has for whole numbers, which
// the library knows but does not tell.
func pluralForms(tag language.Tag) ([]string, error) {
	const key = "form"
	v, err := newVoice(tag, []*goi18n.Message{{ID: key, Zero: "zero", One: "one", Two: "two", Few: "few", Many: "many", Other: other}})
	if err != nil {
		return nil, err
	}
	var forms []string
	for n := range 1002 {
		if n == 1001 {
			n = 1_000_000 // is many in Romance languages
		}
		form, err := v.say(key, map[string]any{"N": n})
		if err != nil {
			return nil, err
		}
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	return forms, nil
}

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

// mistakes says what is wrong with a text that stands for english, in a
// language that has plural forms.
func mistakes(m, english *goi18n.Message, plural []string) (all []string) {
	if english == nil {
		return []string{"is no key of ours"}
	}
	if m.LeftDelim != "" || m.RightDelim != "" {
		return []string{"must keep the delimiters {{ and }}"}
	}
	needed := []string{other}
	if isPlural(english) {
		needed = plural
	}
	for _, f := range formsOf(m) {
		switch need := slices.Contains(needed, f.name); {
		case need && strings.TrimSpace(f.text) == "":
			all = append(all, fmt.Sprintf("lacks the form %s", f.name))
		case !need && f.text != "" && f.name != other:
			all = append(all, fmt.Sprintf("has the form %s, which nothing would use", f.name))
		case f.text != "":
			all = append(all, mistakesIn(f, namesIn(english.Other))...)
		}
	}
	return all
}

// ornaments are the placeholders that a text may do without.
var ornaments = []string{"App", "Name"}

func mistakesIn(f form, known []string) (all []string) {
	if strings.ContainsFunc(f.text, unicode.IsControl) {
		all = append(all, "has a line break or another control character")
	}
	if rest := placeholder.ReplaceAllString(f.text, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
		return append(all, "may use {{ and }} for placeholders such as {{.App}} only")
	}
	used := namesIn(f.text)
	for _, name := range used {
		if !slices.Contains(known, name) {
			all = append(all, fmt.Sprintf("uses {{.%s}}, but can have %s", name, orNone(known)))
		}
	}
	for _, name := range known {
		// Other forms may write their number as a word.
		if f.name == other && !slices.Contains(ornaments, name) && !slices.Contains(used, name) {
			all = append(all, fmt.Sprintf("lacks {{.%s}}", name))
		}
	}
	return all
}

func namesIn(text string) (names []string) {
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return "only {{." + strings.Join(names, "}}, {{.") + "}}"
}
