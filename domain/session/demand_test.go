package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/session"
)

func TestAWishIsParsedWhole(t *testing.T) {
	d, err := session.Wish{
		Purpose: new(" payment:42 "), PayloadHash: new("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
		ACRValues: new("aal3  aal2"), MaxAge: new(int64(90)),
	}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case d.Bound != session.Bound{Purpose: "payment:42", PayloadHash: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}:
		t.Errorf("bound to %+v", d.Bound)
	case !slices.Equal(d.ACR, []string{"aal3", "aal2"}), !d.Accepts("aal2"), d.Accepts("aal1"):
		t.Errorf("classes %v", d.ACR)
	case d.Lasts(10*time.Minute) != 90*time.Second, d.Lasts(time.Minute) != time.Minute:
		t.Errorf("a token lasts %v", d.Lasts(10*time.Minute))
	}
}

func TestWhoAsksForNothingGetsWhatThereIs(t *testing.T) {
	d, err := session.Wish{}.Parse()
	if err != nil || !d.Bound.IsZero() || !d.Accepts("aal0") || d.Lasts(time.Minute) != time.Minute {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestABetterClassWillDoAndOneThatNobodyKnowsWillNot(t *testing.T) {
	for _, c := range []struct {
		wanted, proven string
		ok             bool
	}{
		{"aal1", "aal2", true},
		{"aal1", "aal1", true},
		{"aal2", "aal1", false},
		{"aal0", "aal0", true},
		{"aal1", "aal0", false},
		{"urn:mace:gold", "aal2", false},
		{"urn:mace:gold aal1", "aal1", true},
		{"aal1", "aal9", false},
	} {
		if d := (session.Demand{ACR: strings.Fields(c.wanted)}); d.Accepts(c.proven) != c.ok {
			t.Errorf("asked for %q, proven %q: %t", c.wanted, c.proven, !c.ok)
		}
	}
}

func TestAWishHasRules(t *testing.T) {
	hash := strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		wish session.Wish
		want []fault.Violation
	}{
		"blank purpose":       {session.Wish{Purpose: new("  ")}, []fault.Violation{{Field: "purpose", Rule: fault.RuleNotBlank}}},
		"long purpose":        {session.Wish{Purpose: new(strings.Repeat("é", 201))}, []fault.Violation{{Field: "purpose", Rule: fault.RuleMaxLength}}},
		"control characters":  {session.Wish{Purpose: new("a\nb")}, []fault.Violation{{Field: "purpose", Rule: fault.RuleControlCharacters}}},
		"no UTF-8":            {session.Wish{Purpose: new("a\xff")}, []fault.Violation{{Field: "purpose", Rule: fault.RuleControlCharacters}}},
		"short hash":          {session.Wish{Purpose: new("p"), PayloadHash: new("abc")}, []fault.Violation{{Field: "payloadHash", Rule: fault.RulePattern}}},
		"hash of something":   {session.Wish{Purpose: new("p"), PayloadHash: new(hash + "!")}, []fault.Violation{{Field: "payloadHash", Rule: fault.RulePattern}}},
		"hash without use":    {session.Wish{PayloadHash: &hash}, []fault.Violation{{Field: "purpose", Rule: fault.RuleRequired}}},
		"no class":            {session.Wish{ACRValues: new(" ")}, []fault.Violation{{Field: "acr_values", Rule: fault.RuleNotBlank}}},
		"too many classes":    {session.Wish{ACRValues: new(strings.Repeat("a ", 101))}, []fault.Violation{{Field: "acr_values", Rule: fault.RuleMaxLength}}},
		"no age":              {session.Wish{MaxAge: new(int64(0))}, []fault.Violation{{Field: "max_age", Rule: fault.RuleRange}}},
		"more than a day":     {session.Wish{MaxAge: new(int64(86401))}, []fault.Violation{{Field: "max_age", Rule: fault.RuleRange}}},
		"everything at once":  {session.Wish{PayloadHash: new(""), MaxAge: new(int64(-1))}, []fault.Violation{{Field: "payloadHash", Rule: fault.RulePattern}, {Field: "purpose", Rule: fault.RuleRequired}, {Field: "max_age", Rule: fault.RuleRange}}},
		"the longest of each": {session.Wish{Purpose: new(strings.Repeat("é", 200)), PayloadHash: new(strings.Repeat("f", 128) + "=="), ACRValues: new(strings.Repeat("a ", 100)), MaxAge: new(int64(86400))}, nil},
	} {
		_, err := c.wish.Parse()
		var got []fault.Violation
		if f, ok := errors.AsType[*fault.Error](err); ok {
			got = f.Broken()
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
