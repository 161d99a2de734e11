package principal_test

import (
	"testing"
	"time"

	"gatehouse/domain/principal"
)

func TestWhoIsLookedFor(t *testing.T) {
	s := full(t)
	s.Name, s.LastActive = "Ådá Lovelace", noon.Add(time.Hour)
	ada, gus := restore(t, s), restore(t, guest())
	after := func(d time.Duration) *time.Time { return new(noon.Add(d)) }
	for _, tc := range []struct {
		what string
		f    principal.Filter
		want bool
	}{
		{"everybody", principal.Filter{}, true},
		{"the beginning of the name", principal.Filter{Query: "åDÁ l"}, true},
		{"the whole name", principal.Filter{Query: "ådá lovelace"}, true},
		{"the middle of the name", principal.Filter{Query: "lovelace"}, false},
		{"more than the name", principal.Filter{Query: "ådá lovelace!"}, false},
		{"another letter", principal.Filter{Query: "ada"}, false},
		{"the address in another case", principal.Filter{Query: "ADA.L@example.com"}, true},
		{"the beginning of the address", principal.Filter{Query: "ada.l@"}, false},
		{"the address", principal.Filter{Email: " ADA.L@example.com"}, true},
		{"the name as an address", principal.Filter{Email: "ådá"}, false},
		{"one of her roles", principal.Filter{Roles: []principal.Role{"GUEST", "ADMIN"}}, true},
		{"another role", principal.Filter{Roles: []principal.Role{"GUEST"}}, false},
		{"no role", principal.Filter{Roles: []principal.Role{}}, false},
		{"her group", principal.Filter{Groups: []string{"board", "staff"}}, true},
		{"another group", principal.Filter{Groups: []string{"STAFF"}}, false},
		{"her provider", principal.Filter{Identities: []string{"google"}}, true},
		{"her password", principal.Filter{Identities: []string{"password", "x"}}, true},
		{"another provider", principal.Filter{Identities: []string{"x"}}, false},
		{"this very instant", principal.Filter{CreatedAfter: after(0), CreatedBefore: after(0)}, true},
		{"too late", principal.Filter{CreatedAfter: after(1)}, false},
		{"too early", principal.Filter{CreatedBefore: after(-1)}, false},
		{"active then", principal.Filter{ActiveAfter: after(time.Hour), ActiveBefore: after(time.Hour)}, true},
		{"not active since", principal.Filter{ActiveAfter: after(time.Hour + 1)}, false},
		{"active later", principal.Filter{ActiveBefore: after(time.Hour - 1)}, false},
		{"one thing that holds and one that does not", principal.Filter{Query: "ådá", Groups: []string{"board"}}, false},
	} {
		if got := tc.f.Matches(ada); got != tc.want {
			t.Errorf("%s: %t", tc.what, got)
		}
		if tc.f.Matches(gus) {
			t.Errorf("%s: a guest is found", tc.what)
		}
	}
}
