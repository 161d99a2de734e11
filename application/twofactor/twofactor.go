// Package twofactor switches second factors on and off. What they mean to a
// sign-in is decided where tokens are granted, how their codes may be guessed in
// package attempt.
package twofactor

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/letter"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// Alerts says of which changes their owner is told: of none where no mail is
// sent.
type Alerts struct{ Added, Removed, Codes bool }

// Deps are what every change of a factor works with. All are required.
type Deps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
	Alerts      Alerts
	Now         func() time.Time
	NewID       func() string
}

// caller finds who asks, if they are a user whose session goes on. Within a
// transaction they stay locked.
func caller(ctx context.Context, s outbound.Stores, c session.Caller, now time.Time) (*principal.Principal, error) {
	p, err := account.User(s.Principals.ByID(ctx, c.PrincipalID))
	if err != nil {
		return nil, err
	}
	return p, account.StillIn(ctx, s, c, now)
}

// addable refuses a factor that p cannot add.
func addable(p *principal.Principal, m factor.Method) error {
	switch {
	case !p.HasPassword():
		return fault.New(fault.NoPasswordProvider)
	case p.Factors().Has(m):
		return fault.New(fault.TwoFactorMethodAlreadyEnabled)
	}
	return nil
}

// change is a factor of the caller going on or off, with all that is decided
// before the transaction.
type change struct {
	of       inbound.Context
	method   factor.Method
	notice   notice.Kind // what its owner is told, "" for nothing
	noticeID string
	now      time.Time
}

func (d Deps) adding(m factor.Method, of inbound.Context) change {
	return d.change(m, of, notice.TwoFactorAdded, d.Alerts.Added)
}

func (d Deps) removing(m factor.Method, of inbound.Context) change {
	return d.change(m, of, notice.TwoFactorRemoved, d.Alerts.Removed)
}

func (d Deps) change(m factor.Method, of inbound.Context, kind notice.Kind, told bool) change {
	if !told {
		kind = ""
	}
	return change{of, m, kind, d.NewID(), d.Now()}
}

// flip is what a change does to its owner, and to what is kept for the factor.
// It may run more than once.
type flip func(ctx context.Context, s outbound.Stores, p *principal.Principal) error

// carry carries a change out, and everything that goes with it.
func (d Deps) carry(ctx context.Context, c change, over flip) (p *principal.Principal, err error) {
	what := outbound.Revocation{Principal: c.of.Caller.PrincipalID, Kept: c.of.Caller.SessionID}
	err = account.Revoke(ctx, d.Revocations, what, func() (bool, error) {
		return true, d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			if p, err = caller(ctx, s, c.of.Caller, c.now); err != nil {
				return err
			}
			if err := over(ctx, s, p); err != nil {
				return err
			}
			return c.store(ctx, s, p)
		})
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Add makes a change that adds to a factor of the caller what its own package
// keeps, with everything that goes with it: other sessions and challenges end,
// and the caller is told. It refuses who is no user with USER_NOT_FOUND, whose
// session ended meanwhile with ACCESS_TOKEN_EXPIRED, and as over does, which may
// run more than once.
func (d Deps) Add(ctx context.Context, m factor.Method, of inbound.Context, over func(context.Context, outbound.Stores, *principal.Principal) error) error {
	return d.alter(ctx, d.adding(m, of), over)
}

// Remove is as Add, for what takes from a factor.
func (d Deps) Remove(ctx context.Context, m factor.Method, of inbound.Context, over func(context.Context, outbound.Stores, *principal.Principal) error) error {
	return d.alter(ctx, d.removing(m, of), over)
}

func (d Deps) alter(ctx context.Context, c change, over flip) error {
	_, err := d.carry(ctx, c, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if err := over(ctx, s, p); err != nil {
			return err
		}
		return voidChallenges(ctx, s, p.ID(), c.now)
	})
	return err
}

// store saves p as it is now, ends the other sessions, which were begun with
// other factors, and promises a mail.
func (c change) store(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
	if err := account.Save(ctx, s, p); err != nil {
		return err
	}
	if err := s.Sessions.EndAll(ctx, p.ID(), c.of.Caller.SessionID, session.FactorsChanged, c.now); err != nil {
		return fmt.Errorf("end other sessions: %w", err)
	}
	if c.notice == "" {
		return nil
	}
	n := notice.To(p, c.notice, c.noticeID, c.of.Locale, c.now).CausedBy(c.of.From)
	n.Factor = notice.Factor(c.method)
	return letter.Queue(ctx, s, n)
}

// voidChallenges makes challenges worthless that were begun with other factors
// (contract §5.6).
func voidChallenges(ctx context.Context, s outbound.Stores, of principal.ID, now time.Time) error {
	if err := s.OneTime.Void(ctx, of, onetime.Challenge, "", now); err != nil {
		return fmt.Errorf("void challenges: %w", err)
	}
	return nil
}
