package session

import (
	"context"
	"errors"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/passkey"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.SignInWithPasskey, inbound.SignedIn]          = (*PasskeySignerIn)(nil)
	_ inbound.UseCase[inbound.CompleteSignInWithPasskey, inbound.SignedIn]  = (*PasskeySignInCompleter)(nil)
	_ inbound.UseCase[inbound.CompleteStepUpWithPasskey, inbound.SteppedUp] = (*PasskeyStepUpCompleter)(nil)
	_ inbound.UseCase[inbound.StepUpWithPasskey, inbound.SteppedUp]         = (*PasskeyStepperUp)(nil)
)

// PasskeyDeps are what the use cases of this file work with. All are required.
type PasskeyDeps struct {
	Work     outbound.UnitOfWork
	Judge    *passkey.Judge
	Entrance *Entrance
	Now      func() time.Time
}

// achieving judges an answer and lets its proof achieve something, until no
// other use of the same passkey comes between.
func achieving[T any](judge func() (passkey.Proof, error), achieve func(passkey.Proof) (T, error)) (T, error) {
	return again(func() (out T, err error) {
		proof, err := judge()
		if err == nil {
			out, err = achieve(proof)
		}
		if errors.Is(err, passkey.ErrOvertaken) {
			err = errors.Join(errOvertaken, err)
		}
		return out, err
	})
}

// PasskeySignerIn answers [inbound.SignInWithPasskey].
type PasskeySignerIn struct{ d PasskeyDeps }

// NewPasskeySignerIn returns a PasskeySignerIn.
func NewPasskeySignerIn(d PasskeyDeps) *PasskeySignerIn { return &PasskeySignerIn{d} }

// Do implements [inbound.UseCase].
func (i *PasskeySignerIn) Do(ctx context.Context, cmd inbound.SignInWithPasskey) (inbound.SignedIn, error) {
	var owner principal.ID
	in, err := achieving(func() (passkey.Proof, error) {
		proof, err := i.d.Judge.Alone(ctx, cmd.Answer, passkey.SignIn())
		owner = proof.Owner
		return proof, err
	}, func(proof passkey.Proof) (inbound.SignedIn, error) { return i.enter(ctx, cmd, proof) })
	if errors.Is(err, fault.PasskeyCloned) {
		return i.d.whose(ctx, owner), err
	}
	return in, err
}

func (i *PasskeySignerIn) enter(ctx context.Context, cmd inbound.SignInWithPasskey, proof passkey.Proof) (in inbound.SignedIn, err error) {
	err = i.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := s.Principals.ByID(ctx, proof.Owner)
		switch {
		case errors.Is(err, outbound.ErrNotFound):
			return fault.New(fault.PasskeyNotFound).Because(err) // gone with its owner
		case err != nil:
			return err
		}
		if err := proof.Redeem(ctx, s, passkey.SignIn(), i.d.Now()); err != nil {
			return err
		}
		if p.IsDisabled() {
			return fault.New(fault.UserDisabled)
		}
		in, err = i.d.Entrance.Enter(ctx, s, p, session.Proven{session.Passkey}, cmd.Context)
		return err
	})
	if err != nil {
		return inbound.SignedIn{}, err
	}
	return in, nil
}

// whose names the owner of a passkey that was refused as a copy: the record has
// to tell whose it was. Nobody else reads it.
func (d PasskeyDeps) whose(ctx context.Context, owner principal.ID) inbound.SignedIn {
	p, err := d.Work.Single().Principals.ByID(ctx, owner)
	if err != nil {
		return inbound.SignedIn{}
	}
	return inbound.SignedIn{Principal: p}
}

// PasskeySignInCompleter answers [inbound.CompleteSignInWithPasskey].
type PasskeySignInCompleter struct{ d PasskeyDeps }

// NewPasskeySignInCompleter returns a PasskeySignInCompleter.
func NewPasskeySignInCompleter(d PasskeyDeps) *PasskeySignInCompleter {
	return &PasskeySignInCompleter{d}
}

// Do implements [inbound.UseCase].
func (c *PasskeySignInCompleter) Do(ctx context.Context, cmd inbound.CompleteSignInWithPasskey) (inbound.SignedIn, error) {
	ceremony := passkey.Second(cmd.Challenge)
	in, err := achieving(func() (passkey.Proof, error) {
		if err := c.d.enabled(ctx, cmd.Challenge.Principal); err != nil {
			return passkey.Proof{}, err
		}
		return c.d.Judge.Besides(ctx, cmd.Answer, ceremony)
	}, func(proof passkey.Proof) (in inbound.SignedIn, err error) {
		err = c.d.answer(ctx, cmd.Challenge, proof, ceremony,
			func(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven) error {
				in, err = c.d.Entrance.Enter(ctx, s, p, proven, cmd.Context)
				return entered(in.Challenge, err)
			})
		return in, err
	})
	if errors.Is(err, fault.PasskeyCloned) {
		return c.d.whose(ctx, cmd.Challenge.Principal), err
	}
	return in, err
}

// PasskeyStepUpCompleter answers [inbound.CompleteStepUpWithPasskey].
type PasskeyStepUpCompleter struct{ d PasskeyDeps }

// NewPasskeyStepUpCompleter returns a PasskeyStepUpCompleter.
func NewPasskeyStepUpCompleter(d PasskeyDeps) *PasskeyStepUpCompleter {
	return &PasskeyStepUpCompleter{d}
}

// Do implements [inbound.UseCase].
func (c *PasskeyStepUpCompleter) Do(ctx context.Context, cmd inbound.CompleteStepUpWithPasskey) (inbound.SteppedUp, error) {
	ceremony := passkey.StepUp(cmd.Caller)
	return achieving(func() (passkey.Proof, error) {
		if err := c.d.enabled(ctx, cmd.Challenge.Principal); err != nil {
			return passkey.Proof{}, err
		}
		return c.d.Judge.Besides(ctx, cmd.Answer, ceremony)
	}, func(proof passkey.Proof) (up inbound.SteppedUp, err error) {
		err = c.d.answer(ctx, cmd.Challenge, proof, ceremony,
			func(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven) error {
				if err := stillIn(ctx, s, cmd.Caller, c.d.Now()); err != nil {
					return challengeOver(err)
				}
				up, err = c.d.Entrance.StepUp(ctx, s, p, proven, cmd.Context, cmd.Challenge.Demand)
				return entered(up.Challenge, err)
			})
		return up, err
	})
}

// enabled refuses with USER_NOT_FOUND or 2FA_DISABLED who has no passkey.
func (d PasskeyDeps) enabled(ctx context.Context, id principal.ID) error {
	p, err := account.User(d.Work.Single().Principals.ByID(ctx, id))
	if err == nil && !p.Factors().Passkey {
		err = fault.New(fault.TwoFactorDisabled)
	}
	return err
}

// answer uses up a challenge, the ceremony and the passkey, as a code is.
func (d PasskeyDeps) answer(ctx context.Context, challenge onetime.Item, proof passkey.Proof, c passkey.Ceremony, achieve effect) error {
	return verdict{challenge: challenge, now: d.Now}.answer(ctx, d.Work, use{
		of: session.Passkey,
		up: func(ctx context.Context, s outbound.Stores, _ *principal.Principal) error {
			return proof.Redeem(ctx, s, c, d.Now())
		},
	}, achieve)
}

// PasskeyStepperUp answers [inbound.StepUpWithPasskey].
type PasskeyStepperUp struct{ d PasskeyDeps }

// NewPasskeyStepperUp returns a PasskeyStepperUp.
func NewPasskeyStepperUp(d PasskeyDeps) *PasskeyStepperUp { return &PasskeyStepperUp{d} }

// Do implements [inbound.UseCase].
func (u *PasskeyStepperUp) Do(ctx context.Context, cmd inbound.StepUpWithPasskey) (inbound.SteppedUp, error) {
	ceremony := passkey.StepUp(cmd.Caller)
	return achieving(func() (passkey.Proof, error) {
		if _, err := account.User(u.d.Work.Single().Principals.ByID(ctx, cmd.Caller.PrincipalID)); err != nil {
			return passkey.Proof{}, err
		}
		return u.d.Judge.Alone(ctx, cmd.Answer, ceremony)
	}, func(proof passkey.Proof) (up inbound.SteppedUp, err error) {
		err = u.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			p, err := account.User(s.Principals.ByID(ctx, cmd.Caller.PrincipalID))
			if err != nil {
				return err
			}
			if err := stillIn(ctx, s, cmd.Caller, u.d.Now()); err != nil {
				return err
			}
			if err := proof.Redeem(ctx, s, ceremony, u.d.Now()); err != nil {
				return err
			}
			up, err = u.d.Entrance.StepUp(ctx, s, p, session.Proven{session.Passkey}, cmd.Context, session.Demand{})
			return err
		})
		return up, err
	})
}
