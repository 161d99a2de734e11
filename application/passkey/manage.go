package passkey

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/application/account"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.ListPasskeys, inbound.Passkeys]  = (*Lister)(nil)
	_ inbound.UseCase[inbound.RenamePasskey, passkey.Passkey]  = (*Renamer)(nil)
	_ inbound.UseCase[inbound.DeletePasskey, inbound.Passkeys] = (*Deleter)(nil)
)

// ListDeps are what a [Lister] and a [Renamer] work with. All are required.
type ListDeps struct{ Work outbound.UnitOfWork }

// Lister answers [inbound.ListPasskeys].
type Lister struct{ d ListDeps }

// NewLister returns a Lister.
func NewLister(d ListDeps) *Lister { return &Lister{d} }

// Do implements [inbound.UseCase].
func (l *Lister) Do(ctx context.Context, q inbound.ListPasskeys) (list inbound.Passkeys, err error) {
	err = l.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, q.Caller.PrincipalID))
		if err != nil {
			return err
		}
		list, err = all(ctx, s, p.ID())
		return err
	})
	return list, err
}

// Renamer answers [inbound.RenamePasskey].
type Renamer struct{ d ListDeps }

// NewRenamer returns a Renamer.
func NewRenamer(d ListDeps) *Renamer { return &Renamer{d} }

// Do implements [inbound.UseCase].
func (r *Renamer) Do(ctx context.Context, cmd inbound.RenamePasskey) (renamed passkey.Passkey, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return renamed, err
	}
	name, err := parseName(cmd.Name)
	if err != nil {
		return renamed, err
	}
	err = r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, cmd.Caller.PrincipalID))
		if err != nil {
			return err
		}
		if err := found(s.Passkeys.Rename(ctx, p.ID(), cmd.ID, name)); err != nil {
			return fmt.Errorf("rename passkey: %w", err)
		}
		list, err := all(ctx, s, p.ID())
		for _, k := range list {
			if k.ID == cmd.ID {
				renamed = k
			}
		}
		return err
	})
	return renamed, err
}

// found says what it means that somebody has no such passkey.
func found(err error) error {
	if errors.Is(err, outbound.ErrNotFound) {
		return fault.New(fault.PasskeyNotFound).Because(err)
	}
	return err
}

// Deleter answers [inbound.DeletePasskey].
type Deleter struct{ d ChangeDeps }

// NewDeleter returns a Deleter.
func NewDeleter(d ChangeDeps) *Deleter { return &Deleter{d} }

// Do implements [inbound.UseCase].
func (r *Deleter) Do(ctx context.Context, cmd inbound.DeletePasskey) (rest inbound.Passkeys, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	err = r.d.Factors.Remove(ctx, factor.Passkey, cmd.Context, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if err := found(s.Passkeys.Delete(ctx, p.ID(), cmd.ID)); err != nil {
			return fmt.Errorf("delete passkey: %w", err)
		}
		if rest, err = all(ctx, s, p.ID()); err != nil || len(rest) > 0 {
			return err
		}
		p.DisableFactor(factor.Passkey)
		if r.d.Required && !p.Factors().Any() {
			return fault.New(fault.CannotDisableOnlyTwoFactorMethod)
		}
		return nil
	})
	if !account.Stands(err) {
		return nil, err
	}
	return rest, err
}
