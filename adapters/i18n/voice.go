package i18n

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/BurntSushi/toml"
	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/nicksnyder/go-i18n/v2/i18n/template"
	"golang.org/x/text/language"
)

// templates makes a placeholder without a value an error.
var templates = &template.TextParser{Option: "missingkey=error"}

// voice is one language. It has a bundle of its own, because a bundle of several
// may answer in another language than asked (en-US for en).
type voice struct {
	tag       language.Tag
	localizer *goi18n.Localizer
	plural    map[string]bool // whether a text has plural forms; holds every text
}

func readVoices(files fs.FS) (map[string]*voice, error) {
	names, err := fs.Glob(files, "active.*.toml")
	if err != nil {
		return nil, fmt.Errorf("list message files: %w", err)
	}
	voices := map[string]*voice{}
	for _, name := range names {
		v, err := readVoice(files, name)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", name, err)
		}
		if _, ok := voices[v.tag.String()]; ok {
			return nil, fmt.Errorf("load %s: a second file for %s", name, v.tag)
		}
		voices[v.tag.String()] = v
	}
	return voices, nil
}

func readVoice(files fs.FS, name string) (*voice, error) {
	tag, ok := parse(strings.TrimSuffix(strings.TrimPrefix(name, "active."), ".toml"))
	if !ok {
		return nil, errors.New("the name holds no language tag")
	}
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	bundle := goi18n.NewBundle(tag)
	messages, err := bundle.ParseMessageBytes(tag, content, toml.Unmarshal)
	if err != nil {
		return nil, err
	}
	v := &voice{tag, goi18n.NewLocalizer(bundle, tag.String()), map[string]bool{}}
	for _, m := range messages {
		forms := []string{m.Zero, m.One, m.Two, m.Few, m.Many}
		for _, form := range append(forms, m.Other) {
			if _, err := templates.Parse(form, m.LeftDelim, m.RightDelim); err != nil {
				return nil, fmt.Errorf("text %q: %w", m.ID, err)
			}
		}
		v.plural[m.ID] = strings.Join(forms, "") != ""
	}
	return v, nil
}

func (v *voice) has(key string) bool {
	_, ok := v.plural[key]
	return ok
}

func (v *voice) say(key string, data map[string]any) (string, error) {
	for name, value := range data {
		if value == nil {
			return "", fmt.Errorf("placeholder %s has no value", name)
		}
	}
	config := &goi18n.LocalizeConfig{MessageID: key, TemplateData: data, TemplateParser: templates}
	if v.plural[key] {
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
