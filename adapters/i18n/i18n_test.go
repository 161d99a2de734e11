package i18n_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"gatehouse/adapters/i18n"
)

func ExampleCatalogue_Best() {
	c, err := i18n.Load(files("active.en.toml", `X = "yes"`, "active.de.toml", `X = "ja"`), "en", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	lang := c.Best("", "fr-CH, de-AT;q=0.8, en;q=0.5")
	fmt.Println(lang, c.Say(lang, "X"))
	// Output: de ja
}

// files makes a file system of pairs of a name and a content.
func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for pair := range slices.Chunk(pairs, 2) {
		fsys[pair[0]] = &fstest.MapFile{Data: []byte(pair[1])}
	}
	return fsys
}

func TestBestFollowsTheWishesInOrder(t *testing.T) {
	c := load(t, "en")
	for _, tc := range []struct {
		wanted []string
		want   string
	}{
		{nil, "en"},
		{[]string{""}, "en"},
		{[]string{"de"}, "de"},
		{[]string{"de-AT"}, "de"},
		{[]string{"de_AT"}, "de"},
		{[]string{"DE_at"}, "de"},
		{[]string{"de-Latn-DE-1996"}, "de"},
		{[]string{"de-u-co-phonebk"}, "de"},
		{[]string{"es-419"}, "es"},
		{[]string{"pt-BR"}, "pt"},
		{[]string{"pt-PT"}, "pt"},
		{[]string{"zh"}, "zh-Hans"},
		{[]string{"zh-CN"}, "zh-Hans"},
		{[]string{"fr", "de"}, "fr"},
		{[]string{"", "de"}, "de"},
		{[]string{"sv", "de"}, "de"},
		{[]string{"no language at all", "de"}, "de"},
		{[]string{"../../etc/passwd", "fr"}, "fr"},
		{[]string{"ko"}, "en"},
		{[]string{"sv"}, "en"},
		{[]string{"lb", "fr"}, "fr"}, // the bare matcher says de
		{[]string{"eu", "fr"}, "fr"}, // the bare matcher says es
		{[]string{"und-AT", "fr"}, "fr"},
		{[]string{"x-german", "fr"}, "fr"},
		{[]string{"fr;q=0.5, de;q=0.9, en;q=0.1"}, "de"},
		{[]string{"fr;q=0.9, de, en;q=0.1"}, "de"},
		{[]string{"fr;q=0.5,de;q=0.5"}, "fr"},
		{[]string{"fr;q=0,de;q=0.1"}, "de"},
		{[]string{"fr;q=-1,de;q=0.1"}, "de"},
		{[]string{"fr;q=NaN,de;q=0.1"}, "de"},
		{[]string{"fr;q=Inf,de;q=0.1"}, "de"},
		{[]string{"fr;q=,de;q=0.1"}, "de"},
		{[]string{"da, fr;q=0.8, en;q=0.7"}, "fr"},
		{[]string{"*"}, "en"},
		{[]string{"*, de;q=0.1"}, "de"},
		{[]string{" \t de , fr"}, "de"},
		{[]string{"???,-,_,de-,,;q=1,de"}, "de"},
		{[]string{"\xff\xfe,\x00,fr"}, "fr"},
	} {
		if got := c.Best(tc.wanted...); got != tc.want {
			t.Errorf("Best(%q) = %q, want %q", tc.wanted, got, tc.want)
		}
	}
}

func TestBestReadsOnlyTheBeginningOfAHeader(t *testing.T) {
	c := load(t, "en")
	for _, tc := range []struct{ name, header, want string }{
		{"the tenth tag counts", strings.Repeat("sv,", 9) + "de", "de"},
		{"the eleventh does not", strings.Repeat("sv,", 10) + "de", "en"},
		{"a tag that ends at byte 256 counts", "sv," + strings.Repeat(" ", 251) + "de", "de"},
		{"so it does when more follows", "sv," + strings.Repeat(" ", 251) + "de,fr", "de"},
		{"a tag cut in two does not", "sv," + strings.Repeat(" ", 251) + "dex", "en"},
		{"a tag behind byte 256 does not", "sv," + strings.Repeat(" ", 300) + "de", "en"},
		{"a long word is not cut to a tag", strings.Repeat("de", 200), "en"},
		{"a megabyte of tags", strings.Repeat("sv,", 1<<20/3) + "de", "en"},
		{"a megabyte of one tag", "de" + strings.Repeat("-a", 1<<19), "en"},
		{"a megabyte behind a good tag", "de," + strings.Repeat("-", 1<<20), "de"},
	} {
		if got := c.Best(tc.header); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
	huge := strings.Repeat("sv-x-a, ", 1<<17)
	short := testing.AllocsPerRun(10, func() { c.Best(huge[:256]) })
	if long := testing.AllocsPerRun(10, func() { c.Best(huge) }); long > short {
		t.Errorf("a megabyte costs %v allocations, 256 bytes cost %v", long, short)
	}
}

func TestMatchTakesASingleTag(t *testing.T) {
	c := load(t, "fr")
	for tag, want := range map[string]string{
		"de": "de", "de-AT": "de", "de_at": "de", "en-GB": "en", "sv": "fr", "": "fr", "de,en": "fr", "../de": "fr",
		"de-" + strings.Repeat("a", 1<<20): "fr",
	} {
		if got := c.Match(tag); got != want {
			t.Errorf("Match(%.20q) = %q, want %q", tag, got, want)
		}
	}
}

func TestAnExactTagComesBeforeItsLanguage(t *testing.T) {
	c, err := i18n.Load(files(
		"active.en.toml", `X = "en"`, "active.en-US.toml", `X = "us"`, "active.en-GB.toml", `X = "gb"`,
		"active.de.toml", `X = "de"`, "active.pt-BR.toml", `X = "br"`,
		"active.es.toml", `X = "es"`, "active.es-ES.toml", `X = "es-ES"`, "active.es-419.toml", `X = "419"`), "en", nil)
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]string{
		"en": "en", "en-US": "us", "en-gb": "gb", "en-AU": "gb", "de-CH": "de", "pt": "br", "pt-PT": "br",
		"es": "es", "es-ES": "es-ES", "es-MX": "419", "es-419": "419", "en-US-x-a": "us",
	} {
		if got := c.Say(c.Best(tag), "X"); got != want {
			t.Errorf("%s is answered in %q, want %q", tag, got, want)
		}
	}
}

// Contract §4: exact tag, then language. A reader of traditional Chinese gets the
// simplified texts, which are in their language, before those in app.locale.
func TestReadersGetTheirLanguageHoweverTheyWriteIt(t *testing.T) {
	three := []string{"active.en.toml", `X = "en"`, "active.pt.toml", `X = "pt"`, "active.zh-Hans.toml", `X = "zh-Hans"`}
	for _, tc := range []struct {
		more    []string
		answers map[string]string
	}{
		{nil, map[string]string{
			"pt": "pt", "pt-BR": "pt", "pt-PT": "pt", "pt_br": "pt", "pt-AO": "pt",
			"zh": "zh-Hans", "zh-CN": "zh-Hans", "zh_cn": "zh-Hans", "zh-SG": "zh-Hans", "zh-Hans": "zh-Hans", "zh-Hans-CN": "zh-Hans",
			"zh-Hant": "zh-Hans", "zh-TW": "zh-Hans", "zh-HK": "zh-Hans", "zh-Hant-TW": "zh-Hans",
			"zh-TW,en;q=0.8": "zh-Hans", "ja,zh-TW;q=0.5,en;q=0.4": "zh-Hans", "ja": "en", "es": "en", "gl": "en",
		}},
		{[]string{"active.zh-Hant.toml", `X = "zh-Hant"`, "active.pt-PT.toml", `X = "pt-PT"`}, map[string]string{
			"zh": "zh-Hans", "zh-CN": "zh-Hans", "zh-TW": "zh-Hant", "zh-HK": "zh-Hant", "zh-Hant-TW": "zh-Hant", "zh-Hans-TW": "zh-Hans",
			"pt": "pt", "pt-BR": "pt", "pt-PT": "pt-PT",
		}},
	} {
		c, err := i18n.Load(files(append(tc.more, three...)...), "en", nil)
		if err != nil {
			t.Fatal(err)
		}
		for wanted, want := range tc.answers {
			got := c.Best(wanted)
			if got != want || c.Say(got, "X") != want || c.Tongue(got, "X") != want {
				t.Errorf("%s is answered with %q, in %s, want %s", wanted, c.Say(got, "X"), got, want)
			}
		}
	}
}

func TestATextIsLookedUpInItsLanguageFirst(t *testing.T) {
	c, err := i18n.Load(files(
		"active.en.toml", "A = \"en\"\nB = \"en\"\nC = \"en\"\nD = \"en\"", "active.fr.toml", "C = \"fr\"",
		"active.de.toml", "B = \"de\"", "active.de-AT.toml", "A = \"de-AT\"", "active.zh-Hans.toml", "A = \"zh-Hans\"", "active.zh-Hant.toml", "",
		"active.es.toml", "A = \"es\"", "active.es-419.toml", "A = \"es-419\"", "active.es-MX.toml", ""),
		"fr", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ lang, said, missing string }{
		{"de-AT", "de-AT de fr en", "C D"},
		{"de", "de-AT de fr en", "C D"},
		{"fr", "en en fr en", "A B D"},
		{"zh-Hant", "zh-Hans en fr en", "B C D"},
		{"es-MX", "es-419 en fr en", "B C D"},
	} {
		var said []string
		for _, key := range []string{"A", "B", "C", "D"} {
			said = append(said, c.Say(tc.lang, key))
			if got := c.Tongue(tc.lang, key); got != c.Say(tc.lang, key) {
				t.Errorf("%s in %s is said to be %s", key, tc.lang, got)
			}
		}
		if got := strings.Join(said, " "); got != tc.said {
			t.Errorf("%s: %s, want %s", tc.lang, got, tc.said)
		}
		if got := strings.Join(c.Missing(tc.lang), " "); got != tc.missing {
			t.Errorf("%s lacks %s, want %s", tc.lang, got, tc.missing)
		}
	}
	if got := c.Tongue("de", "nothing"); got != "fr" {
		t.Errorf("what nobody says is in %s, want the fallback", got)
	}
}

func TestCanonicalKeepsToRegisteredSubtags(t *testing.T) {
	c := load(t, "en")
	for in, want := range map[string]string{
		"en": "en", "EN": "en", "de_at": "de-AT", "DE-AT": "de-AT", "zh-hant-tw": "zh-Hant-TW", "es-419": "es-419",
		"ja": "ja", "en-Latn": "en", "iw": "he", "ger": "de", "zh-cmn": "cmn", "i-klingon": "tlh",
		"de-u-co-phonebk": "de-u-co-phonebk", "de-x-abc": "de-x-abc", "sl-rozaj-biske": "sl-rozaj-biske",
	} {
		if got, ok := c.Canonical(in); !ok || got != want {
			t.Errorf("Canonical(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, bad := range []string{
		"", " ", "e", "english", "en ", " en", "en-", "-en", "en--US", "en US", "en,de", "en;q=1", "*", "../../etc/passwd",
		"xx", "en-XYZ", "not-a-locale", "de-a-foo", "de-u-co-phonebk-u-nu-latn", "und", "und-AT", "root", "x-foo", "12", "ü", "en\x00", "en\r\nX: y",
		"en-x-" + strings.Repeat("abcdefg-", 4) + "a", strings.Repeat("a", 1<<20),
	} {
		if got, ok := c.Canonical(bad); ok || got != "" {
			t.Errorf("Canonical(%.40q) = %q, %v, want it refused", bad, got, ok)
		}
	}
}

func TestATextIsLookedUpInTheFallbackThenInEnglish(t *testing.T) {
	c, err := i18n.Load(files(
		"active.en.toml", `A = "a en"
B = "b en"
C = "c en"`,
		"active.fr.toml", `A = "a fr"
B = "b fr"`,
		"active.de.toml", `A = "a de"`), "fr", []string{"de", "fr"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ lang, key, want string }{
		{"de", "A", "a de"},
		{"de", "B", "b fr"},
		{"de", "C", "c en"},
		{"de", "D", "D"},
		{"de-CH", "A", "a de"},
		{"fr", "A", "a fr"},
		{"en", "A", "a fr"}, // English is no language to choose here
		{"", "A", "a fr"},
		{"no tag", "C", "c en"},
	} {
		if got := c.Say(tc.lang, tc.key); got != tc.want {
			t.Errorf("Say(%q, %q) = %q, want %q", tc.lang, tc.key, got, tc.want)
		}
	}
	if got := c.Languages(); !slices.Equal(got, []string{"de", "fr"}) {
		t.Errorf("Languages() = %q", got)
	}
	c.Languages()[0] = "xx"
	if got := c.Languages(); got[0] != "de" {
		t.Error("Languages hands out the catalogue's own slice")
	}
}

func TestTextFillsPlaceholdersAsTheyAre(t *testing.T) {
	c := load(t, "en")
	got, err := c.Text("de", "mail.shared.greeting", map[string]any{"Name": `<b>{{.App}}</b> & "Co"`})
	if want := `Guten Tag <b>{{.App}}</b> & "Co",`; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestTextChoosesThePluralForm(t *testing.T) {
	c := load(t, "en")
	for _, tc := range []struct {
		lang  string
		hours int
		want  string
	}{
		{"en", 1, "1 hour "},
		{"en", 0, "0 hours "},
		{"de", 1, "1 Stunde "},
		{"de", 24, "24 Stunden "},
		{"fr", 0, "0 heure "},
		{"fr", 2, "2 heures "},
		{"es", 1, "1 hora "},
		{"es", 48, "48 horas "},
		{"it", 1, "1 ora "},
		{"it", 12, "12 ore "},
		{"nl", 1, "1 uur "},
		{"nl", 48, "48 uur "},
		{"pt", 1, "1 hora "},
		{"pt", 24, "24 horas "},
		{"pl", 1, "1 godzinę "},
		{"pl", 2, "2 godziny "},
		{"pl", 12, "12 godzin "},
		{"pl", 21, "21 godzin "},
		{"pl", 24, "24 godziny "},
		{"tr", 1, "1 saat "},
		{"tr", 24, "24 saat "},
		{"ja", 1, "1時間"},
		{"ja", 24, "24時間"},
		{"zh-Hans", 1, "1 小时"},
		{"zh-Hans", 24, "24 小时"},
	} {
		got, err := c.Text(tc.lang, "mail.shared.link_hours", map[string]any{"Hours": tc.hours, "Name": "Ada"})
		if err != nil || !strings.Contains(got, tc.want) {
			t.Errorf("%d in %s: %q, %v", tc.hours, tc.lang, got, err)
		}
	}
}

func TestTextRefusesWhatItCannotFill(t *testing.T) {
	c := load(t, "en")
	for name, tc := range map[string]struct {
		key  string
		data map[string]any
	}{
		"no such key":           {"mail.nothing", nil},
		"a table, not a text":   {"mail.shared", nil},
		"no data":               {"mail.shared.greeting", nil},
		"a missing placeholder": {"mail.shared.greeting", map[string]any{"App": "x"}},
		"a nil placeholder":     {"mail.shared.greeting", map[string]any{"Name": nil}},
		"no count":              {"mail.shared.link_hours", map[string]any{"Hours": "24"}},
		"two counts":            {"mail.shared.link_hours", map[string]any{"Hours": 24, "Days": 1}},
	} {
		if got, err := c.Text("de", tc.key, tc.data); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := c.Say("de", "mail.shared.greeting"); got != "mail.shared.greeting" {
		t.Errorf("Say showed a text with a hole: %q", got)
	}
}

func TestLoadReadsTagsAsPeopleWriteThem(t *testing.T) {
	c := load(t, "DE_at", "De", "FR", "fr")
	if got := c.Languages(); !slices.Equal(got, []string{"de", "fr"}) || c.Best() != "de" {
		t.Errorf("languages %q, fallback %q", got, c.Best())
	}
	if got, want := load(t, "en").Languages(), slices.Sorted(maps.Keys(texts(t))); !slices.Equal(got, want) {
		t.Errorf("without a choice the languages are %q, want %q", got, want)
	}
}

func TestLoadRefusesWhatWouldSurpriseLater(t *testing.T) {
	good := files("active.en.toml", `X = "x"`, "active.de.toml", `X = "x"`)
	for name, tc := range map[string]struct {
		files     fstest.MapFS
		fallback  string
		supported []string
	}{
		"no files":                     {files(), "en", nil},
		"fallback not there":           {good, "fr", nil},
		"fallback empty":               {good, "", nil},
		"fallback no tag":              {good, "../en", nil},
		"fallback not supported":       {good, "en", []string{"de"}},
		"supported not there":          {good, "en", []string{"en", "fr"}},
		"supported only as a language": {good, "en", []string{"en", "de-AT"}},
		"supported no tag":             {good, "en", []string{"en", ""}},
		"file without a tag":           {files("active.en.toml", "", "active.english.toml", ""), "en", nil},
		"two files of a language":      {files("active.en.toml", "", "active.EN.toml", ""), "en", nil},
		"no TOML":                      {files("active.en.toml", "X = "), "en", nil},
		"a number":                     {files("active.en.toml", "X = 1"), "en", nil},
		"a plural form among texts":    {files("active.en.toml", "[a]\nother = \"x\"\nsubject = \"y\""), "en", nil},
		"no template":                  {files("active.en.toml", `X = "{{.Name"`), "en", nil},
		"no template in a form":        {files("active.en.toml", "[x]\none = \"{{if}}\"\nother = \"y\""), "en", nil},
	} {
		if c, err := i18n.Load(tc.files, tc.fallback, tc.supported); err == nil {
			t.Errorf("%s: loaded %q", name, c.Languages())
		}
	}
}

func TestOneCatalogueServesEverybodyAtOnce(t *testing.T) {
	c := load(t, "en")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			lang := c.Languages()[i%len(c.Languages())]
			for range 50 {
				if got := c.Best("xx", lang+"-x-y;q=0.3"); got != lang {
					t.Errorf("Best = %q, want %q", got, lang)
				}
				if c.Say(lang, "INTERNAL_ERROR") == "INTERNAL_ERROR" {
					t.Errorf("%s is silent", lang)
				}
				if s, err := c.Text(lang, "mail.shared.link_hours", map[string]any{"Hours": i}); err != nil || !strings.Contains(s, fmt.Sprint(i)) {
					t.Errorf("text %q, %v", s, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzBest(f *testing.F) {
	for _, seed := range []string{"", "de", "de_AT", "fr;q=0.9, de;q=0.5", "*;q=0.1", "en-GB-oed,x-a", "de;q=NaN", strings.Repeat("a-", 200)} {
		f.Add(seed, "de")
	}
	c := load(f, "en")
	langs := c.Languages()
	f.Fuzz(func(t *testing.T, first, second string) {
		got := c.Best(first, second)
		if !slices.Contains(langs, got) || !slices.Contains(langs, c.Match(first)) || c.Best(got) != got {
			t.Fatalf("Best(%q, %q) = %q, Match %q", first, second, got, c.Match(first))
		}
		if len(first) > 256 && c.Best(first) != c.Best(first[:257]+strings.Repeat("x", 300)) {
			t.Fatalf("Best(%q) looks behind the first 256 bytes", first)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"", "de", "de_AT", "zh-min-nan", "i-default", "en-GB-oed", "en-u-co-phonebk", "x-a", "sgn-BE-FR", "not-a-locale", "AA-u-AA-AA-u-AA-00", "AA-u-AA-AA-T-000"} {
		f.Add(seed)
	}
	c := load(f, "en")
	f.Fuzz(func(t *testing.T, tag string) {
		got, ok := c.Canonical(tag)
		if !ok {
			if got != "" {
				t.Fatalf("Canonical(%q) is refused and yet %q", tag, got)
			}
			return
		}
		if again, ok := c.Canonical(got); !ok || again != got || len(tag) > 35 || len(got) > 35 {
			t.Fatalf("Canonical(%q) = %q, again %q, %v", tag, got, again, ok)
		}
		if strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Fatalf("Canonical(%q) = %q has foreign characters", tag, got)
		}
		if c.Match(tag) != c.Match(got) {
			t.Fatalf("Canonical(%q) = %q changes the language from %s to %s", tag, got, c.Match(tag), c.Match(got))
		}
	})
}
