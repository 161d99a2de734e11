package i18n

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/nicksnyder/go-i18n/v2/i18n/template"
	"golang.org/x/text/language"
)

// templates makes a placeholder without a value an error.
var templates = &template.TextParser{Option: "missingkey=error"}

// voice is one file of texts. It has a bundle of its own, because a bundle of
// several may answer in another language than asked (en-US for en).
type voice struct {
	tag       language.Tag
	localizer *goi18n.Localizer
	texts     map[string]*goi18n.Message
}

// choir is all voices by language. Of one language, the first is asked first.
type choir map[string][]*voice

func readVoices(files fs.FS) (choir, error) {
	names, err := fs.Glob(files, "active.*.toml")
	if err != nil {
		return nil, fmt.Errorf("list message files: %w", err)
	}
	voices := choir{}
	for _, name := range names {
		v, err := readVoice(files, name)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", name, err)
		}
		if _, ok := voices[v.tag.String()]; ok {
			return nil, fmt.Errorf("load %s: a second file for %s", name, v.tag)
		}
		voices[v.tag.String()] = []*voice{v}
	}
	return voices, nil
}

func readVoice(files fs.FS, name string) (*voice, error) {
	tag, ok := tagIn(name)
	if !ok {
		return nil, errNoTag
	}
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	messages, err := goi18n.ParseMessageBytes(content, toml.Unmarshal)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		for _, f := range formsOf(m) {
			if _, err := templates.Parse(f.text, m.LeftDelim, m.RightDelim); err != nil {
				return nil, fmt.Errorf("text %q: %w", m.ID, err)
			}
		}
	}
	return newVoice(tag, messages)
}

var errNoTag = errors.New("the name holds no language tag")

// tagIn reads the tag of active.<tag>.toml.
func tagIn(name string) (language.Tag, bool) {
	rest, ok := strings.CutPrefix(name, "active.")
	if !ok {
		return language.Und, false
	}
	if rest, ok = strings.CutSuffix(rest, ".toml"); !ok {
		return language.Und, false
	}
	return parse(rest)
}

func newVoice(tag language.Tag, messages []*goi18n.Message) (*voice, error) {
	bundle := goi18n.NewBundle(tag)
	if err := bundle.AddMessages(tag, messages...); err != nil {
		return nil, err
	}
	v := &voice{tag, goi18n.NewLocalizer(bundle, tag.String()), map[string]*goi18n.Message{}}
	for _, m := range messages {
		v.texts[m.ID] = m
	}
	return v, nil
}

// form is a text for some of the counts, or for all.
type form struct{ name, text string }

func formsOf(m *goi18n.Message) []form {
	return []form{{"zero", m.Zero}, {"one", m.One}, {"two", m.Two}, {"few", m.Few}, {"many", m.Many}, {other, m.Other}}
}

// other is the form for what no other form is for.
const other = "other"

func isPlural(m *goi18n.Message) bool {
	return m.Zero != "" || m.One != "" || m.Two != "" || m.Few != "" || m.Many != ""
}

func (v *voice) has(key string) bool {
	_, ok := v.texts[key]
	return ok
}

func (v *voice) say(key string, data map[string]any) (string, error) {
	for name, value := range data {
		if value == nil {
			return "", fmt.Errorf("placeholder %s has no value", name)
		}
	}
	config := &goi18n.LocalizeConfig{MessageID: key, TemplateData: data, TemplateParser: templates}
	if isPlural(v.texts[key]) {
		n, err := countIn(data)
		if err != nil {
			return "", err
		}
		config.PluralCount = n
	}
	return v.localizer.Localize(config)
}

func countIn(data map[string]any) (int, error) {
	var counts []int
	for _, value := range data {
		if n, ok := value.(int); ok {
			counts = append(counts, n)
		}
	}
	if len(counts) != 1 {
		return 0, fmt.Errorf("plural forms need exactly one int, not %d", len(counts))
	}
	return counts[0], nil
}

// chain returns the voices that are asked for a text in the language of tag, in
// order: those of the tag itself, of its language, then of the others.
func (c choir) chain(tag language.Tag, others ...language.Tag) (voices []*voice) {
	for _, t := range append([]language.Tag{tag}, others...) {
		for _, lang := range c.family(t) {
			for _, v := range c[lang] {
				if !slices.Contains(voices, v) {
					voices = append(voices, v)
				}
			}
		}
	}
	return voices
}

// family lists the tags of the same language, those that tag derives from first.
func (c choir) family(tag language.Tag) (langs []string) {
	for t := tag; baseOf(t) == baseOf(tag); t = t.Parent() {
		langs = append(langs, t.String())
	}
	for _, lang := range slices.Sorted(maps.Keys(c)) {
		if baseOf(c[lang][0].tag) == baseOf(tag) {
			langs = append(langs, lang)
		}
	}
	return langs
}
