package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/grant"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.Refresh, inbound.SignedIn] = (*Refresher)(nil)

// RefresherDeps are what a [Refresher] works with. All are required.
type RefresherDeps struct {
	Work        outbound.UnitOfWork
	Verifier    outbound.Verifier
	Issuer      *grant.Issuer
	Revocations outbound.Revocations
	Locate      Locate
	Alerts      Alerts
	MailOn      bool
	NewID       func() string
	Now         func() time.Time
}

// Refresher answers [inbound.Refresh].
type Refresher struct{ d RefresherDeps }

// NewRefresher returns a Refresher.
func NewRefresher(d RefresherDeps) *Refresher { return &Refresher{d} }

// Do implements [inbound.UseCase].
func (r *Refresher) Do(ctx context.Context, cmd inbound.Refresh) (inbound.SignedIn, error) {
	now := r.d.Now()
	presented, err := verifyRefresh(r.d.Verifier, cmd.RefreshToken, now)
	if err != nil {
		return inbound.SignedIn{}, err
	}
	return again(func() (inbound.SignedIn, error) { return r.try(ctx, cmd, presented, now) })
}

// RefreshCheckerDeps are what a [RefreshChecker] is built from. All are
// required.
type RefreshCheckerDeps struct {
	Verifier outbound.Verifier
	Now      func() time.Time
}

// RefreshChecker answers [inbound.CheckRefreshToken].
type RefreshChecker struct{ d RefreshCheckerDeps }

// NewRefreshChecker returns a RefreshChecker.
func NewRefreshChecker(d RefreshCheckerDeps) *RefreshChecker { return &RefreshChecker{d} }

// Do implements [inbound.UseCase].
func (c *RefreshChecker) Do(_ context.Context, q inbound.CheckRefreshToken) (inbound.Done, error) {
	_, err := verifyRefresh(c.d.Verifier, q.RefreshToken, c.d.Now())
	return inbound.Done{}, err
}

func verifyRefresh(v outbound.Verifier, t secret.Text, now time.Time) (token.Claims, error) {
	if t.Missing() {
		return token.Claims{}, fault.New(fault.RefreshTokenMissing)
	}
	c, err := v.Verify(t, token.Refresh, now)
	switch {
	case errors.Is(err, outbound.ErrTokenExpired):
		return c, fault.New(fault.RefreshTokenExpired).Because(err)
	case err != nil:
		return c, fault.New(fault.RefreshTokenInvalid).Because(err)
	}
	return c, nil
}

// try does what the state of the session asks for (faults §6.3). A token needs
// no record of its own to be found out: what we signed for a live session and
// is neither current nor in grace has been rotated longer ago.
func (r *Refresher) try(ctx context.Context, cmd inbound.Refresh, presented token.Claims, now time.Time) (inbound.SignedIn, error) {
	stores := r.d.Work.Single() // one for both calls: a store knows the keys of what it has read
	a, pair, err := stores.Sessions.Refreshable(ctx, presented.Session, presented.ID, now)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return inbound.SignedIn{}, fault.New(fault.RefreshTokenInvalid).Because(err)
	case err != nil:
		return inbound.SignedIn{}, fmt.Errorf("read session: %w", err)
	}
	if err := goesOn(a, presented.Subject, now); err != nil {
		return inbound.SignedIn{}, err
	}
	switch {
	case pair != nil:
		return repeat(a, *pair)
	case a.Session.RefreshID == presented.ID:
		return r.rotate(ctx, stores, cmd, a, now)
	}
	return inbound.SignedIn{About: a.Session.PrincipalID, SessionID: a.Session.ID}, r.reused(ctx, cmd, a, now)
}

func goesOn(a outbound.Access, of principal.ID, now time.Time) error {
	switch {
	case !a.Session.EndedAt.IsZero(), a.Disabled, a.Session.PrincipalID != of:
		return fault.New(fault.RefreshTokenInvalid)
	case !a.Session.Live(now):
		return fault.New(fault.RefreshTokenExpired)
	}
	return nil
}

// repeat answers as the rotation did, and writes nothing.
func repeat(a outbound.Access, pair session.Pair) (inbound.SignedIn, error) {
	p, err := a.Open()
	if err != nil {
		return inbound.SignedIn{}, fmt.Errorf("open principal: %w", err)
	}
	return inbound.SignedIn{Principal: p, SessionID: a.Session.ID, Tokens: pair}, nil
}

func (r *Refresher) rotate(ctx context.Context, stores outbound.Stores, cmd inbound.Refresh, a outbound.Access, now time.Time) (inbound.SignedIn, error) {
	p, err := a.Open()
	if err != nil {
		return inbound.SignedIn{}, fmt.Errorf("open principal: %w", err)
	}
	from := located(cmd.From, r.d.Locate)
	next, err := r.d.Issuer.Rotate(a.Session, p, from, now)
	if err != nil {
		return inbound.SignedIn{}, err
	}
	won, err := stores.Sessions.Rotate(ctx, next)
	switch {
	case err != nil:
		return inbound.SignedIn{}, fmt.Errorf("rotate refresh token: %w", err)
	case !won:
		return inbound.SignedIn{}, errOvertaken
	}
	p.MarkActive(now)
	return inbound.SignedIn{Principal: p, SessionID: a.Session.ID, Tokens: next.Pair, Location: from.Location}, nil
}

// reused ends the session, because one of two who hold its tokens is a thief,
// and refuses. The end is committed first, and comes before everything that
// may fail: an owner who cannot be told, a cache that cannot.
func (r *Refresher) reused(ctx context.Context, cmd inbound.Refresh, a outbound.Access, now time.Time) error {
	owed, untold := r.owed(cmd, a, now)
	s := a.Session
	what := outbound.Revocation{Principal: s.PrincipalID, Session: s.ID}
	err := account.Revoke(ctx, r.d.Revocations, what, func() (bool, error) {
		return true, r.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
			ended, err := end(ctx, st, s.PrincipalID, s.ID, session.RefreshReused, now)
			if err != nil || !ended {
				return err
			}
			for _, n := range owed {
				if err := st.Outbox.Add(ctx, n); err != nil {
					return fmt.Errorf("owe alert: %w", err)
				}
			}
			return nil
		})
	})
	if !account.Stands(err) {
		return err
	}
	return fault.New(fault.RefreshTokenInvalid).Because(errors.Join(errReused, untold, err))
}

var errReused = errors.New("refresh token was rotated before, its session has been ended")

// owed is the mail to the owner of the session, if it is to be sent.
func (r *Refresher) owed(cmd inbound.Refresh, a outbound.Access, now time.Time) ([]notice.Notice, error) {
	if a.Guest || !r.d.Alerts.RefreshReused || !r.d.MailOn {
		return nil, nil
	}
	p, err := a.Open()
	if err != nil {
		return nil, fmt.Errorf("open principal: %w", err)
	}
	n := notice.To(p, notice.RefreshTokenReused, r.d.NewID(), cmd.Locale, now)
	return []notice.Notice{n.CausedBy(located(cmd.From, r.d.Locate))}, nil
}
