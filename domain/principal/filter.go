package principal

import (
	"slices"
	"strings"
	"time"

	"gatehouse/domain/email"
)

// Filter says which users somebody looks for (contract U1): those for whom all
// holds that is asked. What is zero is not asked.
type Filter struct {
	Query      string   // how a name begins, without regard to case, or a whole address
	Email      string   // a whole address, in any spelling
	Roles      []Role   // any of these, as Groups and Identities
	Groups     []string // keys
	Identities []string // providers, and [PasswordProvider]

	CreatedAfter, CreatedBefore *time.Time // these instants included, as below
	ActiveAfter, ActiveBefore   *time.Time
}

// Matches reports whether p is looked for.
func (f Filter) Matches(p *Principal) bool {
	return !p.IsGuest() &&
		(f.Query == "" || strings.HasPrefix(Fold(p.Name()), Fold(f.Query)) || p.hasAddress(f.Query)) &&
		(f.Email == "" || p.hasAddress(f.Email)) &&
		anyOf(f.Roles, p.Roles()) && anyOf(f.Groups, p.s.Groups) && anyOf(f.Identities, p.IdentityProviders()) &&
		within(p.CreatedAt(), f.CreatedAfter, f.CreatedBefore) && within(p.LastActive(), f.ActiveAfter, f.ActiveBefore)
}

func (p *Principal) hasAddress(text string) bool {
	a, broken := email.Parse(text)
	return broken == nil && a.Normal() == p.s.Email.Normal()
}

func anyOf[T comparable](wanted, has []T) bool {
	return wanted == nil || slices.ContainsFunc(wanted, func(w T) bool { return slices.Contains(has, w) })
}

func within(t time.Time, after, before *time.Time) bool {
	return (after == nil || !t.Before(*after)) && (before == nil || !t.After(*before))
}
