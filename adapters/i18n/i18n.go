// Package i18n finds the sentence for a key in the reader's language, with
// go-i18n over the message files of a file system.
//
// It owns the choice of a language (contract §4), the reading of language tags
// and Accept-Language headers, and the filling of placeholders. It does not own
// the sentences, which are in locales, nor how they are shown: nothing is
// escaped here.
package i18n

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// lastResort is the language asked when neither the reader's nor the fallback
// has a text (contract §4).
const lastResort = "en"

// Catalogue holds all sentences and knows the languages it may choose. It never
// changes after [Load] and is safe for concurrent use.
type Catalogue struct {
	fallback string
	langs    []string
	tags     []language.Tag // of langs, in the same order
	matcher  language.Matcher
	chains   map[string][]*voice // by language: where its texts are looked up, in order
}

// Load reads every active.<tag>.toml of files. The languages to choose from are
// the supported ones, all there are if none is named; fallback, or its language,
// must be among them. Tags are read without regard to case, - may be _.
//
// It fails if a tag is not readable or a language is not there, and if a file is
// no message file or a text of it no template. A text that is missing is no
// failure: it is looked up in other tags of the language, then in fallback, then
// in English.
func Load(files fs.FS, fallback string, supported []string) (*Catalogue, error) {
	voices, err := readVoices(files)
	if err != nil {
		return nil, err
	}
	return gather(voices, fallback, supported)
}

// LoadOver is Load with an operator's own files laid over: each of their texts
// takes the place of the one in files, or belongs to a language that files has
// not. They may say what the English texts say, with the placeholders of these.
//
// It also fails if own holds anything but files of that name, besides names that
// begin with a dot, or more than 100 files or 256 KiB in one, and returns all
// mistakes at once, a line for each with its file and key.
func LoadOver(files, own fs.FS, fallback string, supported []string) (*Catalogue, error) {
	voices, err := readVoices(files)
	if err != nil {
		return nil, err
	}
	english := map[string]*goi18n.Message{}
	for _, v := range voices[lastResort] {
		english = v.texts
	}
	over, err := readOwn(own, english)
	if err != nil {
		return nil, err
	}
	for lang, v := range over {
		voices[lang] = append([]*voice{v}, voices[lang]...)
	}
	return gather(voices, fallback, supported)
}

func gather(voices choir, fallback string, supported []string) (*Catalogue, error) {
	langs, err := choose(voices, supported)
	if err != nil {
		return nil, err
	}
	c := &Catalogue{langs: langs, chains: map[string][]*voice{}}
	for _, lang := range c.langs {
		c.tags = append(c.tags, voices[lang][0].tag)
	}
	c.matcher = language.NewMatcher(c.tags)
	var ok bool
	if c.fallback, ok = c.nearest(fallback); !ok {
		return nil, fmt.Errorf("fallback language %q is not among %s", fallback, strings.Join(c.langs, ", "))
	}
	for i, lang := range c.langs {
		c.chains[lang] = voices.chain(c.tags[i], voices[c.fallback][0].tag, language.English)
	}
	return c, nil
}

func choose(voices choir, supported []string) ([]string, error) {
	var langs []string
	for _, s := range supported {
		tag, ok := parse(s)
		if !ok {
			return nil, fmt.Errorf("supported language %q is not a language tag", s)
		}
		if voices[tag.String()] == nil {
			return nil, fmt.Errorf("supported language %q has no texts", s)
		}
		langs = append(langs, tag.String())
	}
	if len(langs) == 0 {
		for lang := range voices {
			langs = append(langs, lang)
		}
	}
	if len(langs) == 0 {
		return nil, errors.New("there are no message files")
	}
	slices.Sort(langs)
	return slices.Compact(langs), nil
}

// Languages returns the canonical tags of the languages to choose from, sorted.
func (c *Catalogue) Languages() []string { return slices.Clone(c.langs) }

// Best returns the language that suits the wanted ones best: the tag itself, or
// else another tag of the same language. Each wanted one is a tag or an
// Accept-Language header, the most wanted first. What is not readable or not
// spoken here is skipped; if nothing is left, the fallback is returned.
//
// Any input is fine: of each wanted one at most 256 bytes and 10 tags are read.
func (c *Catalogue) Best(wanted ...string) string {
	for _, w := range wanted {
		for _, tag := range accepted(w) {
			if lang, ok := c.speaks(tag); ok {
				return lang
			}
		}
	}
	return c.fallback
}

// Match returns the language for a single tag, such as the stored one of a mail,
// as Best does for lists.
func (c *Catalogue) Match(tag string) string {
	if lang, ok := c.nearest(tag); ok {
		return lang
	}
	return c.fallback
}

func (c *Catalogue) nearest(s string) (string, bool) {
	tag, ok := parse(s)
	if !ok {
		return "", false
	}
	return c.speaks(tag)
}

func (c *Catalogue) speaks(tag language.Tag) (string, bool) {
	_, i, confidence := c.matcher.Match(tag)
	// The matcher also offers German for Luxembourgish and Spanish for Basque. Of
	// en and en-US, which mean the same to it, it takes the first if asked for en.
	if confidence == language.No || baseOf(c.tags[i]) != baseOf(tag) {
		return "", false
	}
	return c.langs[i], true
}

// Canonical returns the canonical form of a BCP 47 tag, whether or not there are
// texts in its language. It refuses what is longer than 35 bytes (RFC 5646 §4.4.1),
// not well-formed, made of unregistered subtags, or names no language at all.
func (*Catalogue) Canonical(tag string) (string, bool) {
	t, ok := parse(tag)
	if !ok {
		return "", false
	}
	return t.String(), true
}

// Say returns the fixed sentence for key in lang, or else the nearest language
// that has it (contract §4). If none has, or the text has placeholders, it
// returns the key.
func (c *Catalogue) Say(lang, key string) string {
	s, err := c.Text(lang, key, nil)
	if err != nil {
		return key
	}
	return s
}

// Text returns the text for key, found as Say finds it, with data in its
// placeholders. A text with plural forms is chosen by the one int in data.
//
// It fails if no language has the text, data lacks a placeholder of it, or the
// int of a text with plural forms is missing or not the only one.
func (c *Catalogue) Text(lang, key string, data map[string]any) (string, error) {
	v := c.voiceFor(lang, key)
	if v == nil {
		return "", fmt.Errorf("text %q: no language has it", key)
	}
	s, err := v.say(key, data)
	if err != nil {
		return "", fmt.Errorf("text %q in %s: %w", key, v.tag, err)
	}
	return s, nil
}

// Tongue returns the tag of the text that Say and Text find for key in lang:
// lang, unless it lacks the text. If none has, it is the fallback.
func (c *Catalogue) Tongue(lang, key string) string {
	if v := c.voiceFor(lang, key); v != nil {
		return v.tag.String()
	}
	return c.fallback
}

// Missing lists the keys of the texts that readers of lang get in another
// language, sorted.
func (c *Catalogue) Missing(lang string) (keys []string) {
	chain := c.chainOf(lang)
	for _, v := range chain {
		for key := range v.texts {
			if baseOf(c.voiceFor(lang, key).tag) != baseOf(chain[0].tag) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (c *Catalogue) chainOf(lang string) []*voice {
	if chain, ok := c.chains[lang]; ok {
		return chain
	}
	return c.chains[c.Match(lang)]
}

func (c *Catalogue) voiceFor(lang, key string) *voice {
	for _, v := range c.chainOf(lang) {
		if v.has(key) {
			return v
		}
	}
	return nil
}
