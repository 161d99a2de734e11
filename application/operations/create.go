package operations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.CreateUser, inbound.Self]  = (*UserCreator)(nil)
	_ inbound.UseCase[inbound.EnsureAdmin, inbound.Self] = (*AdminEnsurer)(nil)
)

// UserCreatorDeps are what a [UserCreator] works with. All are required.
type UserCreatorDeps struct {
	Work   outbound.UnitOfWork
	Hasher outbound.Hasher
	Policy password.Policy
	Leaks  account.Leaks
	Mailed bool // codes are a second factor of new accounts
	Now    func() time.Time
	NewID  func() string
}

// UserCreator answers [inbound.CreateUser].
type UserCreator struct{ d UserCreatorDeps }

// NewUserCreator returns a UserCreator.
func NewUserCreator(d UserCreatorDeps) *UserCreator { return &UserCreator{d} }

// Do implements [inbound.UseCase].
func (c *UserCreator) Do(ctx context.Context, cmd inbound.CreateUser) (inbound.Self, error) {
	address, name, err := c.wish(cmd).Check(c.d.Policy)
	if err != nil {
		return nil, err
	}
	return c.create(ctx, cmd, address, name)
}

func (c *UserCreator) wish(cmd inbound.CreateUser) account.Wish {
	return account.Wish{Email: cmd.Email, Name: cmd.Name, Password: cmd.Password, Mailed: c.d.Mailed}
}

func (c *UserCreator) create(ctx context.Context, cmd inbound.CreateUser, address email.Address, name string) (inbound.Self, error) {
	if err := c.d.Leaks.Refuse(ctx, "password", cmd.Password); err != nil {
		return nil, err
	}
	hash, err := c.wish(cmd).Hash(ctx, c.d.Hasher, "")
	if err != nil {
		return nil, err
	}
	p := principal.NewUser(principal.ID(c.d.NewID()), name, address, hash, c.d.Now())
	p.VerifyEmail(address)
	p.SetAdmin(cmd.Admin)
	if c.d.Mailed {
		p.EnableFactor(factor.Email)
	}
	err = c.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		return s.Principals.Add(ctx, p)
	})
	switch {
	case errors.Is(err, outbound.ErrTaken):
		return nil, fault.New(fault.EmailTaken).Because(err)
	case err != nil:
		return nil, fmt.Errorf("add user: %w", err)
	}
	return p, nil
}

// AdminEnsurerDeps are what an [AdminEnsurer] works with. All are required.
type AdminEnsurerDeps struct {
	Create *UserCreator
	Set    *AdminSetter
}

// AdminEnsurer answers [inbound.EnsureAdmin].
type AdminEnsurer struct{ d AdminEnsurerDeps }

// NewAdminEnsurer returns an AdminEnsurer.
func NewAdminEnsurer(d AdminEnsurerDeps) *AdminEnsurer { return &AdminEnsurer{d} }

// Do implements [inbound.UseCase]. A password that breaks the rules is refused
// even when it is not needed, lest that come out with the next empty database;
// whether it has leaked is asked when it is set.
func (e *AdminEnsurer) Do(ctx context.Context, cmd inbound.EnsureAdmin) (inbound.Self, error) {
	address, name, err := e.d.Create.wish(cmd.CreateUser).Check(e.d.Create.d.Policy)
	if err != nil {
		return nil, err
	}
	cmd.Admin = true
	grant := inbound.SetAdmin{User: address.Normal(), Admin: true}
	p, err := e.grant(ctx, grant)
	if !errors.Is(err, fault.UserNotFound) {
		return p, err
	}
	p, err = e.d.Create.create(ctx, cmd.CreateUser, address, name)
	if errors.Is(err, fault.EmailTaken) { // by another replica that starts
		return e.grant(ctx, grant)
	}
	return p, err
}

// grant is content when the admin is one, although a cache does not know: it
// believes in less for some seconds, and its being down must not keep a
// replica from starting.
func (e *AdminEnsurer) grant(ctx context.Context, cmd inbound.SetAdmin) (inbound.Self, error) {
	p, err := e.d.Set.Do(ctx, cmd)
	if account.Stands(err) {
		return p, nil
	}
	return nil, err
}
