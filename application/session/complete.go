package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.CompleteSignIn, inbound.SignedIn]  = (*SignInCompleter)(nil)
	_ inbound.UseCase[inbound.CompleteStepUp, inbound.SteppedUp] = (*StepUpCompleter)(nil)
)

// CompleterDeps are what a [SignInCompleter] and a [StepUpCompleter] work with.
// All are required.
type CompleterDeps struct {
	Work     outbound.UnitOfWork
	Attempts *attempt.Taker
	Entrance *Entrance
	TOTP     outbound.TOTP
	Now      func() time.Time
}

// SignInCompleter answers [inbound.CompleteSignIn].
type SignInCompleter struct{ d CompleterDeps }

// NewSignInCompleter returns a SignInCompleter.
func NewSignInCompleter(d CompleterDeps) *SignInCompleter { return &SignInCompleter{d} }

// Do implements [inbound.UseCase].
func (c *SignInCompleter) Do(ctx context.Context, cmd inbound.CompleteSignIn) (in inbound.SignedIn, err error) {
	err = c.d.complete(ctx, cmd.Context, cmd.Challenge, cmd.Codes, func(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven) error {
		in, err = c.d.Entrance.Enter(ctx, s, p, proven, cmd.Context)
		return entered(in.Challenge, err)
	})
	if err != nil {
		return inbound.SignedIn{}, err
	}
	return in, nil
}

// StepUpCompleter answers [inbound.CompleteStepUp].
type StepUpCompleter struct{ d CompleterDeps }

// NewStepUpCompleter returns a StepUpCompleter.
func NewStepUpCompleter(d CompleterDeps) *StepUpCompleter { return &StepUpCompleter{d} }

// Do implements [inbound.UseCase].
func (c *StepUpCompleter) Do(ctx context.Context, cmd inbound.CompleteStepUp) (up inbound.SteppedUp, err error) {
	err = c.d.complete(ctx, cmd.Context, cmd.Challenge, cmd.Codes, func(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven) error {
		if err := stillIn(ctx, s, cmd.Caller, c.d.Now()); err != nil {
			return challengeOver(err)
		}
		up, err = c.d.Entrance.StepUp(ctx, s, p, proven, cmd.Context, cmd.Challenge.Demand)
		return entered(up.Challenge, err)
	})
	if err != nil {
		return inbound.SteppedUp{}, err
	}
	return up, nil
}

// challengeOver is what somebody is told whose challenge ended with its session.
func challengeOver(err error) error {
	if errors.Is(err, fault.SessionExpired) {
		return fault.New(fault.TwoFactorAuthenticationTokenInvalid).Because(err)
	}
	return err
}

// entered refuses who would have to answer another challenge: what they proved
// was switched off meanwhile, and that voids the one they have.
func entered(again *inbound.Challenge, err error) error {
	if err == nil && again != nil {
		return fault.New(fault.TwoFactorAuthenticationTokenInvalid)
	}
	return err
}

// effect is what an answer to a challenge achieves, in the transaction that uses
// both up: p is locked and not disabled.
type effect func(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven) error

// guess is a code that answers a challenge.
type guess struct {
	challenge onetime.Item
	subject   throttle.Subject
	with      session.Factor // TOTP or Mail
	code      factor.Code
	app       factor.App // of TOTP alone
}

// errWrong is a code that is another one, or was used up by somebody else.
var errWrong = errors.New("wrong code")

func (d CompleterDeps) complete(ctx context.Context, by inbound.Context, to onetime.Item, sent inbound.Codes, achieve effect) error {
	codes, err := parse(sent)
	if err != nil {
		return err
	}
	g, err := d.read(ctx, by, to, codes)
	if err != nil {
		return err
	}
	return judge(ctx, d.Attempts, d.Work, verdict{
		challenge: to, subject: g.subject, wrong: fault.WrongTwoFactorCode, now: d.Now,
		try: func(ctx context.Context, s outbound.Stores) error { return g.try(ctx, s, d.Now()) },
		use: func() (use, error) { return d.right(g) },
	}, achieve)
}

// parse reads the codes that were sent, whether they will be looked at or not.
func parse(sent inbound.Codes) (map[session.Factor]factor.Code, error) {
	broken, codes := fault.New(fault.InvalidRequest), map[session.Factor]factor.Code{}
	if !sent.TOTP.Missing() {
		c, ok := factor.ParseCode(sent.TOTP)
		if codes[session.TOTP] = c; !ok {
			broken = broken.On("totp", fault.RulePattern)
		}
	}
	if !sent.Email.Missing() {
		c, ok := factor.ParseCode(sent.Email)
		if codes[session.Mail] = c; !ok {
			broken = broken.On("email", fault.RulePattern)
		}
	}
	if len(broken.Broken()) > 0 {
		return nil, broken
	}
	return codes, nil
}

// read refuses whatever needs no look at a code, in the order of the contract.
func (d CompleterDeps) read(ctx context.Context, by inbound.Context, to onetime.Item, codes map[session.Factor]factor.Code) (g guess, err error) {
	err = d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, to.Principal))
		switch {
		case err != nil:
			return err
		case !p.HasPassword():
			return fault.New(fault.NoPasswordProvider)
		case !p.Factors().Any():
			return fault.New(fault.TwoFactorDisabled)
		}
		g = guess{challenge: to, subject: subjectOf(p, by.From.Address)}
		if err := g.choose(p.Factors(), codes); err != nil {
			return err
		}
		if _, err := d.Attempts.Allowed(ctx, s, g.subject); err != nil {
			return err
		}
		if g.with != session.TOTP {
			return nil
		}
		g.app, err = s.Apps.Of(ctx, p.ID())
		switch {
		case errors.Is(err, outbound.ErrNotFound):
			return fault.New(fault.InvalidUserDocument).Because(fmt.Errorf("TOTP is on: %w", err))
		case err != nil:
			return fmt.Errorf("load app: %w", err)
		}
		return nil
	})
	return g, err
}

// choose takes the code that is looked at. It refuses with NO_2FA_CODE_PROVIDED
// when there is none for a method that is on.
func (g *guess) choose(on factor.Set, codes map[session.Factor]factor.Code) error {
	for _, c := range []struct {
		on   bool
		with session.Factor
	}{{on.TOTP, session.TOTP}, {on.Email, session.Mail}} {
		if code, sent := codes[c.with]; sent && c.on {
			g.with, g.code = c.with, code
			return nil
		}
	}
	return fault.New(fault.NoTwoFactorCodeProvided)
}

// try counts a guess at a mailed code.
func (g guess) try(ctx context.Context, s outbound.Stores, now time.Time) error {
	if g.with != session.Mail {
		return nil
	}
	switch err := s.MailedCodes.Try(ctx, g.challenge.Principal, now); {
	case errors.Is(err, outbound.ErrStale):
		return fault.New(fault.TwoFactorCodeExpired).Because(err)
	case err != nil:
		return fmt.Errorf("count guess at mailed code: %w", err)
	}
	return nil
}

// right judges the code of an app, and leaves a mailed one to the store that
// uses it up.
func (d CompleterDeps) right(g guess) (use, error) {
	now := d.Now()
	if g.with == session.Mail {
		return use{session.Mail, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
			if err := s.MailedCodes.Use(ctx, p.ID(), g.code, now); err != nil {
				return err
			}
			return s.Cooldowns.End(ctx, notice.EmailAuthentication, p.Email().Normal())
		}}, nil
	}
	step, ok, err := d.TOTP.Step(g.app.Secret, g.code, now, g.app.LastStep)
	switch {
	case err != nil:
		return use{}, err
	case !ok:
		return use{}, errWrong
	}
	return use{session.TOTP, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		return s.Apps.Accept(ctx, p.ID(), step)
	}}, nil
}
