package principal_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
)

func TestParseName(t *testing.T) {
	type rules = []fault.Rule
	blank, long, control := rules{fault.RuleNotBlank}, rules{fault.RuleMaxLength}, rules{fault.RuleControlCharacters}
	for _, tc := range []struct {
		in, want string
		broken   rules
	}{
		{"Ada", "Ada", nil},
		{"\t Ada Lovelace \n", "Ada Lovelace", nil},
		{"Zoe\u0308", "Zoë", nil},
		{"ﬁ", "ﬁ", nil}, // NFC, not NFKC
		{"李", "李", nil},
		{strings.Repeat("ä", 100), strings.Repeat("ä", 100), nil},
		{strings.Repeat("a\u0308", 100), strings.Repeat("ä", 100), nil},
		{norm.NFD.String(strings.Repeat("강", 100)), strings.Repeat("강", 100), nil},
		{strings.Repeat(" ", 5000) + "Ada", "Ada", nil},
		{"<script>", "<script>", nil}, // whoever shows it escapes it

		{"", "", blank},
		{" \t\u2003", "", blank},
		{strings.Repeat("ä", 101), "", long},
		{strings.Repeat("a", 1<<20), "", long},
		{"Ada\x00", "", control},
		{"A\nda", "", control},
		{"Ada\x7f", "", control},
		{"Ada\u0085x", "", control},
		{"A\u2028da", "", control},
		{"\u202eadA", "", control},
		{"A\u2066da", "", control},
		{"\ufeffAda", "", control},
		{"A\xffda", "", control},
		{strings.Repeat("a", 101) + "\x01b", "", rules{fault.RuleMaxLength, fault.RuleControlCharacters}},
	} {
		got, broken := principal.ParseName(tc.in)
		if got != tc.want || !slices.Equal(broken, tc.broken) {
			t.Errorf("ParseName(%.30q) = %q, %v, want %q, %v", tc.in, got, broken, tc.want, tc.broken)
		}
	}
}

// What is accepted is stored as it is, and accepted again when it is restored.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"Ada", " Zoe\u0308 ", "\u202e", "a\xff", "\u0300a", strings.Repeat("강", 101)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, broken := principal.ParseName(s)
		if (name == "") != (len(broken) > 0) {
			t.Fatalf("ParseName(%q) = %q and breaks %v", s, name, broken)
		}
		if name == "" {
			return
		}
		if again, broken := principal.ParseName(name); again != name || broken != nil {
			t.Fatalf("%q becomes %q, %v", name, again, broken)
		}
		if !utf8.ValidString(name) || !norm.NFC.IsNormalString(name) || utf8.RuneCountInString(name) > 100 ||
			strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name {
			t.Fatalf("%q was accepted", name)
		}
		if strings.ContainsRune(name, '\u034f') { // norm breaks up more than 30 marks in a row, wherever it finds itself
			return
		}
		if other, broken := principal.ParseName(norm.NFD.String(s)); other != name && utf8.ValidString(s) {
			t.Fatalf("decomposed, %q becomes %q, %v", name, other, broken)
		}
	})
}
