package email_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/email"
	"gatehouse/domain/fault"
)

func TestParse(t *testing.T) {
	const invalid, blank, long = fault.RuleEmail, fault.RuleNotBlank, fault.RuleMaxLength
	for s, want := range map[string]fault.Rule{
		"ada@example.com":                             "",
		" \tada@example.com\n":                        "",
		"Ada.Lovelace+news@example.com":               "",
		"zoë@exämple.com":                             "",
		"o'hara@example.com":                          "",
		"ada@localhost":                               "",
		strings.Repeat("a", 242) + "@example.com":     "", // 254 characters
		strings.Repeat(" ", 2000) + "ada@example.com": "",

		"":     blank,
		" \n ": blank,
		strings.Repeat("a", 243) + "@example.com":  long,
		strings.Repeat("ä", 243) + "@example.com":  long,
		strings.Repeat("a", 5000) + "@example.com": long,

		"ada":                       invalid,
		"@example.com":              invalid,
		"ada@":                      invalid,
		"ada@@example.com":          invalid,
		"ada@example.com@evil.test": invalid,
		"ada lovelace@example.com":  invalid,
		".ada@example.com":          invalid,
		"ada..l@example.com":        invalid,
		"ada@example..com":          invalid,
		"Ada <ada@example.com>":     invalid,
		"<ada@example.com>":         invalid,
		"ada@example.com (home)":    invalid,
		`"ada"@example.com`:         invalid,
		`"a b"@example.com`:         invalid,
		"ada@[192.0.2.1]":           invalid,
		"ada@example.com, b@c.de":   invalid,
		"friends: ada@example.com;": invalid,
		"ada@example.com\r\nBcc: b": invalid,
		"ada\x00@example.com":       invalid,
		"ad\u200ba@example.com":     invalid, // zero width
		"\u202eada@example.com":     invalid, // turns direction
		"ada@exam\u00adple.com":     invalid, // soft hyphen
		"ada\u00a0l@example.com":    invalid,
		"ada@example.com\ufffd":     invalid,
		"ad\xffa@example.com":       invalid,
	} {
		a, broken := email.Parse(s)
		var wanted []fault.Rule
		if want != "" {
			wanted = []fault.Rule{want}
		}
		if !slices.Equal(broken, wanted) {
			t.Errorf("Parse(%.40q) breaks %v, want %v", s, broken, wanted)
		}
		spelled := ""
		if want == "" {
			spelled = strings.TrimSpace(s)
		}
		if a.Typed() != spelled || a.IsZero() != (spelled == "") {
			t.Errorf("Parse(%.40q) = %q", s, a.Typed())
		}
	}
}

func TestSpellingsOfOneAddressHaveOneNormalForm(t *testing.T) {
	for _, same := range [][]string{
		{"ada@example.com", "Ada@Example.COM", " ada@example.com ", strings.Repeat("\t", 2000) + "ADA@example.com"},
		{"zoë@example.com", "ZOË@example.com", norm.NFD.String("zoë@example.com"), norm.NFD.String("ZOË@EXAMPLE.com")},
		{"ǰ@example.com", "J\u030c@example.com", "j\u030c@example.com"},
		{"ẖ@example.com", "H\u0331@example.com"},
		{"\u212aelvin@example.com", "kelvin@example.com"}, // U+212A is a K in NFC
		{"강@example.com", norm.NFD.String("강@example.com")},
	} {
		for _, s := range same {
			if got := email.Normal(s); got != email.Normal(same[0]) {
				t.Errorf("Normal(%+.40q) = %+q, but %+q is %+q", s, got, same[0], email.Normal(same[0]))
			}
		}
	}
	for _, differ := range [][2]string{
		{"ada.l@example.com", "adal@example.com"},
		{"ada+news@example.com", "ada@example.com"},
		{"ﬁ@example.com", "fi@example.com"},         // not NFKC
		{"ａda@example.com", "ada@example.com"},      // full width
		{"\u0430da@example.com", "ada@example.com"}, // Cyrillic
		{"zoe@example.com", "zoë@example.com"},
	} {
		if email.Normal(differ[0]) == email.Normal(differ[1]) {
			t.Errorf("%+q and %+q are the same", differ[0], differ[1])
		}
	}
}

func TestTheNormalFormOfAnythingIsBounded(t *testing.T) {
	if n := len(email.Normal(strings.Repeat("\u0301", 1<<20))); n > 4096 {
		t.Errorf("it has %d bytes", n)
	}
}

func TestParts(t *testing.T) {
	a, _ := email.Parse(" Ada.L@Example.com")
	if a.LocalPart() != "Ada.L" || a.Typed() != "Ada.L@Example.com" || a.Normal() != "ada.l@example.com" {
		t.Errorf("parts of %q: %q, %q", a.Typed(), a.LocalPart(), a.Normal())
	}
	if b, ok := email.Restore(a.Typed()); !ok || b != a {
		t.Error("what was accepted is not restored")
	}
	if _, ok := email.Restore("nonsense"); ok {
		t.Error("nonsense is restored")
	}
	var none email.Address
	if none.Normal() != "" || none.LocalPart() != "" || !none.IsZero() {
		t.Error("no address has parts")
	}
}

func TestAddressesStayOutOfLogs(t *testing.T) {
	a, _ := email.Parse("ada@example.com")
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "to", a)
	if strings.Contains(out.String(), "ada") {
		t.Errorf("logged %s", &out)
	}
}

// What is accepted can be stored, put into a mail header and compared.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"ada@example.com", " Zoë@Example.com", "J\u030c@x", "a@b\r\nBcc: c@d", "=?utf-8?q?a?=@b", "a@[::1]", "\"a b\"@c", "a(b)@c", "İ@x", "ς@Σ", "\u0958@x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, broken := email.Parse(s)
		if (len(broken) > 0) != a.IsZero() {
			t.Fatalf("Parse(%q) = %q and breaks %v", s, a.Typed(), broken)
		}
		if a.IsZero() {
			return
		}
		typed := a.Typed()
		if b, ok := email.Restore(typed); !ok || b != a {
			t.Fatalf("%q is not restored", typed)
		}
		if strings.ContainsFunc(typed, unicode.IsControl) || strings.ContainsFunc(typed, unicode.IsSpace) ||
			strings.ContainsAny(typed, `<>",;`) || !utf8.ValidString(typed) || utf8.RuneCountInString(typed) > 254 {
			t.Fatalf("%q was accepted", typed)
		}
		if strings.Count(typed, "@") != 1 || a.LocalPart() == "" || strings.HasSuffix(typed, "@") {
			t.Fatalf("%q has no two parts", typed)
		}
		n := a.Normal()
		if strings.ContainsRune(n, '\u034f') { // norm breaks up more than 30 marks in a row, wherever it finds itself
			return
		}
		if n != email.Normal(s) || n != email.Normal(n) || n != email.Normal(norm.NFD.String(typed)) || n != email.Normal(norm.NFC.String(typed)) {
			t.Fatalf("%q has several normal forms", typed)
		}
		if utf8.RuneCountInString(n) > 254 { // a few letters are two in NFC
			return
		}
		if b, broken := email.Parse(n); broken != nil || b.Normal() != n {
			t.Fatalf("the normal form %q of %q breaks %v", n, typed, broken)
		}
	})
}
