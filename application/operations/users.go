package operations

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/administration"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.ListUsers, inbound.UserList] = (*UserLister)(nil)
	_ inbound.UseCase[inbound.DisableUser, inbound.Self]   = (*UserDisabler)(nil)
	_ inbound.UseCase[inbound.SetAdmin, inbound.Self]      = (*AdminSetter)(nil)
	_ inbound.UseCase[inbound.EndEverySession, int]        = (*SessionsEnder)(nil)
	_ inbound.UseCase[inbound.ListKeys, inbound.KeyList]   = (*KeyLister)(nil)
)

// UserListerDeps are what a [UserLister] works with. All are required.
type UserListerDeps struct{ Work outbound.UnitOfWork }

// UserLister answers [inbound.ListUsers].
type UserLister struct{ d UserListerDeps }

// NewUserLister returns a UserLister.
func NewUserLister(d UserListerDeps) *UserLister { return &UserLister{d} }

// Do implements [inbound.UseCase].
func (l *UserLister) Do(ctx context.Context, q inbound.ListUsers) (inbound.UserList, error) {
	all, err := l.d.Work.Single().Principals.Users(ctx, q.After, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return all, nil
}

// UserDisablerDeps are what a [UserDisabler] works with. All are required.
type UserDisablerDeps struct{ Accounts *administration.Changer }

// UserDisabler answers [inbound.DisableUser].
type UserDisabler struct{ d UserDisablerDeps }

// NewUserDisabler returns a UserDisabler.
func NewUserDisabler(d UserDisablerDeps) *UserDisabler { return &UserDisabler{d} }

// Do implements [inbound.UseCase].
func (u *UserDisabler) Do(ctx context.Context, cmd inbound.DisableUser) (inbound.Self, error) {
	return u.d.Accounts.Disable(ctx, findUser(cmd.User))
}

// AdminSetterDeps are what an [AdminSetter] works with. All are required.
type AdminSetterDeps struct{ Accounts *administration.Changer }

// AdminSetter answers [inbound.SetAdmin].
type AdminSetter struct{ d AdminSetterDeps }

// NewAdminSetter returns an AdminSetter.
func NewAdminSetter(d AdminSetterDeps) *AdminSetter { return &AdminSetter{d} }

// Do implements [inbound.UseCase].
func (a *AdminSetter) Do(ctx context.Context, cmd inbound.SetAdmin) (inbound.Self, error) {
	if cmd.Admin {
		return a.d.Accounts.GrantAdmin(ctx, find(cmd.User))
	}
	return a.d.Accounts.RevokeAdmin(ctx, findUser(cmd.User))
}

// SessionsEnderDeps are what a [SessionsEnder] works with. All are required.
type SessionsEnderDeps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
	Now         func() time.Time
}

// SessionsEnder answers [inbound.EndEverySession].
type SessionsEnder struct{ d SessionsEnderDeps }

// NewSessionsEnder returns a SessionsEnder.
func NewSessionsEnder(d SessionsEnderDeps) *SessionsEnder { return &SessionsEnder{d} }

// Do implements [inbound.UseCase].
func (e *SessionsEnder) Do(ctx context.Context, _ inbound.EndEverySession) (n int, err error) {
	err = account.Revoke(ctx, e.d.Revocations, outbound.Revocation{}, func() (bool, error) {
		return true, e.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			n, err = s.Sessions.EndEvery(ctx, session.EndedByOperator, e.d.Now())
			return err
		})
	})
	if err != nil {
		return n, fmt.Errorf("end every session: %w", err)
	}
	return n, nil
}

// KeyListerDeps are what a [KeyLister] works with. All are required.
type KeyListerDeps struct{ Work outbound.UnitOfWork }

// KeyLister answers [inbound.ListKeys].
type KeyLister struct{ d KeyListerDeps }

// NewKeyLister returns a KeyLister.
func NewKeyLister(d KeyListerDeps) *KeyLister { return &KeyLister{d} }

// Do implements [inbound.UseCase].
func (l *KeyLister) Do(ctx context.Context, _ inbound.ListKeys) (inbound.KeyList, error) {
	wrapped, err := l.d.Work.Single().Keys.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	list := make(inbound.KeyList, 0, len(wrapped))
	for _, w := range wrapped {
		list = append(list, w.Key)
	}
	return list, nil
}
