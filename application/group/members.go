package group

import (
	"context"

	"gatehouse/application/account"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.DeleteGroup, inbound.Done]    = (*Deleter)(nil)
	_ inbound.UseCase[inbound.AddMember, inbound.Member]    = (*MemberAdder)(nil)
	_ inbound.UseCase[inbound.RemoveMember, inbound.Member] = (*MemberRemover)(nil)
)

// MemberDeps are what use cases that change who is in a group work with. All
// are required.
type MemberDeps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
}

// Deleter answers [inbound.DeleteGroup].
type Deleter struct{ d MemberDeps }

// NewDeleter returns a Deleter.
func NewDeleter(d MemberDeps) *Deleter { return &Deleter{d} }

// Do implements [inbound.UseCase]. Who is in the group is only known for sure in
// the transaction, and may be very many: caches forget everybody, and the
// database is asked for some seconds.
func (d *Deleter) Do(ctx context.Context, cmd inbound.DeleteGroup) (inbound.Done, error) {
	if err := cmd.Caller.RequireAdmin(); err != nil {
		return inbound.Done{}, err
	}
	if !group.ValidKey(cmd.Key) {
		return inbound.Done{}, fault.New(fault.DatabaseEntityNotFound)
	}
	return inbound.Done{}, account.Revoke(ctx, d.d.Revocations, outbound.Revocation{}, func() (stale bool, err error) {
		err = d.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			stale, err = remove(ctx, s, cmd.Key)
			return err
		})
		return stale, err
	})
}

func remove(ctx context.Context, s outbound.Stores, key string) (stale bool, err error) {
	members, err := s.Groups.Empty(ctx, key)
	err = unlessMissing("empty group", err, fault.DatabaseEntityNotFound)
	switch {
	case fault.CodeOf(err) == fault.DatabaseFailure:
		return false, fault.New(fault.MemberUpdateFailure).Because(err)
	case err != nil:
		return false, err
	}
	return members > 0, unlessMissing("delete group", s.Groups.Delete(ctx, key), fault.DatabaseEntityNotFound)
}

// MemberAdder answers [inbound.AddMember].
type MemberAdder struct{ d MemberDeps }

// NewMemberAdder returns a MemberAdder.
func NewMemberAdder(d MemberDeps) *MemberAdder { return &MemberAdder{d} }

// Do implements [inbound.UseCase].
func (a *MemberAdder) Do(ctx context.Context, cmd inbound.AddMember) (inbound.Member, error) {
	return change(ctx, a.d, membership{cmd.Caller, cmd.Group, cmd.User}, (*principal.Principal).Join)
}

// MemberRemover answers [inbound.RemoveMember].
type MemberRemover struct{ d MemberDeps }

// NewMemberRemover returns a MemberRemover.
func NewMemberRemover(d MemberDeps) *MemberRemover { return &MemberRemover{d} }

// Do implements [inbound.UseCase].
func (r *MemberRemover) Do(ctx context.Context, cmd inbound.RemoveMember) (inbound.Member, error) {
	return change(ctx, r.d, membership{cmd.Caller, cmd.Group, cmd.User}, (*principal.Principal).Leave)
}

// membership is what is to be changed, and who asks.
type membership struct {
	by    session.Caller
	group string
	user  principal.ID
}

func change(
	ctx context.Context, d MemberDeps, m membership, by func(p *principal.Principal, group string) (changed bool),
) (p inbound.Member, err error) {
	if err := m.by.RequireAdmin(); err != nil {
		return nil, err
	}
	err = account.Revoke(ctx, d.Revocations, outbound.Revocation{Principal: m.user}, func() (changed bool, err error) {
		err = d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			if p, err = whoJoins(ctx, s, m); err != nil {
				return err
			}
			if changed = by(p, m.group); !changed {
				return nil
			}
			return account.Save(ctx, s, p)
		})
		return changed, err
	})
	if !account.Stands(err) {
		return nil, err
	}
	return p, err
}

// whoJoins holds the group, and then loads the user.
func whoJoins(ctx context.Context, s outbound.Stores, m membership) (*principal.Principal, error) {
	if !group.ValidKey(m.group) {
		return nil, fault.New(fault.GroupNotFound)
	}
	if err := unlessMissing("hold group", s.Groups.Hold(ctx, m.group), fault.GroupNotFound); err != nil {
		return nil, err
	}
	return account.User(s.Principals.ByID(ctx, m.user))
}
