package operations

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
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
type UserDisablerDeps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
	Now         func() time.Time
}

// UserDisabler answers [inbound.DisableUser].
type UserDisabler struct{ d UserDisablerDeps }

// NewUserDisabler returns a UserDisabler.
func NewUserDisabler(d UserDisablerDeps) *UserDisabler { return &UserDisabler{d} }

// Do implements [inbound.UseCase].
func (u *UserDisabler) Do(ctx context.Context, cmd inbound.DisableUser) (p inbound.Self, err error) {
	now := u.d.Now()
	err = revoke(ctx, u.d.Work, u.d.Revocations, cmd.User, func(ctx context.Context, s outbound.Stores) (changed bool, err error) {
		if p, err = loseAdmin(ctx, s, cmd.User); err != nil {
			return false, err
		}
		if !p.Disable() {
			return false, nil
		}
		if err := account.Save(ctx, s, p); err != nil {
			return false, err
		}
		return true, endEverything(ctx, s, p.ID(), now)
	})
	if !account.Stands(err) {
		return nil, err
	}
	return p, err
}

// revoke changes a user, in one transaction, so that what they had counts no
// longer.
func revoke(
	ctx context.Context, work outbound.UnitOfWork, caches outbound.Revocations, idOrAddress string,
	change func(ctx context.Context, s outbound.Stores) (changed bool, err error),
) error {
	who, err := find(ctx, work.Single(), idOrAddress)
	if err != nil {
		return err
	}
	return account.Revoke(ctx, caches, outbound.Revocation{Principal: who.ID()}, func() (changed bool, err error) {
		err = work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			changed, err = change(ctx, s)
			return err
		})
		return changed, err
	})
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
	return nil
}

// AdminSetterDeps are what an [AdminSetter] works with. All are required.
type AdminSetterDeps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
}

// AdminSetter answers [inbound.SetAdmin].
type AdminSetter struct{ d AdminSetterDeps }

// NewAdminSetter returns an AdminSetter.
func NewAdminSetter(d AdminSetterDeps) *AdminSetter { return &AdminSetter{d} }

// Do implements [inbound.UseCase].
func (a *AdminSetter) Do(ctx context.Context, cmd inbound.SetAdmin) (p inbound.Self, err error) {
	load := loseAdmin
	if cmd.Admin {
		load = gainAdmin
	}
	err = revoke(ctx, a.d.Work, a.d.Revocations, cmd.User, func(ctx context.Context, s outbound.Stores) (changed bool, err error) {
		if p, err = load(ctx, s, cmd.User); err != nil {
			return false, err
		}
		if !p.SetAdmin(cmd.Admin) {
			return false, nil
		}
		return true, account.Save(ctx, s, p)
	})
	if !account.Stands(err) {
		return nil, err
	}
	return p, err
}

func gainAdmin(ctx context.Context, s outbound.Stores, idOrAddress string) (*principal.Principal, error) {
	p, err := find(ctx, s, idOrAddress)
	switch {
	case err != nil:
		return nil, err
	case p.IsGuest():
		return nil, fault.New(fault.GuestCannotPerformThisAction)
	}
	return p, nil
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
