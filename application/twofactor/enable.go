package twofactor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/throttle"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.EnableTOTP, inbound.Self] = (*TOTPEnabler)(nil)

// TOTPEnablerDeps are what a [TOTPEnabler] works with. All are required.
type TOTPEnablerDeps struct {
	Deps

	Attempts *attempt.Taker
	Hasher   outbound.Hasher
	Verifier outbound.Verifier
	TOTP     outbound.TOTP
}

// TOTPEnabler answers [inbound.EnableTOTP].
type TOTPEnabler struct{ d TOTPEnablerDeps }

// NewTOTPEnabler returns a TOTPEnabler.
func NewTOTPEnabler(d TOTPEnablerDeps) *TOTPEnabler { return &TOTPEnabler{d} }

// Do implements [inbound.UseCase]. The turn to hash recovery codes comes before
// the count, so that nobody loses a guess for want of one.
func (e *TOTPEnabler) Do(ctx context.Context, cmd inbound.EnableTOTP) (inbound.Self, error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	code, ok := factor.ParseCode(cmd.Code)
	if !ok {
		return nil, fault.Invalid("code", fault.RulePattern)
	}
	pending, of, err := e.load(ctx, cmd)
	if err != nil {
		return nil, err
	}
	turn, err := e.d.Hasher.Admit(ctx, of.Network)
	if err != nil {
		return nil, fmt.Errorf("wait to hash: %w", err)
	}
	defer turn.Done()
	step, err := e.judge(ctx, cmd, pending, of, code)
	if err != nil {
		return nil, err
	}
	p, err := e.enable(ctx, cmd, turn, pending, factor.App{Secret: pending.Secret, LastStep: step}, of)
	if !account.Stands(err) { // the code was no wrong one
		err = errors.Join(e.d.Attempts.Forgive(ctx, of), err)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (e *TOTPEnabler) load(ctx context.Context, cmd inbound.EnableTOTP) (pending factor.Setup, of throttle.Subject, err error) {
	now := e.d.Now()
	err = e.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := caller(ctx, s, cmd.Caller, now)
		if err != nil {
			return err
		}
		if err := addable(p, factor.TOTP); err != nil {
			return err
		}
		if pending, err = e.named(ctx, s, cmd, now); err != nil {
			return err
		}
		of = attempt.Subject(p.Email().Typed(), cmd.From.Address)
		_, err = e.d.Attempts.Allowed(ctx, s, of)
		return err
	})
	return pending, of, err
}

// named returns the setup that a token names, if it can be confirmed yet.
func (e *TOTPEnabler) named(ctx context.Context, s outbound.Stores, cmd inbound.EnableTOTP, now time.Time) (factor.Setup, error) {
	c, err := e.d.Verifier.Verify(cmd.Token, token.TOTPSetup, now)
	switch mine := c.Subject == cmd.Caller.PrincipalID; {
	case mine && errors.Is(err, outbound.ErrTokenExpired):
		return factor.Setup{}, fault.New(fault.TOTPSetupTokenExpired)
	case err != nil || !mine:
		return factor.Setup{}, fault.New(fault.TOTPSetupTokenInvalid).Because(err)
	}
	pending, err := s.Setups.Of(ctx, cmd.Caller.PrincipalID)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return pending, fault.New(fault.TOTPSetupTokenInvalid).Because(err)
	case err != nil:
		return pending, fmt.Errorf("load setup: %w", err)
	case pending.ID != c.ID || pending.Tries >= factor.MaxTries:
		return pending, fault.New(fault.TOTPSetupTokenInvalid)
	}
	return pending, nil
}

// judge returns the step that the code belongs to.
func (e *TOTPEnabler) judge(ctx context.Context, cmd inbound.EnableTOTP, pending factor.Setup, of throttle.Subject, code factor.Code) (step int64, err error) {
	now := e.d.Now()
	err = e.d.Attempts.JudgeCode(ctx, attempt.Code{
		Subject: of, Wrong: fault.WrongTwoFactorCode,
		Try: func(ctx context.Context, s outbound.Stores) error {
			return overtaken(s.Setups.Try(ctx, cmd.Caller.PrincipalID, pending.ID, now), fault.TOTPSetupTokenInvalid)
		},
		Right: func() (right bool, err error) {
			step, right, err = e.d.TOTP.Step(pending.Secret, code, now, 0)
			return right, err
		},
	})
	return step, err
}

func (e *TOTPEnabler) enable(
	ctx context.Context, cmd inbound.EnableTOTP, turn outbound.Turn, pending factor.Setup, app factor.App, of throttle.Subject,
) (*principal.Principal, error) {
	hashes, err := hashAll(turn, pending.RecoveryCodes)
	if err != nil {
		return nil, err
	}
	turn.Done()
	c := e.d.adding(factor.TOTP, cmd.Context)
	return e.d.carry(ctx, c, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if err := addable(p, factor.TOTP); err != nil {
			return err
		}
		if err := overtaken(s.Setups.Use(ctx, p.ID(), pending.ID, c.now), fault.TOTPSetupTokenInvalid); err != nil {
			return err
		}
		p.EnableFactor(factor.TOTP)
		if err := keep(ctx, s, p.ID(), app, hashes); err != nil {
			return err
		}
		if err := voidChallenges(ctx, s, p.ID(), c.now); err != nil {
			return err
		}
		return e.d.Attempts.ForgiveIn(ctx, s, of)
	})
}

func keep(ctx context.Context, s outbound.Stores, of principal.ID, app factor.App, hashes recovery.Set) error {
	if err := s.Apps.Put(ctx, of, app); err != nil {
		return fmt.Errorf("store app: %w", err)
	}
	if err := s.RecoveryCodes.Replace(ctx, of, hashes); err != nil {
		return fmt.Errorf("store recovery codes: %w", err)
	}
	return nil
}

// overtaken refuses with code what somebody else was faster with, or what has
// ended meanwhile.
func overtaken(err error, code fault.Code) error {
	if errors.Is(err, outbound.ErrStale) {
		return fault.New(code).Because(err)
	}
	return err
}
