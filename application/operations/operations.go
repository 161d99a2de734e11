// Package operations holds what an operator asks at the command line, where
// nobody is signed in. The rules are those of the API, the last admin and the
// end of sessions included; who may run the command is the machine's business.
package operations

import (
	"context"
	"strings"

	"gatehouse/application/account"
	"gatehouse/domain/email"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// find finds a principal by id or address. It refuses with USER_NOT_FOUND.
func find(idOrAddress string) account.Find {
	return func(ctx context.Context, s outbound.Stores) (p *principal.Principal, err error) {
		if strings.Contains(idOrAddress, "@") {
			p, err = s.Principals.ByEmail(ctx, email.Normal(idOrAddress))
		} else {
			p, err = s.Principals.ByID(ctx, principal.ID(strings.ToLower(strings.TrimSpace(idOrAddress))))
		}
		return account.Named(p, err)
	}
}

// findUser is as find, and refuses guests alike.
func findUser(idOrAddress string) account.Find {
	return func(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
		return account.User(find(idOrAddress)(ctx, s))
	}
}
