package administration

import (
	"context"

	"gatehouse/application/account"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.DisableAccount, inbound.Self] = (*Disabler)(nil)
	_ inbound.UseCase[inbound.EnableAccount, inbound.Self]  = (*Enabler)(nil)
	_ inbound.UseCase[inbound.GrantAdmin, inbound.Self]     = (*Granter)(nil)
	_ inbound.UseCase[inbound.RevokeAdmin, inbound.Self]    = (*Revoker)(nil)
)

// Deps are what the use cases of admins work with. All are required.
type Deps struct{ Accounts *Changer }

// Disabler answers [inbound.DisableAccount].
type Disabler struct{ d Deps }

// NewDisabler returns a Disabler.
func NewDisabler(d Deps) *Disabler { return &Disabler{d} }

// Do implements [inbound.UseCase].
func (u *Disabler) Do(ctx context.Context, cmd inbound.DisableAccount) (inbound.Self, error) {
	return asAdmin(cmd.Context, func() (inbound.Self, error) { return u.d.Accounts.Disable(ctx, account.UserByID(cmd.ID)) })
}

// Enabler answers [inbound.EnableAccount].
type Enabler struct{ d Deps }

// NewEnabler returns an Enabler.
func NewEnabler(d Deps) *Enabler { return &Enabler{d} }

// Do implements [inbound.UseCase].
func (u *Enabler) Do(ctx context.Context, cmd inbound.EnableAccount) (inbound.Self, error) {
	return asAdmin(cmd.Context, func() (inbound.Self, error) { return u.d.Accounts.Enable(ctx, account.UserByID(cmd.ID)) })
}

// Granter answers [inbound.GrantAdmin].
type Granter struct{ d Deps }

// NewGranter returns a Granter.
func NewGranter(d Deps) *Granter { return &Granter{d} }

// Do implements [inbound.UseCase].
func (u *Granter) Do(ctx context.Context, cmd inbound.GrantAdmin) (inbound.Self, error) {
	anybody := func(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
		return account.Self(s.Principals.ByID(ctx, cmd.ID))
	}
	return asAdmin(cmd.Context, func() (inbound.Self, error) { return u.d.Accounts.GrantAdmin(ctx, anybody) })
}

// Revoker answers [inbound.RevokeAdmin].
type Revoker struct{ d Deps }

// NewRevoker returns a Revoker.
func NewRevoker(d Deps) *Revoker { return &Revoker{d} }

// Do implements [inbound.UseCase].
func (u *Revoker) Do(ctx context.Context, cmd inbound.RevokeAdmin) (inbound.Self, error) {
	return asAdmin(cmd.Context, func() (inbound.Self, error) { return u.d.Accounts.RevokeAdmin(ctx, account.UserByID(cmd.ID)) })
}

// asAdmin does something for an admin who has proven to be one just now. It
// refuses with ROLE_REQUIRED or STEP_UP_TOKEN_….
func asAdmin(by inbound.Context, do func() (inbound.Self, error)) (inbound.Self, error) {
	if err := by.Caller.RequireAdmin(); err != nil {
		return nil, err
	}
	if err := by.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	return do()
}
