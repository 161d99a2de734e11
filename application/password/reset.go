package password

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ResetPassword, inbound.PasswordReset] = (*Resetter)(nil)

// ResetterDeps are what a [Resetter] works with. All are required.
type ResetterDeps struct {
	Work        outbound.UnitOfWork
	Hasher      outbound.Hasher
	Attempts    *attempt.Taker
	Policy      password.Policy
	Leaks       account.Leaks
	Revocations outbound.Revocations
	Alert       bool // mail is on and tells of changed passwords
	Now         func() time.Time
	NewID       func() string
}

// Resetter answers [inbound.ResetPassword].
type Resetter struct{ d ResetterDeps }

// NewResetter returns a Resetter.
func NewResetter(d ResetterDeps) *Resetter { return &Resetter{d} }

// Do implements [inbound.UseCase].
func (r *Resetter) Do(ctx context.Context, cmd inbound.ResetPassword) (inbound.PasswordReset, error) {
	if err := r.checkRequest(cmd); err != nil {
		return inbound.PasswordReset{}, err
	}
	of, next, err := r.hash(ctx, cmd)
	if err != nil {
		return inbound.PasswordReset{}, err
	}
	err = account.Revoke(ctx, r.d.Revocations, outbound.Revocation{Principal: of}, func() (bool, error) {
		return true, r.replace(ctx, cmd, next)
	})
	if !account.Stands(err) {
		return inbound.PasswordReset{}, err
	}
	return inbound.PasswordReset{Of: of}, err
}

func (r *Resetter) checkRequest(cmd inbound.ResetPassword) error {
	f := fault.New(fault.InvalidRequest).On("newPassword", r.d.Policy.BrokenByItself(cmd.New)...)
	if cmd.Token.Reveal() == "" {
		f = f.On("token", fault.RuleRequired)
	}
	if len(f.Broken()) > 0 {
		return f
	}
	return nil
}

// hash hashes the new password, for who has a good link alone: others must not
// make us work, nor learn what an account thinks of a password.
func (r *Resetter) hash(ctx context.Context, cmd inbound.ResetPassword) (of principal.ID, next password.Hash, err error) {
	err = r.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := owner(ctx, s, onetime.HashOf(cmd.Token), r.d.Now())
		if err != nil {
			return err
		}
		if broken := r.d.Policy.BrokenFor(cmd.New, p.PasswordSubject()); len(broken) > 0 {
			return fault.Invalid("newPassword", broken...)
		}
		of = p.ID()
		return nil
	})
	if err != nil {
		return of, next, err
	}
	if err := r.d.Leaks.Refuse(ctx, "newPassword", cmd.New); err != nil {
		return of, next, err
	}
	turn, err := r.d.Hasher.Admit(ctx, cmd.From.Address.Network())
	if err != nil {
		return of, next, fmt.Errorf("wait to hash: %w", err)
	}
	defer turn.Done()
	if next, err = turn.Hash(cmd.New); err != nil {
		return of, next, fmt.Errorf("hash new password: %w", err)
	}
	return of, next, nil
}

// owner returns whose password a link may reset. What is used looks like what
// never was, and so does the link of who was disabled since it was mailed
// (faults F80).
func owner(ctx context.Context, s outbound.Stores, h onetime.Hash, now time.Time) (*principal.Principal, error) {
	i, err := s.OneTime.Find(ctx, onetime.PasswordReset, h)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return nil, fault.New(fault.PasswordResetTokenInvalid).Because(err)
	case err != nil:
		return nil, fmt.Errorf("find reset link: %w", err)
	}
	switch i.State(now) {
	case onetime.Used, onetime.Voided:
		return nil, fault.New(fault.PasswordResetTokenInvalid)
	case onetime.Expired:
		return nil, fault.New(fault.PasswordResetTokenExpired)
	case onetime.Usable:
	}
	p, err := account.User(s.Principals.ByID(ctx, i.Principal))
	switch {
	case err != nil:
		return nil, err
	case p.IsDisabled():
		return nil, fault.New(fault.PasswordResetTokenInvalid)
	}
	return p, nil
}

func (r *Resetter) replace(ctx context.Context, cmd inbound.ResetPassword, next password.Hash) error {
	now, h, noticeID := r.d.Now(), onetime.HashOf(cmd.Token), r.d.NewID()
	return r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := owner(ctx, s, h, now)
		if err != nil {
			return err
		}
		if err := use(ctx, s, h, now); err != nil {
			return err
		}
		p.ResetPassword(next)
		if err := account.Save(ctx, s, p); err != nil {
			return err
		}
		if err := s.Sessions.EndAll(ctx, p.ID(), "", session.PasswordReset, now); err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		if err := voidItems(ctx, s, p, now); err != nil {
			return err
		}
		if err := r.d.Attempts.Reset(ctx, s, attempt.Subject(p.Email().Typed(), cmd.From.Address)); err != nil {
			return err
		}
		return alert(ctx, s, r.d.Alert, notice.To(p, notice.PasswordChanged, noticeID, cmd.Locale, now).CausedBy(cmd.From))
	})
}

func use(ctx context.Context, s outbound.Stores, h onetime.Hash, now time.Time) error {
	err := s.OneTime.Use(ctx, onetime.PasswordReset, h, now)
	switch {
	case errors.Is(err, outbound.ErrStale): // used, or voided since it was found
		return fault.New(fault.PasswordResetTokenInvalid).Because(err)
	case err != nil:
		return fmt.Errorf("use reset link: %w", err)
	}
	return nil
}
