// Package account holds what use cases of several packages ask of accounts:
// what one that is missing means, what a new one has to be like, and that
// token caches hear what became of one. When any of that is asked is decided
// by the use cases.
package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// Self takes the caller as a store found them. It refuses with
// PRINCIPAL_NOT_FOUND when the account was deleted while its token was good.
func Self(p *principal.Principal, err error) (*principal.Principal, error) {
	return found(p, err, fault.PrincipalNotFound)
}

// Named takes whom somebody asked for, as a store found them. It refuses with
// USER_NOT_FOUND.
func Named(p *principal.Principal, err error) (*principal.Principal, error) {
	return found(p, err, fault.UserNotFound)
}

// User is as [Named], and refuses guests alike.
func User(p *principal.Principal, err error) (*principal.Principal, error) {
	if p, err = Named(p, err); err != nil {
		return nil, err
	}
	return p, p.RequireUser()
}

// Find finds whom something is about, locked within a transaction, and refuses
// whom it cannot be about.
type Find func(ctx context.Context, s outbound.Stores) (*principal.Principal, error)

// UserByID finds a user as [User] does.
func UserByID(id principal.ID) Find {
	return func(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
		return User(s.Principals.ByID(ctx, id))
	}
}

// ButTheLastAdmin is as find for whoever may be about to count as an admin no
// longer: it refuses with AT_LEAST_ONE_ADMIN_REQUIRED if no other one would
// remain. All admins are locked first, in order, so that two of these cannot
// count on each other (faults F65).
func ButTheLastAdmin(find Find) Find {
	return func(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
		admins, err := s.Principals.EnabledAdmins(ctx)
		if err != nil {
			return nil, fmt.Errorf("lock admins: %w", err)
		}
		p, err := find(ctx, s)
		if err != nil {
			return nil, err
		}
		others := slices.ContainsFunc(admins, func(id principal.ID) bool { return id != p.ID() })
		if p.IsAdmin() && !p.IsDisabled() && !others {
			return nil, fault.New(fault.AtLeastOneAdminRequired)
		}
		return p, nil
	}
}

func found(p *principal.Principal, err error, missing fault.Code) (*principal.Principal, error) {
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return nil, fault.New(missing).Because(err)
	case err != nil:
		return nil, fmt.Errorf("load principal: %w", err)
	}
	return p, nil
}

// StillIn refuses with ACCESS_TOKEN_EXPIRED when the caller's session ended
// after the access check. Whatever ended it did so to keep them from more, and
// would miss what comes after it (faults F66). In a transaction in which the
// caller is locked the answer holds until that ends.
func StillIn(ctx context.Context, s outbound.Stores, c session.Caller, now time.Time) error {
	a, err := s.Sessions.Access(ctx, c.SessionID)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return fault.New(fault.AccessTokenExpired).Because(err)
	case err != nil:
		return fmt.Errorf("read session: %w", err)
	case !a.Session.Live(now), a.Session.PrincipalID != c.PrincipalID, a.Disabled:
		return fault.New(fault.AccessTokenExpired)
	}
	return nil
}

// Save stores a principal that has changed. It fails as the store does.
func Save(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
	if err := s.Principals.Save(ctx, p); err != nil {
		return fmt.Errorf("save principal: %w", err)
	}
	return nil
}

// Revoke makes a change after which something counts no longer, and tells the
// caches before and after, also when whoever asked for it is gone by then. They
// are told too of what counted no longer before: whoever changed it may have
// failed afterwards, and told nobody. What change refuses with is passed on;
// Revoke refuses with POST_COMMIT_SIDE_EFFECT_FAILURE when the change stands, and
// a cache did not hear of it.
func Revoke(ctx context.Context, to outbound.Revocations, what outbound.Revocation, change func() (over bool, err error)) error {
	lasting := context.WithoutCancel(ctx)
	to.Announce(lasting, what)
	over, err := change()
	if err != nil || !over {
		return err
	}
	if err := to.Propagate(lasting, what); err != nil {
		return fault.New(fault.PostCommitSideEffectFailure).Because(err)
	}
	return nil
}

// Stands reports whether a change is stored, whatever became of its effects.
func Stands(err error) bool {
	return err == nil || fault.CodeOf(err) == fault.PostCommitSideEffectFailure
}
