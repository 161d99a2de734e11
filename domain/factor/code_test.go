package factor_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gatehouse/domain/factor"
	"gatehouse/domain/secret"
)

func TestCodesAreSixDigitsWhateverBlanksAreAmongThem(t *testing.T) {
	for typed, want := range map[string]string{
		"123456": "123456", "000000": "000000", " 123 456\t": "123456", "1 2\u00a03\n4\u20035 6": "123456",
		"": "", " ": "", "12345": "", "1234567": "", "12345a": "", "-12345": "", "+12345": "", "123456 7": "", "12345.0": "", "1e5": "",
		"\u0661\u0662\u0663\u0664\u0665\u0666": "", "\uff11\uff12\uff13\uff14\uff15\uff16": "", "123-456": "", "123456\x00": "", "\xff123456": "",
	} {
		c, ok := factor.ParseCode(secret.New(typed))
		if ok != (want != "") || c.Reveal() != want || c.Missing() == ok {
			t.Errorf("ParseCode(%q) = %q, %v, want %q", typed, c.Reveal(), ok, want)
		}
	}
	if c, ok := factor.ParseCode(secret.Text{}); ok || !c.Missing() {
		t.Error("a code that was not sent is one")
	}
}

func TestNumbersGetTheirZerosBack(t *testing.T) {
	for number, want := range map[string]string{"7": "000007", "12345": "012345", "0": "000000", "123456": "123456", "1234567": "1234567"} {
		if got := factor.PadCode(number); got != want {
			t.Errorf("PadCode(%s) = %s, want %s", number, got, want)
		}
	}
}

func TestCodesCannotBePrinted(t *testing.T) {
	c, _ := factor.ParseCode(secret.New("123456"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if printed := fmt.Sprintf(verb, c); strings.Contains(printed, "123456") {
			t.Errorf("%s prints %s", verb, printed)
		}
	}
}

var (
	blanks = regexp.MustCompile(`[\s\p{Z}\x{0085}\x{000B}]+`)
	six    = regexp.MustCompile(`^[0-9]{6}$`)
)

// FuzzParseCode compares with two expressions.
func FuzzParseCode(f *testing.F) {
	for _, seed := range []string{"123456", " 12 34 56 ", "1234567", "", "\u2028123456", "12\xff3456"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		c, ok := factor.ParseCode(secret.New(typed))
		bare := blanks.ReplaceAllString(typed, "")
		if want := six.MatchString(bare); ok != want || ok && c.Reveal() != bare {
			t.Errorf("ParseCode(%q) = %q, %v, want %v", typed, c.Reveal(), ok, want)
		}
	})
}
