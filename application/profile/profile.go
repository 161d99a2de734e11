// Package profile holds what principals ask about themselves, and what they
// may change without a proof.
package profile

import (
	"context"
	"errors"

	"gatehouse/application/account"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.WhoAmI, inbound.Self]     = (*Mirror)(nil)
	_ inbound.UseCase[inbound.UpdateSelf, inbound.Self] = (*Updater)(nil)
)

// Mirror answers [inbound.WhoAmI]. It needs nothing: the access check has read
// the answer.
type Mirror struct{}

// NewMirror returns a Mirror.
func NewMirror() *Mirror { return &Mirror{} }

// Do implements [inbound.UseCase].
func (*Mirror) Do(_ context.Context, q inbound.WhoAmI) (inbound.Self, error) {
	return account.Self(q.Access.Self())
}

// UpdaterDeps are what an [Updater] works with. All are required.
type UpdaterDeps struct{ Work outbound.UnitOfWork }

// Updater answers [inbound.UpdateSelf].
type Updater struct{ d UpdaterDeps }

// NewUpdater returns an Updater.
func NewUpdater(d UpdaterDeps) *Updater { return &Updater{d} }

// rounds is how often a record is read again because somebody else saved it
// between reading and saving.
const rounds = 3

// Do implements [inbound.UseCase].
func (u *Updater) Do(ctx context.Context, cmd inbound.UpdateSelf) (p inbound.Self, err error) {
	id := cmd.Caller.PrincipalID
	if cmd.Name == nil {
		return account.Self(u.d.Work.Single().Principals.ByID(ctx, id))
	}
	name, broken := principal.ParseName(*cmd.Name)
	if len(broken) > 0 {
		return nil, fault.Invalid("name", broken...)
	}
	for range rounds {
		if p, err = u.rename(ctx, id, name); !errors.Is(err, outbound.ErrStale) {
			break
		}
	}
	return p, err
}

func (u *Updater) rename(ctx context.Context, id principal.ID, name string) (p *principal.Principal, err error) {
	err = u.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if p, err = account.Self(s.Principals.ByID(ctx, id)); err != nil {
			return err
		}
		p.Rename(name)
		return account.Save(ctx, s, p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
