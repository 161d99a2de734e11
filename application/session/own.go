package session

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.ListSessions, inbound.Sessions] = (*Lister)(nil)
	_ inbound.UseCase[inbound.EndSession, inbound.Sessions]   = (*Ender)(nil)
	_ inbound.UseCase[inbound.EndAllSessions, inbound.Done]   = (*AllEnder)(nil)
)

// ListerDeps are what a [Lister] works with. All are required.
type ListerDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
}

// Lister answers [inbound.ListSessions].
type Lister struct{ d ListerDeps }

// NewLister returns a Lister.
func NewLister(d ListerDeps) *Lister { return &Lister{d} }

// Do implements [inbound.UseCase].
func (l *Lister) Do(ctx context.Context, q inbound.ListSessions) (all inbound.Sessions, err error) {
	err = l.d.Work.View(ctx, func(ctx context.Context, st outbound.Stores) error {
		if _, err := account.Self(st.Principals.ByID(ctx, q.Caller.PrincipalID)); err != nil {
			return err
		}
		all, err = sessionsOf(ctx, st, q.Caller, l.d.Now())
		return err
	})
	return all, err
}

// sessionsOf lists the caller's live sessions, the calling one first.
func sessionsOf(ctx context.Context, st outbound.Stores, c session.Caller, now time.Time) (inbound.Sessions, error) {
	all, err := st.Sessions.Of(ctx, c.PrincipalID, now)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	i := slices.IndexFunc(all, func(s session.Session) bool { return s.ID == c.SessionID })
	if i > 0 {
		calling := all[i]
		all = slices.Insert(slices.Delete(all, i, i+1), 0, calling)
	}
	return all, nil
}

// EnderDeps are what an [Ender] and an [AllEnder] work with. All are required.
type EnderDeps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
	Now         func() time.Time
}

// Ender answers [inbound.EndSession].
type Ender struct{ d EnderDeps }

// NewEnder returns an Ender.
func NewEnder(d EnderDeps) *Ender { return &Ender{d} }

// Do implements [inbound.UseCase].
func (e *Ender) Do(ctx context.Context, cmd inbound.EndSession) (left inbound.Sessions, err error) {
	now, owner := e.d.Now(), cmd.Caller.PrincipalID
	what := outbound.Revocation{Principal: owner, Session: cmd.SessionID}
	err = account.Revoke(ctx, e.d.Revocations, what, func() (bool, error) {
		return true, e.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
			if _, err := account.Self(st.Principals.ByID(ctx, owner)); err != nil {
				return err
			}
			if _, err := end(ctx, st, owner, cmd.SessionID, session.EndedByOwner, now); err != nil {
				return err
			}
			left, err = sessionsOf(ctx, st, cmd.Caller, now)
			return err
		})
	})
	if !account.Stands(err) {
		return nil, err
	}
	return left, err
}

// AllEnder answers [inbound.EndAllSessions].
type AllEnder struct{ d EnderDeps }

// NewAllEnder returns an AllEnder.
func NewAllEnder(d EnderDeps) *AllEnder { return &AllEnder{d} }

// Do implements [inbound.UseCase].
func (e *AllEnder) Do(ctx context.Context, cmd inbound.EndAllSessions) (inbound.Done, error) {
	now, owner := e.d.Now(), cmd.Caller.PrincipalID
	return inbound.Done{}, account.Revoke(ctx, e.d.Revocations, outbound.Revocation{Principal: owner}, func() (bool, error) {
		return true, e.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
			if _, err := account.Self(st.Principals.ByID(ctx, owner)); err != nil {
				return err
			}
			if err := st.Sessions.EndAll(ctx, owner, "", session.EndedByOwner, now); err != nil {
				return fmt.Errorf("end sessions: %w", err)
			}
			return nil
		})
	})
}
