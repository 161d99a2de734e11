package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// use uses up what was proven, and names it. It returns ErrStale when somebody
// else did, or when it was not right.
type use struct {
	of session.Factor
	up func(ctx context.Context, s outbound.Stores, p *principal.Principal) error
}

// verdict is how an answer to a challenge is judged.
type verdict struct {
	challenge onetime.Item
	subject   throttle.Subject
	wrong     fault.Code
	now       func() time.Time
	// try counts the guess where it is made, besides the challenge and the
	// account.
	try func(ctx context.Context, s outbound.Stores) error
	// use judges, after the count was committed: errWrong for a wrong answer.
	use func() (use, error)
}

// judge counts an answer, judges it, and lets it achieve something. A right
// answer that achieves nothing takes its count of the account back, not that of
// the challenge.
func judge(ctx context.Context, by *attempt.Taker, work outbound.UnitOfWork, v verdict, achieve effect) error {
	return by.JudgeCode(ctx, attempt.Code{
		Subject: v.subject, Wrong: v.wrong,
		Try: func(ctx context.Context, s outbound.Stores) error {
			if err := over(s.OneTime.Try(ctx, onetime.Challenge, v.challenge.Hash, v.now())); err != nil {
				return err
			}
			return v.try(ctx, s)
		},
		Right: func() (bool, error) {
			u, err := v.use()
			if err == nil {
				if err = v.answer(ctx, work, u, achieve); err != nil && !errors.Is(err, errWrong) {
					err = errors.Join(by.Forgive(ctx, v.subject), err)
				}
			}
			if errors.Is(err, errWrong) {
				return false, nil
			}
			return err == nil, err
		},
	})
}

// answer uses up the challenge and what answers it, in the transaction of what
// that achieves. What has become of the principal meanwhile is read again
// (faults F80).
func (v verdict) answer(ctx context.Context, work outbound.UnitOfWork, u use, achieve effect) error {
	return work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, v.challenge.Principal))
		switch {
		case err != nil:
			return err
		case p.IsDisabled():
			return fault.New(fault.TwoFactorAuthenticationTokenInvalid)
		}
		if err := over(s.OneTime.Use(ctx, onetime.Challenge, v.challenge.Hash, v.now())); err != nil {
			return err
		}
		switch err := u.up(ctx, s, p); {
		case errors.Is(err, outbound.ErrStale):
			return errWrong
		case err != nil:
			return fmt.Errorf("use up code: %w", err)
		}
		return achieve(ctx, s, p, v.challenge.Proven.With(u.of))
	})
}

// over refuses with TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID what is used, void,
// spent or expired meanwhile.
func over(err error) error {
	switch {
	case errors.Is(err, outbound.ErrStale):
		return fault.New(fault.TwoFactorAuthenticationTokenInvalid).Because(err)
	case err != nil:
		return fmt.Errorf("use challenge: %w", err)
	}
	return nil
}
