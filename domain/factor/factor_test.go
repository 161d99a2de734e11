package factor_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/domain/factor"
)

var methods = []factor.Method{factor.TOTP, factor.Email, factor.Passkey}

func TestAnAppIsPreferredOnceItIsOnAndOthersIfTheyAreAlone(t *testing.T) {
	for _, tc := range []struct {
		on   []factor.Method
		want factor.Method
	}{
		{nil, ""},
		{[]factor.Method{factor.Email}, factor.Email},
		{[]factor.Method{factor.Passkey, factor.Email}, factor.Passkey},
		{[]factor.Method{factor.Email, factor.TOTP}, factor.TOTP},
		{[]factor.Method{factor.TOTP, factor.Email}, factor.TOTP},
	} {
		var s factor.Set
		for _, m := range tc.on {
			s = s.With(m)
		}
		if s.Preferred != tc.want || s.Any() != (len(tc.on) > 0) {
			t.Errorf("with %v in this order, %q is preferred, want %q", tc.on, s.Preferred, tc.want)
		}
	}
}

func TestWithoutThePreferredMethodTheFirstOfTheOthersIsPreferred(t *testing.T) {
	all := factor.Set{TOTP: true, Email: true, Passkey: true, Preferred: factor.Email}
	for _, tc := range []struct{ without, want factor.Method }{
		{factor.Email, factor.TOTP}, {factor.TOTP, factor.Email}, {factor.Passkey, factor.Email},
	} {
		if got := all.Without(tc.without); got.Preferred != tc.want || got.Has(tc.without) {
			t.Errorf("without %s %q is preferred, want %q", tc.without, got.Preferred, tc.want)
		}
	}
}

// Whatever is switched on and off, a method is preferred that is on.
func TestASetStaysValidAndIsRestoredAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s factor.Set
		for range rapid.IntRange(0, 9).Draw(t, "steps") {
			m := rapid.SampledFrom(methods).Draw(t, "method")
			on := rapid.Bool().Draw(t, "on")
			if s = s.Without(m); on {
				s = s.With(m)
			}
			if s.Has(m) != on || !s.Valid() {
				t.Fatalf("%s on: %t, set %+v", m, on, s)
			}
			if r, ok := factor.Restore(s.Methods(), s.Preferred); !ok || r != s {
				t.Fatalf("restored %+v as %+v, %t", s, r, ok)
			}
		}
	})
}

func TestMethodsAreListedInTheOrderOfTheContract(t *testing.T) {
	s := factor.Set{}.With(factor.Passkey).With(factor.Email).With(factor.TOTP)
	if got := s.Methods(); !slices.Equal(got, methods) {
		t.Errorf("Methods = %v, want %v", got, methods)
	}
	if got := (factor.Set{}).Methods(); got == nil || len(got) != 0 {
		t.Errorf("Methods of none = %#v, want an empty list", got)
	}
}

func TestRestoreRefusesWhatNeverWasASet(t *testing.T) {
	for _, tc := range []struct {
		methods   []factor.Method
		preferred factor.Method
	}{
		{[]factor.Method{}, factor.TOTP},
		{[]factor.Method{factor.TOTP}, ""},
		{[]factor.Method{factor.TOTP}, factor.Email},
		{[]factor.Method{"sms"}, "sms"},
		{[]factor.Method{factor.Email, factor.TOTP}, factor.TOTP},
		{[]factor.Method{factor.TOTP, factor.TOTP}, factor.TOTP},
	} {
		if s, ok := factor.Restore(tc.methods, tc.preferred); ok {
			t.Errorf("Restore(%v, %q) = %+v", tc.methods, tc.preferred, s)
		}
	}
}
