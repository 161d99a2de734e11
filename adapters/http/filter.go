package http

import (
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
)

// longestQuery is how many characters somebody may look for at a time.
const longestQuery = 100

// filterOf is who was asked for, or INVALID_REQUEST with all that is wrong with
// it.
func filterOf(p api.ListUsersParams) (principal.Filter, error) {
	r := reading{fault.New(fault.InvalidRequest)}
	f := principal.Filter{
		Query:      r.query(p.Q),
		Email:      r.text("email", p.Email),
		Roles:      r.roles(p.Roles),
		Groups:     members(p.Groups),
		Identities: members(p.Identities),

		CreatedAfter:  r.instant("createdAtAfter", p.CreatedAtAfter),
		CreatedBefore: r.instant("createdAtBefore", p.CreatedAtBefore),
		ActiveAfter:   r.instant("lastActiveAfter", p.LastActiveAfter),
		ActiveBefore:  r.instant("lastActiveBefore", p.LastActiveBefore),
	}
	if len(r.wrong.Broken()) > 0 {
		return principal.Filter{}, r.wrong
	}
	return f, nil
}

// reading is what was wrong so far.
type reading struct{ wrong *fault.Error }

func (r *reading) query(sent *string) string {
	q := r.text("q", sent)
	if utf8.RuneCountInString(q) > longestQuery {
		r.wrong = r.wrong.On("q", fault.RuleMaxLength)
	}
	return q
}

// text returns "" for what was not sent; it may not be sent empty.
func (r *reading) text(name string, sent *string) string {
	if sent == nil {
		return ""
	}
	if *sent == "" {
		r.wrong = r.wrong.On(name, fault.RuleMinLength)
	}
	return *sent
}

func (r *reading) roles(sent []string) (out []principal.Role) {
	for _, s := range members(sent) {
		switch role := principal.Role(strings.ToUpper(s)); role {
		case principal.RoleUser, principal.RoleAdmin, principal.RoleGuest:
			out = append(out, role)
		default:
			r.wrong = r.wrong.On("roles", fault.RuleEnum)
			return nil
		}
	}
	return out
}

// instant reads RFC 3339 in any offset, to the microsecond, in the years that
// stores put in order.
func (r *reading) instant(name string, sent *string) *time.Time {
	if sent == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *sent)
	t = t.UTC().Truncate(time.Microsecond)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		r.wrong = r.wrong.On(name, fault.RuleInstant)
		return nil
	}
	return &t
}

// members are those of a set, which is written as a repeated parameter, as a
// list with commas, or both. A set that was sent has some.
func members(sent []string) (out []string) {
	for _, s := range sent {
		out = append(out, strings.Split(s, ",")...)
	}
	return out
}
