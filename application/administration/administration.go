// Package administration holds what is done to accounts by others than their
// owners: to disable and to enable them, and to give and take the role ADMIN.
// Admins ask over the API, operators at the command line; what it means is the
// same, and decided here.
package administration

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// ChangerDeps are what a [Changer] works with. All are required.
type ChangerDeps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
	Now         func() time.Time
}

// Changer changes accounts. Whose they are, and who must not be found, is said
// by whoever calls it. What is as it should be is left alone.
type Changer struct{ d ChangerDeps }

// NewChanger returns a Changer.
func NewChanger(d ChangerDeps) *Changer { return &Changer{d} }

// Disable shuts an account, ends its sessions, and voids whatever could begin
// another one. It refuses with AT_LEAST_ONE_ADMIN_REQUIRED or, the change being
// stored, with POST_COMMIT_SIDE_EFFECT_FAILURE.
func (c *Changer) Disable(ctx context.Context, who account.Find) (*principal.Principal, error) {
	now := c.d.Now()
	return c.revoke(ctx, account.ButTheLastAdmin(who), who, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if !p.Disable() {
			return nil
		}
		if err := account.Save(ctx, s, p); err != nil {
			return err
		}
		return endEverything(ctx, s, p.ID(), now)
	})
}

// Enable opens an account again.
func (c *Changer) Enable(ctx context.Context, who account.Find) (p *principal.Principal, err error) {
	err = c.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if p, err = who(ctx, s); err != nil || !p.Enable() {
			return err
		}
		return account.Save(ctx, s, p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// GrantAdmin gives a user the role ADMIN, and makes their access tokens stale.
// It refuses with GUEST_CANNOT_PERFORM_THIS_ACTION or, the change being stored,
// with POST_COMMIT_SIDE_EFFECT_FAILURE.
func (c *Changer) GrantAdmin(ctx context.Context, who account.Find) (*principal.Principal, error) {
	user := func(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
		p, err := who(ctx, s)
		if err == nil && p.IsGuest() {
			return nil, fault.New(fault.GuestCannotPerformThisAction)
		}
		return p, err
	}
	return c.setAdmin(ctx, user, user, true)
}

// RevokeAdmin takes the role, with the same effect. It refuses with
// AT_LEAST_ONE_ADMIN_REQUIRED or, the change being stored, with
// POST_COMMIT_SIDE_EFFECT_FAILURE.
func (c *Changer) RevokeAdmin(ctx context.Context, who account.Find) (*principal.Principal, error) {
	return c.setAdmin(ctx, account.ButTheLastAdmin(who), who, false)
}

func (c *Changer) setAdmin(ctx context.Context, load, look account.Find, admin bool) (*principal.Principal, error) {
	return c.revoke(ctx, load, look, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if !p.SetAdmin(admin) {
			return nil
		}
		return account.Save(ctx, s, p)
	})
}

// revoke loads somebody and changes them, in one transaction, so that what they
// had counts no longer. Before, it looks who that is, for the caches.
func (c *Changer) revoke(
	ctx context.Context, load, look account.Find,
	change func(ctx context.Context, s outbound.Stores, p *principal.Principal) error,
) (p *principal.Principal, err error) {
	who, err := look(ctx, c.d.Work.Single())
	if err != nil {
		return nil, err
	}
	err = account.Revoke(ctx, c.d.Revocations, outbound.Revocation{Principal: who.ID()}, func() (bool, error) {
		return true, c.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			if p, err = load(ctx, s); err != nil {
				return err
			}
			return change(ctx, s, p)
		})
	})
	if !account.Stands(err) {
		return nil, err
	}
	return p, err
}

// endEverything ends the sessions of a principal and voids whatever could
// begin another one.
func endEverything(ctx context.Context, s outbound.Stores, of principal.ID, now time.Time) error {
	if err := s.Sessions.EndAll(ctx, of, "", session.Disabled, now); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	for _, kind := range []onetime.Kind{onetime.PasswordReset, onetime.EmailVerification, onetime.Challenge} {
		if err := s.OneTime.Void(ctx, of, kind, "", now); err != nil {
			return fmt.Errorf("void %s: %w", kind, err)
		}
	}
	if err := s.MailedCodes.Void(ctx, of); err != nil {
		return fmt.Errorf("void mailed code: %w", err)
	}
	if err := s.Setups.Void(ctx, of); err != nil {
		return fmt.Errorf("void setup: %w", err)
	}
	return nil
}
