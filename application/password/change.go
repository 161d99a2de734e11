// Package password holds the use cases around the passwords of accounts that
// exist. Which passwords are acceptable is decided in the domain, how they may
// be guessed in package attempt.
package password

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/application/letter"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ChangePassword, inbound.Self] = (*Changer)(nil)

// ChangerDeps are what a [Changer] works with. All are required.
type ChangerDeps struct {
	Work        outbound.UnitOfWork
	Attempts    *attempt.Taker
	Policy      password.Policy
	Leaks       account.Leaks
	Revocations outbound.Revocations
	Alert       bool // mail is on and tells of changed passwords
	Now         func() time.Time
	NewID       func() string
}

// Changer answers [inbound.ChangePassword].
type Changer struct{ d ChangerDeps }

// NewChanger returns a Changer.
func NewChanger(d ChangerDeps) *Changer { return &Changer{d} }

// rounds is how often a change is begun anew because another one came first.
const rounds = 3

var errOvertaken = errors.New("another change came first, every time")

// Do implements [inbound.UseCase], in the order of contract §9.1.
func (c *Changer) Do(ctx context.Context, cmd inbound.ChangePassword) (p inbound.Self, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	if broken := c.d.Policy.BrokenAsChange(cmd.New, cmd.Old); len(broken) > 0 {
		return nil, fault.Invalid("newPassword", broken...)
	}
	// Here, because nobody may hold a turn at the hasher while others are asked.
	if err := c.d.Leaks.Refuse(ctx, "newPassword", cmd.New); err != nil {
		return nil, err
	}
	for range rounds {
		if p, err = c.try(ctx, cmd); !errors.Is(err, errOvertaken) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// try makes one round. What fails after the old password was found right takes
// its count back: it was no wrong one.
func (c *Changer) try(ctx context.Context, cmd inbound.ChangePassword) (inbound.Self, error) {
	p, guess, err := c.load(ctx, cmd)
	if err != nil {
		return nil, err
	}
	known, next, err := c.judge(ctx, cmd, p, guess)
	if err == nil {
		p, err = c.replace(ctx, cmd, p.CredVersion(), next, guess.Subject)
	}
	switch {
	case account.Stands(err):
		return p, err
	case !known:
		return nil, err
	}
	if forgiving := c.d.Attempts.Forgive(ctx, guess.Subject); forgiving != nil {
		err = errors.Join(forgiving, err)
	}
	return nil, err
}

func (c *Changer) load(ctx context.Context, cmd inbound.ChangePassword) (p *principal.Principal, g attempt.Guess, err error) {
	err = c.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		if p, err = account.User(s.Principals.ByID(ctx, cmd.Caller.PrincipalID)); err != nil {
			return err
		}
		if !p.HasPassword() {
			return fault.New(fault.NoPasswordProvider)
		}
		g = attempt.Guess{
			Subject: attempt.Subject(p.Email().Typed(), cmd.From.Address), Password: cmd.Old, Hash: p.PasswordHash(),
		}
		g.Seen, err = c.d.Attempts.Allowed(ctx, s, g.Subject)
		return err
	})
	return p, g, err
}

// judge compares the old password and hashes the new one in the same turn.
// known tells whether the old one was right, whatever came after.
func (c *Changer) judge(ctx context.Context, cmd inbound.ChangePassword, p *principal.Principal, g attempt.Guess) (known bool, next password.Hash, err error) {
	err = c.d.Attempts.Judge(ctx, g, func(turn outbound.Turn, _ bool) error {
		known = true
		// Asked earlier, the answer would tell who does not know the password
		// something about the account.
		if broken := c.d.Policy.BrokenFor(cmd.New, p.PasswordSubject()); len(broken) > 0 {
			return fault.Invalid("newPassword", broken...)
		}
		if next, err = turn.Hash(cmd.New); err != nil {
			return fmt.Errorf("hash new password: %w", err)
		}
		return nil
	})
	return known, next, err
}

func (c *Changer) replace(ctx context.Context, cmd inbound.ChangePassword, verified int, next password.Hash, of throttle.Subject) (p *principal.Principal, err error) {
	now, noticeID := c.d.Now(), c.d.NewID()
	what := outbound.Revocation{Principal: cmd.Caller.PrincipalID, Kept: cmd.Caller.SessionID}
	err = account.Revoke(ctx, c.d.Revocations, what, func() (bool, error) {
		return true, c.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			if p, err = account.User(s.Principals.ByID(ctx, cmd.Caller.PrincipalID)); err != nil {
				return err
			}
			if p.CredVersion() != verified {
				return errOvertaken
			}
			p.ChangePassword(next)
			if err := account.Save(ctx, s, p); err != nil {
				return err
			}
			if err := s.Sessions.EndAll(ctx, p.ID(), cmd.Caller.SessionID, session.PasswordChanged, now); err != nil {
				return fmt.Errorf("end other sessions: %w", err)
			}
			if err := voidItems(ctx, s, p, now); err != nil {
				return err
			}
			if err := c.d.Attempts.Reset(ctx, s, of); err != nil {
				return err
			}
			return alert(ctx, s, c.d.Alert, notice.To(p, notice.PasswordChanged, noticeID, cmd.Locale, now).CausedBy(cmd.From))
		})
	})
	return p, err
}

// voidItems voids what the old password may have let somebody prepare. Links
// that verify the present address stay good.
func voidItems(ctx context.Context, s outbound.Stores, p *principal.Principal, now time.Time) error {
	for _, v := range []struct {
		kind onetime.Kind
		keep string
	}{
		{onetime.PasswordReset, ""},
		{onetime.Challenge, ""},
		{onetime.EmailVerification, p.Email().Normal()},
	} {
		if err := s.OneTime.Void(ctx, p.ID(), v.kind, v.keep, now); err != nil {
			return fmt.Errorf("void %s: %w", v.kind, err)
		}
	}
	return nil
}

func alert(ctx context.Context, s outbound.Stores, on bool, n notice.Notice) error {
	if !on {
		return nil
	}
	return letter.Queue(ctx, s, n)
}
