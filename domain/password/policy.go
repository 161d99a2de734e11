package password

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/fault"
)

// Profile names a set of rules (contract §7.1).
type Profile string

// The profiles. NIST follows SP 800-63B-4 §3.1.1.2; Classic departs from it by
// asking for kinds of characters.
const (
	Classic Profile = "classic"
	NIST    Profile = "nist"
)

const (
	shortest             = 8  // also NIST's minimum beside a second factor
	shortestSingleFactor = 15 // NIST's minimum without one
	longest              = 256

	// leastLongest and mostLongest bound MaxLength: SP 800-63B-4 wants 64
	// accepted, and more than 1024 code points do not always fit into 4 KiB.
	leastLongest = 64
	mostLongest  = maxBytes / utf8.UTFMax

	leastIdentity = 4
)

const special = `!@#$%^&*()_+-={}[]|\:;'"<>,.?/`

// order is the order in which broken rules are named.
var order = []fault.Rule{
	fault.RuleNotBlank, fault.RuleMinLength, fault.RuleMaxLength,
	fault.RuleUpper, fault.RuleLower, fault.RuleDigit, fault.RuleSpecial,
	fault.RuleCommon, fault.RuleContainsIdentity, fault.RuleUnchanged,
}

// Policy decides which passwords may be set; a password that is compared has no
// rule. Lengths count code points of the normal form. The zero Policy is the
// contract's default.
//
// The rules come in two groups, because an answer about the request must not
// wait for the account: [Policy.BrokenByItself] and [Policy.BrokenAsChange]
// need the request alone, [Policy.BrokenFor] needs the account. The groups
// never name the same rule for the same password. Each names all the rules that
// are broken, in the order of the contract.
type Policy struct {
	Profile Profile // "" is Classic

	// MinLength replaces the minimum of the profile; 0 keeps it: 8 for
	// Classic; 15 for NIST, or 8 while a second factor is on.
	MinLength int
	MaxLength int // 0 is 256

	// CompositionWaivedFrom is the length from which Classic asks for no kinds
	// of characters; 0 is never.
	CompositionWaivedFrom int
}

// Subject is what the rules need to know of the account.
type Subject struct {
	Name         string
	LocalPart    string // of the address
	SecondFactor bool   // one is on
}

// Validate tells every mistake in the policy: an unknown profile, a minimum
// below 8, a maximum outside 64 to 1024 or below the minimum, a negative
// length.
func (p Policy) Validate() error {
	var mistakes []error
	if p.Profile != "" && p.Profile != Classic && p.Profile != NIST {
		mistakes = append(mistakes, fmt.Errorf("unknown profile %q", p.Profile))
	}
	if p.MinLength != 0 && p.MinLength < shortest {
		mistakes = append(mistakes, fmt.Errorf("minimum length %d is below %d", p.MinLength, shortest))
	}
	if m := p.atMost(); m < leastLongest || m > mostLongest {
		mistakes = append(mistakes, fmt.Errorf("maximum length %d is not within %d and %d", m, leastLongest, mostLongest))
	}
	if p.MinLength > p.atMost() {
		mistakes = append(mistakes, fmt.Errorf("minimum length %d is above the maximum %d", p.MinLength, p.atMost()))
	}
	if p.CompositionWaivedFrom < 0 {
		mistakes = append(mistakes, fmt.Errorf("composition waived from %d characters", p.CompositionWaivedFrom))
	}
	return errors.Join(mistakes...)
}

// BrokenByItself names the rules that next breaks whoever sets it. Where a
// second factor decides about the minimum, it takes the lower one.
func (p Policy) BrokenByItself(next Plain) []fault.Rule {
	if next.TooLong() {
		return []fault.Rule{fault.RuleMaxLength}
	}
	s := next.Reveal()
	length := utf8.RuneCountInString(s)
	broken := brokenOf(
		check{fault.RuleNotBlank, strings.TrimSpace(s) != ""},
		check{fault.RuleMinLength, length >= p.atLeast(true)},
		check{fault.RuleMaxLength, length <= p.atMost()},
	)
	if p.composes(length) {
		broken = append(broken, brokenOf(
			check{fault.RuleUpper, strings.ContainsFunc(s, between('A', 'Z'))},
			check{fault.RuleLower, strings.ContainsFunc(s, between('a', 'z'))},
			check{fault.RuleDigit, strings.ContainsFunc(s, between('0', '9'))},
			check{fault.RuleSpecial, strings.ContainsAny(s, special)},
		)...)
	}
	return append(broken, brokenOf(check{fault.RuleCommon, !isCommon(s)})...)
}

// BrokenAsChange names the rules that next breaks as the successor of old.
func (p Policy) BrokenAsChange(next, old Plain) []fault.Rule {
	return append(p.BrokenByItself(next), brokenOf(check{fault.RuleUnchanged, !next.Equal(old)})...)
}

// BrokenFor names the rules that next breaks as the password of one account,
// without those that [Policy.BrokenByItself] has named.
func (p Policy) BrokenFor(next Plain, of Subject) []fault.Rule {
	if next.TooLong() {
		return nil
	}
	s := next.Reveal()
	length := utf8.RuneCountInString(s)
	return brokenOf(
		check{fault.RuleMinLength, length >= p.atLeast(of.SecondFactor) || length < p.atLeast(true)},
		check{fault.RuleContainsIdentity, p.Profile != NIST || !of.isIn(s)},
	)
}

// BrokenForNew names the rules of both groups, for a request that creates the
// account it sets the password of.
func (p Policy) BrokenForNew(next Plain, of Subject) []fault.Rule {
	broken := append(p.BrokenByItself(next), p.BrokenFor(next, of)...)
	slices.SortFunc(broken, func(a, b fault.Rule) int {
		return slices.Index(order, a) - slices.Index(order, b)
	})
	return broken
}

func (p Policy) atLeast(secondFactor bool) int {
	switch {
	case p.MinLength != 0:
		return p.MinLength
	case p.Profile == NIST && !secondFactor:
		return shortestSingleFactor
	}
	return shortest
}

func (p Policy) atMost() int {
	if p.MaxLength != 0 {
		return p.MaxLength
	}
	return longest
}

func (p Policy) composes(length int) bool {
	return p.Profile != NIST && (p.CompositionWaivedFrom == 0 || length < p.CompositionWaivedFrom)
}

// isIn reports whether s contains the name or the local part of the address.
func (of Subject) isIn(s string) bool {
	s = foldCase(s)
	for _, part := range []string{of.Name, of.LocalPart} {
		part = foldCase(norm.NFC.String(strings.TrimSpace(part)))
		if utf8.RuneCountInString(part) >= leastIdentity && strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// foldCase makes strings equal that differ in case only, as [strings.EqualFold]
// has it: lower case alone would keep the two small sigmas apart.
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}

type check struct {
	rule fault.Rule
	ok   bool
}

func brokenOf(checks ...check) []fault.Rule {
	var broken []fault.Rule
	for _, c := range checks {
		if !c.ok {
			broken = append(broken, c.rule)
		}
	}
	return broken
}

func between(first, last rune) func(rune) bool {
	return func(r rune) bool { return first <= r && r <= last }
}
