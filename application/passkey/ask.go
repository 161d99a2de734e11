package passkey

import (
	"context"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/fault"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.BeginPasskeySignIn, passkey.Document] = (*SignInAsker)(nil)
	_ inbound.UseCase[inbound.BeginPasskeySecond, passkey.Document] = (*SecondAsker)(nil)
	_ inbound.UseCase[inbound.BeginPasskeyStepUp, passkey.Document] = (*StepUpAsker)(nil)
)

// AskerDeps are what a [SignInAsker], a [SecondAsker] and a [StepUpAsker] work
// with. All are required.
type AskerDeps struct {
	Work           outbound.UnitOfWork
	Authenticators outbound.Authenticators
	Second         passkey.Verification // of who uses a passkey besides a password
	NewSecret      func() secret.Text   // 256 random bits in base64url
	Now            func() time.Time
}

// SignInAsker answers [inbound.BeginPasskeySignIn].
type SignInAsker struct{ d AskerDeps }

// NewSignInAsker returns a SignInAsker.
func NewSignInAsker(d AskerDeps) *SignInAsker { return &SignInAsker{d} }

// Do implements [inbound.UseCase].
func (a *SignInAsker) Do(ctx context.Context, _ inbound.BeginPasskeySignIn) (passkey.Document, error) {
	challenge := a.d.NewSecret()
	question, err := a.d.Authenticators.Ask(challenge, passkey.Required, nil)
	if err != nil {
		return nil, err
	}
	if err := SignIn().begin(ctx, a.d.Work.Single(), challenge, a.d.Now()); err != nil {
		return nil, err
	}
	return question, nil
}

// SecondAsker answers [inbound.BeginPasskeySecond].
type SecondAsker struct{ d AskerDeps }

// NewSecondAsker returns a SecondAsker.
func NewSecondAsker(d AskerDeps) *SecondAsker { return &SecondAsker{d} }

// Do implements [inbound.UseCase].
func (a *SecondAsker) Do(ctx context.Context, cmd inbound.BeginPasskeySecond) (passkey.Document, error) {
	return a.d.ask(ctx, cmd.Challenge.Principal, a.d.Second, Second(cmd.Challenge))
}

// StepUpAsker answers [inbound.BeginPasskeyStepUp].
type StepUpAsker struct{ d AskerDeps }

// NewStepUpAsker returns a StepUpAsker.
func NewStepUpAsker(d AskerDeps) *StepUpAsker { return &StepUpAsker{d} }

// Do implements [inbound.UseCase]. The answer may be the only proof or a second
// one, which may have to do without a verified user: a key that can verify nobody
// has to be able to answer.
func (a *StepUpAsker) Do(ctx context.Context, cmd inbound.BeginPasskeyStepUp) (passkey.Document, error) {
	v := passkey.Required
	if a.d.Second != passkey.Required {
		v = passkey.Preferred
	}
	return a.d.ask(ctx, cmd.Caller.PrincipalID, v, StepUp(cmd.Caller))
}

// ask asks for one of the passkeys of somebody. It refuses with 2FA_DISABLED when
// they have none.
func (d AskerDeps) ask(ctx context.Context, of principal.ID, v passkey.Verification, c Ceremony) (question passkey.Document, err error) {
	challenge := d.NewSecret()
	err = d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, of))
		if err != nil {
			return err
		}
		theirs, err := all(ctx, s, p.ID())
		switch {
		case err != nil:
			return err
		case len(theirs) == 0:
			return fault.New(fault.TwoFactorDisabled)
		}
		if question, err = d.Authenticators.Ask(challenge, v, theirs); err != nil {
			return err
		}
		return c.begin(ctx, s, challenge, d.Now())
	})
	if err != nil {
		return nil, err
	}
	return question, nil
}
