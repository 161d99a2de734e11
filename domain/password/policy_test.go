package password_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/fault"
	"gatehouse/domain/password"
)

var (
	classic = password.Policy{Profile: password.Classic}
	nist    = password.Policy{Profile: password.NIST}
	ada     = password.Subject{Name: "Ada Lovelace", LocalPart: "countess"}
)

type rules = []fault.Rule

func TestBrokenByItself(t *testing.T) {
	composition := rules{fault.RuleUpper, fault.RuleLower, fault.RuleDigit, fault.RuleSpecial}
	for name, tc := range map[string]struct {
		next          string
		classic, nist rules
	}{
		"good":                       {"Tr4in-Station", nil, nil},
		"passphrase":                 {"violet kettle under nine bridges", rules{fault.RuleUpper, fault.RuleDigit, fault.RuleSpecial}, nil},
		"seven":                      {"Sh0rt-1", rules{fault.RuleMinLength}, rules{fault.RuleMinLength}},
		"eight":                      {"Sh0rt-1x", nil, nil},
		"256":                        {"aA1!" + strings.Repeat("x-", 126), nil, nil},
		"257":                        {"aA1!" + strings.Repeat("x-", 126) + "y", rules{fault.RuleMaxLength}, rules{fault.RuleMaxLength}},
		"256 of four bytes each":     {"aA1!" + strings.Repeat("😀", 252), nil, nil},
		"seven of two bytes each":    {"Ää1!öüß", rules{fault.RuleMinLength, fault.RuleUpper, fault.RuleLower}, rules{fault.RuleMinLength}},
		"eight before normal form":   {"Sh0rt-e\u0301", rules{fault.RuleMinLength}, rules{fault.RuleMinLength}},
		"letters of other scripts":   {"Ünïcödé٣٣", rules{fault.RuleUpper, fault.RuleDigit, fault.RuleSpecial}, nil},
		"tilde is not special":       {"Only~Tilde1", rules{fault.RuleSpecial}, nil},
		"backtick is not special":    {"Only`Tick1", rules{fault.RuleSpecial}, nil},
		"blank is not special":       {"Only Blank1", rules{fault.RuleSpecial}, nil},
		"euro is not special":        {"Only€Euro1", rules{fault.RuleSpecial}, nil},
		"blanks at the ends count":   {" Sh0rt- ", nil, nil},
		"NUL is a character":         {"Sh0rt-\x00\x00", nil, nil},
		"empty":                      {"", slices.Concat(rules{fault.RuleNotBlank, fault.RuleMinLength}, composition), rules{fault.RuleNotBlank, fault.RuleMinLength}},
		"blank":                      {" \t\u00a0\u2003\u3000\r\n\v ", slices.Concat(rules{fault.RuleNotBlank}, composition), rules{fault.RuleNotBlank}},
		"common":                     {"P@ssw0rd!", rules{fault.RuleCommon}, rules{fault.RuleCommon}},
		"common and composition":     {"password", rules{fault.RuleUpper, fault.RuleDigit, fault.RuleSpecial, fault.RuleCommon}, rules{fault.RuleCommon}},
		"common inside":              {"My-Password1!", nil, nil},
		"more than 4 KiB":            {strings.Repeat(" ", 4097), rules{fault.RuleMaxLength}, rules{fault.RuleMaxLength}},
		"4 KiB":                      {strings.Repeat(" ", 4096), slices.Concat(rules{fault.RuleNotBlank, fault.RuleMaxLength}, composition), rules{fault.RuleNotBlank, fault.RuleMaxLength}},
		"bytes that are not UTF-8":   {"\xff\xfe\xfdaA1!\xfc", nil, nil},
		"257 raw, 256 in form C":     {"aA1!" + strings.Repeat("x-", 125) + "ye\u0301", nil, nil},
		"one look-alike with a tail": {"P@ssw0rdery-9", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			next := password.NewPlain(tc.next)
			equal(t, "classic", classic.BrokenByItself(next), tc.classic)
			equal(t, "zero", password.Policy{}.BrokenByItself(next), tc.classic)
			equal(t, "nist", nist.BrokenByItself(next), tc.nist)
		})
	}
}

func TestEverySpecialCharacterCountsAndNoOther(t *testing.T) {
	const special = "!@#$%^&*()_+-={}[]|\\:;'\"<>,.?/"
	for c := range rune(0x250) {
		broken := breaks(classic, "Violet7x"+string(c), fault.RuleSpecial)
		if broken == strings.ContainsRune(special, c) {
			t.Errorf("%q: special broken is %v", c, broken)
		}
	}
}

func TestCompositionIsWaivedForLongPasswords(t *testing.T) {
	waiving := password.Policy{CompositionWaivedFrom: 20}
	for s, want := range map[string]rules{
		"violetkettleundernin":             nil,
		"violetkettleunderni":              {fault.RuleUpper, fault.RuleDigit, fault.RuleSpecial},
		strings.Repeat("ü", 20):            nil,
		strings.Repeat(" ", 20):            {fault.RuleNotBlank},
		"12345678901234567890":             {fault.RuleCommon},
		strings.Repeat("violetkettle", 22): {fault.RuleMaxLength},
		strings.Repeat("e\u0301", 19):      {fault.RuleUpper, fault.RuleLower, fault.RuleDigit, fault.RuleSpecial},
	} {
		equal(t, s, waiving.BrokenByItself(password.NewPlain(s)), want)
	}
}

func TestBrokenAsChange(t *testing.T) {
	const old = "Old-Secret-\u00e9-1"
	for name, tc := range map[string]struct {
		next, old string
		want      rules
	}{
		"another":              {"New-Secret-1", old, nil},
		"the same":             {old, old, rules{fault.RuleUnchanged}},
		"the same in NFD":      {norm.NFD.String(old), old, rules{fault.RuleUnchanged}},
		"another case":         {strings.ToUpper(old[:1]) + strings.ToUpper(old[1:4]) + old[4:], old, nil},
		"a blank more":         {old + " ", old, nil},
		"unchanged comes last": {"Password1!", "Password1!", rules{fault.RuleCommon, fault.RuleUnchanged}},
		"both empty":           {"", "", rules{fault.RuleNotBlank, fault.RuleMinLength, fault.RuleUpper, fault.RuleLower, fault.RuleDigit, fault.RuleSpecial, fault.RuleUnchanged}},
		"both beyond 4 KiB":    {strings.Repeat("x", 4097), strings.Repeat("x", 4097), rules{fault.RuleMaxLength}},
		"old beyond 4 KiB":     {"New-Secret-1", strings.Repeat("x", 4097), nil},
	} {
		t.Run(name, func(t *testing.T) {
			equal(t, "classic", classic.BrokenAsChange(password.NewPlain(tc.next), password.NewPlain(tc.old)), tc.want)
		})
	}
}

func TestBrokenFor(t *testing.T) {
	long := "violet kettle under nine"
	with := func(name, local string) password.Subject {
		return password.Subject{Name: name, LocalPart: local, SecondFactor: true}
	}
	for name, tc := range map[string]struct {
		next string
		of   password.Subject
		want rules
	}{
		"good":                        {long, ada, nil},
		"fourteen":                    {"violet kettle ", ada, rules{fault.RuleMinLength}},
		"fifteen":                     {"violet kettle u", ada, nil},
		"eight beside a factor":       {"violet k", with("Ada Lovelace", "countess"), nil},
		"seven was named before":      {"violet ", ada, nil},
		"name":                        {"I am ada lovelace, yes", ada, rules{fault.RuleContainsIdentity}},
		"part of the name":            {"I am ada but not lovelace", ada, nil},
		"local part":                  {"my COUNTESS is nice", ada, rules{fault.RuleContainsIdentity}},
		"both groups' rules in order": {"ada lovelace", ada, rules{fault.RuleMinLength, fault.RuleContainsIdentity}},
		"three letters":               {"xxada and bobxx", with("Ada", "bob"), nil},
		"four letters":                {"xxadam and yy", with("Adam", "bob"), rules{fault.RuleContainsIdentity}},
		"three of two bytes":          {"the öüä thing", with("ÖÜÄ", "b"), nil},
		"four of two bytes":           {"the öüäß thing", with("ÖÜÄß", "b"), rules{fault.RuleContainsIdentity}},
		"blanks do not lengthen":      {"the  ada  thing", with(" Ada ", "b"), nil},
		"trimmed":                     {"the adam thing", with("  Adam  ", "b"), rules{fault.RuleContainsIdentity}},
		"name in NFD":                 {"the ren\u00e9e thing", with("RENE\u0301E", "b"), rules{fault.RuleContainsIdentity}},
		"password in NFD":             {"the rene\u0301e thing", with("Ren\u00e9e", "b"), rules{fault.RuleContainsIdentity}},
		"both sigmas":                 {"the οδυσσευς thing", with("ΟΔΥΣΣΕΥΣ", "b"), rules{fault.RuleContainsIdentity}},
		"neither":                     {"anything goes here", with("", ""), nil},
		"more than 4 KiB":             {strings.Repeat("countess", 600), ada, nil},
	} {
		t.Run(name, func(t *testing.T) {
			next := password.NewPlain(tc.next)
			equal(t, "nist", nist.BrokenFor(next, tc.of), tc.want)
			equal(t, "classic", classic.BrokenFor(next, tc.of), nil)
		})
	}
}

func TestBrokenForNewNamesBothGroupsInOrder(t *testing.T) {
	for s, want := range map[string]rules{
		"violet kettle under nine":      nil,
		"abc":                           {fault.RuleMinLength},
		"":                              {fault.RuleNotBlank, fault.RuleMinLength},
		"countess":                      {fault.RuleMinLength, fault.RuleContainsIdentity},
		"Password123!":                  {fault.RuleMinLength, fault.RuleCommon},
		strings.Repeat("countess", 33):  {fault.RuleMaxLength, fault.RuleContainsIdentity},
		strings.Repeat("countess", 600): {fault.RuleMaxLength},
	} {
		equal(t, s, nist.BrokenForNew(password.NewPlain(s), ada), want)
	}
	pat := password.Subject{Name: "Password", LocalPart: "password"}
	equal(t, "identity and common", nist.BrokenForNew(password.NewPlain("Password123!"), pat),
		rules{fault.RuleMinLength, fault.RuleCommon, fault.RuleContainsIdentity})
}

func TestASetMinimumReplacesTheProfiles(t *testing.T) {
	for _, profile := range []password.Profile{password.Classic, password.NIST} {
		p := password.Policy{Profile: profile, MinLength: 12, MaxLength: 64}
		for _, of := range []password.Subject{{}, {SecondFactor: true}} {
			for length, want := range map[int]rules{
				11: {fault.RuleMinLength}, 12: nil, 64: nil, 65: {fault.RuleMaxLength},
			} {
				s := password.NewPlain("Aa1!" + strings.Repeat("é", length-4))
				equal(t, fmt.Sprint(profile, length), p.BrokenForNew(s, of), want)
			}
		}
	}
}

func TestValidateTellsEveryMistake(t *testing.T) {
	for name, tc := range map[string]struct {
		policy   password.Policy
		mistakes int
	}{
		"zero":       {password.Policy{}, 0},
		"classic":    {classic, 0},
		"nist":       {nist, 0},
		"widest":     {password.Policy{Profile: password.NIST, MinLength: 8, MaxLength: 1024, CompositionWaivedFrom: 20}, 0},
		"narrowest":  {password.Policy{MinLength: 64, MaxLength: 64}, 0},
		"profile":    {password.Policy{Profile: "Classic"}, 1},
		"minimum":    {password.Policy{MinLength: 7}, 1},
		"negative":   {password.Policy{MinLength: -1}, 1},
		"maximum":    {password.Policy{MaxLength: 63}, 1},
		"too much":   {password.Policy{MaxLength: 1025}, 1},
		"order":      {password.Policy{MinLength: 100, MaxLength: 99}, 1},
		"default":    {password.Policy{MinLength: 257}, 1},
		"waiver":     {password.Policy{CompositionWaivedFrom: -1}, 1},
		"everything": {password.Policy{Profile: "x", MinLength: 1, MaxLength: -1, CompositionWaivedFrom: -1}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			told := 0
			if err := tc.policy.Validate(); err != nil {
				told = len(strings.Split(err.Error(), "\n"))
			}
			if told != tc.mistakes {
				t.Errorf("Validate() = %v, want %d mistakes", tc.policy.Validate(), tc.mistakes)
			}
		})
	}
}

// SP 800-63B-4 must accept what the stricter classic rules do, or switching the
// profile would refuse passwords that people have.
func TestNISTTakesEveryLongClassicPassword(t *testing.T) {
	taken := 0
	for _, start := range []string{"Tr4in-", "7 Brücken: ", "pass-Word9", "\u03a9mega 3, 'X' "} {
		for _, e := range entries(t) {
			s := password.NewPlain(start + e)
			if utf8.RuneCountInString(s.Reveal()) < 15 || classic.BrokenByItself(s) != nil {
				continue
			}
			taken++
			if got := nist.BrokenForNew(s, password.Subject{}); got != nil {
				t.Fatalf("%q: nist says %q, classic nothing", s.Reveal(), got)
			}
		}
	}
	if taken < 10_000 {
		t.Errorf("only %d passwords were tried", taken)
	}
}

func TestAFloodOfCombiningMarksIsHandled(t *testing.T) {
	for _, flood := range []string{
		"a" + strings.Repeat("\u0301", 2047),
		strings.Repeat("\u0323\u0301", 1024),
		strings.Repeat("\u1fb7", 1365),
		"a" + strings.Repeat("\u0301", 1<<20),
	} {
		if !breaks(nist, flood, fault.RuleMaxLength) {
			t.Errorf("%d bytes of marks are not too long", len(flood))
		}
	}
}

// The rules must agree with regular expressions, which say the same slowly.
func FuzzBroken(f *testing.F) {
	for _, s := range []string{
		"Tr4in-Station", "", " ", "\xff\xfe", "P@ssw0rd!", "Password1!", "violet kettle under nine bridges",
		"ada LOVELACE was here", "Only~Tilde1", "cafe\u0301 \u212b 12-A", strings.Repeat("Aa1!", 64), strings.Repeat("x", 4097),
		"Qwerty123!", "Tr4in-Station-Under-Nine", "\u2003\u3000",
	} {
		f.Add(s, "Old-Secret1", "Ada Lovelace", "countess", false)
	}
	f.Add("οδυσσευς-Ithaca-9", "οδυσσευς-Ithaca-9", "ΟΔΥΣΣΕΥΣ", "x", true)
	f.Fuzz(func(t *testing.T, next, old, name, local string, secondFactor bool) {
		of := password.Subject{Name: name, LocalPart: local, SecondFactor: secondFactor}
		p, q := password.NewPlain(next), password.NewPlain(old)
		for _, policy := range []password.Policy{classic, nist, {CompositionWaivedFrom: 20}} {
			itself, account := oracle(policy, p, of)
			equal(t, "by itself", policy.BrokenByItself(p), itself)
			if utf8.ValidString(name) && utf8.ValidString(local) {
				equal(t, "for", policy.BrokenFor(p, of), account)
			}
			if !p.TooLong() && !q.TooLong() && p.Reveal() == q.Reveal() {
				itself = append(itself, fault.RuleUnchanged)
			}
			equal(t, "as change", policy.BrokenAsChange(p, q), itself)
		}
		if classic.BrokenByItself(p) == nil && utf8.RuneCountInString(p.Reveal()) >= 15 {
			equal(t, "classic of 15 under nist", nist.BrokenForNew(p, password.Subject{}), nil)
		}
	})
}

// expressions match what keeps each rule.
var expressions = map[fault.Rule]*regexp.Regexp{
	fault.RuleNotBlank:  regexp.MustCompile(`[^\t-\r\x{85}\p{Z}]`),
	fault.RuleMinLength: regexp.MustCompile(`(?s)^.{8}`),
	fault.RuleMaxLength: regexp.MustCompile(`(?s)^.{0,256}$`),
	fault.RuleUpper:     regexp.MustCompile(`[A-Z]`),
	fault.RuleLower:     regexp.MustCompile(`[a-z]`),
	fault.RuleDigit:     regexp.MustCompile(`[0-9]`),
	fault.RuleSpecial:   regexp.MustCompile("[!@#$%^&*()_+={}\\[\\]|\\\\:;'\"<>,.?/-]"),
}

var (
	fifteen  = regexp.MustCompile(`(?s)^.{15}`)
	twenty   = regexp.MustCompile(`(?s)^.{20}`)
	identity = regexp.MustCompile(`(?s)^.{4}`)
	alike    = strings.NewReplacer("@", "a", "0", "o", "1", "l", "3", "e", "$", "s")
	folded   = sync.OnceValue(func() map[string]bool {
		m := map[string]bool{}
		for e := range strings.FieldsSeq(list) {
			m[alike.Replace(e)] = true
		}
		return m
	})
)

func oracle(p password.Policy, next password.Plain, of password.Subject) (itself, account rules) {
	s := next.Reveal()
	if next.TooLong() {
		return rules{fault.RuleMaxLength}, nil
	}
	keeps := func(r fault.Rule) bool { return expressions[r].MatchString(s) }
	for _, r := range []fault.Rule{fault.RuleNotBlank, fault.RuleMinLength, fault.RuleMaxLength, fault.RuleUpper, fault.RuleLower, fault.RuleDigit, fault.RuleSpecial} {
		length := r == fault.RuleNotBlank || r == fault.RuleMinLength || r == fault.RuleMaxLength
		waived := p.Profile == password.NIST || p.CompositionWaivedFrom == 20 && twenty.MatchString(s)
		if !keeps(r) && (length || !waived) {
			itself = append(itself, r)
		}
	}
	if folded()[alike.Replace(strings.ToLower(s))] {
		itself = append(itself, fault.RuleCommon)
	}
	if p.Profile != password.NIST {
		return itself, nil
	}
	if keeps(fault.RuleMinLength) && !fifteen.MatchString(s) && !of.SecondFactor {
		account = append(account, fault.RuleMinLength)
	}
	if holds(s, of.Name) || holds(s, of.LocalPart) {
		account = append(account, fault.RuleContainsIdentity)
	}
	return itself, account
}

func holds(s, part string) bool {
	part = norm.NFC.String(strings.TrimSpace(part))
	return utf8.ValidString(part) && identity.MatchString(part) &&
		regexp.MustCompile(`(?i)`+regexp.QuoteMeta(part)).MatchString(s)
}

func BenchmarkFlood(b *testing.B) {
	flood := "a" + strings.Repeat("\u0323\u0301", 1023)
	for b.Loop() {
		nist.BrokenForNew(password.NewPlain(flood), ada)
	}
}

func equal(t *testing.T, what string, got, want rules) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: broken are %q, want %q", what, got, want)
	}
}
