// Package operations holds what an operator asks at the command line, where
// nobody is signed in. The rules are those of the API, the last admin and the
// end of sessions included; who may run the command is the machine's business.
package operations

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gatehouse/application/account"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// find loads a principal by id or address, locked within a transaction. It
// refuses with USER_NOT_FOUND.
func find(ctx context.Context, s outbound.Stores, idOrAddress string) (p *principal.Principal, err error) {
	if strings.Contains(idOrAddress, "@") {
		p, err = s.Principals.ByEmail(ctx, email.Normal(idOrAddress))
	} else {
		p, err = s.Principals.ByID(ctx, principal.ID(strings.ToLower(strings.TrimSpace(idOrAddress))))
	}
	return account.Named(p, err)
}

// loseAdmin loads a user who may be about to count as an admin no longer, and
// refuses with AT_LEAST_ONE_ADMIN_REQUIRED if no other one remains. All admins
// are locked first, in order, so that two of these cannot count on each other.
func loseAdmin(ctx context.Context, s outbound.Stores, idOrAddress string) (*principal.Principal, error) {
	admins, err := s.Principals.EnabledAdmins(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock admins: %w", err)
	}
	p, err := find(ctx, s, idOrAddress)
	if err != nil {
		return nil, err
	}
	others := slices.ContainsFunc(admins, func(id principal.ID) bool { return id != p.ID() })
	if p.IsAdmin() && !p.IsDisabled() && !others {
		return nil, fault.New(fault.AtLeastOneAdminRequired)
	}
	return p, p.RequireUser()
}
