package twofactor

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.EnableEmail, inbound.Self] = (*EmailEnabler)(nil)

// EmailEnablerDeps are what an [EmailEnabler] works with. All are required.
type EmailEnablerDeps struct {
	Deps

	Attempts *attempt.Taker
}

// EmailEnabler answers [inbound.EnableEmail].
type EmailEnabler struct{ d EmailEnablerDeps }

// NewEmailEnabler returns an EmailEnabler.
func NewEmailEnabler(d EmailEnablerDeps) *EmailEnabler { return &EmailEnabler{d} }

// Do implements [inbound.UseCase].
func (e *EmailEnabler) Do(ctx context.Context, cmd inbound.EnableEmail) (p inbound.Self, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	code, ok := factor.ParseCode(cmd.Code)
	if !ok {
		return nil, fault.Invalid("code", fault.RulePattern)
	}
	of, err := e.load(ctx, cmd)
	if err != nil {
		return nil, err
	}
	err = e.d.Attempts.JudgeCode(ctx, attempt.Code{
		Subject: of, Wrong: fault.WrongTwoFactorCode,
		Try: func(ctx context.Context, s outbound.Stores) error {
			return overtaken(s.MailedCodes.Try(ctx, cmd.Caller.PrincipalID, e.d.Now()), fault.TwoFactorCodeExpired)
		},
		Right: func() (right bool, err error) {
			p, err = e.enable(ctx, cmd, code, of)
			return !errors.Is(err, errWrong), ignore(err, errWrong)
		},
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (e *EmailEnabler) load(ctx context.Context, cmd inbound.EnableEmail) (of throttle.Subject, err error) {
	err = e.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := caller(ctx, s, cmd.Caller, e.d.Now())
		if err != nil {
			return err
		}
		if err := addable(p, factor.Email); err != nil {
			return err
		}
		of = attempt.Subject(p.Email().Typed(), cmd.From.Address)
		_, err = e.d.Attempts.Allowed(ctx, s, of)
		return err
	})
	return of, err
}

// errWrong is a mailed code that was another one, or used up by somebody else.
var errWrong = errors.New("wrong code")

// enable uses the code up in the transaction of what it achieves. A code that
// achieves nothing, and was not found wrong, takes its count back.
func (e *EmailEnabler) enable(ctx context.Context, cmd inbound.EnableEmail, code factor.Code, of throttle.Subject) (*principal.Principal, error) {
	c := e.d.adding(factor.Email, cmd.Context)
	p, err := e.d.carry(ctx, c, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if err := addable(p, factor.Email); err != nil {
			return err
		}
		switch err := s.MailedCodes.Use(ctx, p.ID(), code, c.now); {
		case errors.Is(err, outbound.ErrStale):
			return errWrong
		case err != nil:
			return fmt.Errorf("use mailed code: %w", err)
		}
		if err := s.Cooldowns.End(ctx, notice.EmailAuthentication, p.Email().Normal()); err != nil {
			return fmt.Errorf("end cooldown: %w", err)
		}
		p.EnableFactor(factor.Email)
		return e.d.Attempts.ForgiveIn(ctx, s, of)
	})
	if !account.Stands(err) && !errors.Is(err, errWrong) {
		err = errors.Join(e.d.Attempts.Forgive(ctx, of), err)
	}
	return p, err
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
