package password_test

import (
	_ "embed"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/password/internal/lookalike"
)

//go:embed common.txt
var list string

// entries returns the lines of the list as it lies in the folder.
func entries(t testing.TB) []string {
	t.Helper()
	lines, ok := strings.CutSuffix(list, "\n")
	if !ok {
		t.Fatal("common.txt does not end with a line break")
	}
	return strings.Split(lines, "\n")
}

func TestTheListIsWellFormed(t *testing.T) {
	lines, size := entries(t), 0
	for i, e := range lines {
		size += len(e) + 1
		switch {
		case utf8.RuneCountInString(e) < 8:
			t.Errorf("%q is shorter than any policy accepts", e)
		case e != strings.ToLower(e) || e != norm.NFC.String(e) || strings.ContainsFunc(e, unicode.IsSpace):
			t.Errorf("%q is not in the form passwords are compared in", e)
		case i > 0 && lookalike.Compare(lines[i-1], e) >= 0:
			t.Errorf("%q does not belong behind %q", e, lines[i-1])
		}
	}
	if len(lines) < 10_000 {
		t.Errorf("the list has %d entries", len(lines))
	}
	if size > 512<<10 {
		t.Errorf("the list takes %d bytes", size)
	}
}

func TestEveryEntryIsFound(t *testing.T) {
	for _, e := range entries(t) {
		for _, spelling := range []string{e, capital(e), strings.ToUpper(e)} {
			if !breaks(password.Policy{Profile: password.NIST}, spelling, fault.RuleCommon) {
				t.Fatalf("%q is not common", spelling)
			}
		}
	}
}

// A list of lower-case words would only repeat what the other rules refuse.
func TestTheListRefusesWhatClassicWouldTake(t *testing.T) {
	taken := 0
	for _, e := range entries(t) {
		if slices.Equal(password.Policy{}.BrokenByItself(password.NewPlain(capital(e))), []fault.Rule{fault.RuleCommon}) {
			taken++
		}
	}
	if taken < 3_000 {
		t.Errorf("only %d entries pass the other rules with a capital letter", taken)
	}
}

func TestWhatIsCommon(t *testing.T) {
	for s := range strings.FieldsSeq(`
		password password1 12345678 123456789 1234567890 qwertyuiop iloveyou sunshine princess football baseball
		superman trustno1 letmein1 welcome1 Password1! P@ssw0rd P@ssw0rd! P@$$w0rd P@$$w0rd1! pa$$word1 Passw0rd! Pa55word
		PASSWORD1! Summer2024! Summer2026! $umm3r2025! Sept3mber2025! Qwerty123! Qwerty123 admin123 Admin@123 changeme ch@ngeme
		Berlin2023! Liverpool1! Welcome123! Welcome@123 Hello123! Passwort1! Passwort123! Sommer2025! Frühling2024!
		Bonjour123! Motdepasse1! Contraseña1! Invierno2025! Benvenuto1! Juventus1! Senha123! Verão2025! Michael1!
		Jessica123! 1qaz2wsx 1qaz@WSX !QAZ2wsx q1w2e3r4 1q2w3e4r5t qwertzuiop azertyuiop zxcvbnm123 asdfghjkl abcd1234
		Abcd1234! abc12345 aa123456 11111111 88888888 aaaaaaaa 87654321 11223344 123123123 1234qwer Test1234! Changeme1!
		passwordpassword 123456789012345 1234567890123456 qwertyuiopasdfghjkl aaaaaaaaaaaaaaa iloveyouiloveyou
		correcthorsebatterystaple thequickbrownfox password123456789 abcdefghijklmnop 000000000000000`) {
		if !breaks(password.Policy{}, s, fault.RuleCommon) {
			t.Errorf("%q is not on the list", s)
		}
	}
	for _, s := range []string{
		"Tr4in-Station", "xPassword1!x", "Password1! ", " password", "password\n12345678", "password\n", "\n", "", "pass",
		"violet kettle under nine bridges", "Grüße aus 7 Dörfern", "zzzz-zzzz-9Q", "\x00", "\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		if breaks(password.Policy{}, s, fault.RuleCommon) {
			t.Errorf("%q is on the list", s)
		}
	}
}

func BenchmarkCommon(b *testing.B) {
	p := password.NewPlain("violet-kettle-7-under-nine")
	b.ReportAllocs()
	for b.Loop() {
		password.Policy{Profile: password.NIST}.BrokenByItself(p)
	}
}

func breaks(p password.Policy, s string, rule fault.Rule) bool {
	return slices.Contains(p.BrokenByItself(password.NewPlain(s)), rule)
}

func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}
