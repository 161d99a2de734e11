package twofactor

import (
	"context"
	"fmt"

	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.DisableTOTP, inbound.Self]  = (*TOTPDisabler)(nil)
	_ inbound.UseCase[inbound.DisableEmail, inbound.Self] = (*EmailDisabler)(nil)
)

// DisablerDeps are what a [TOTPDisabler] and an [EmailDisabler] work with. All
// are required.
type DisablerDeps struct {
	Deps

	Required bool // an account that has a second factor keeps one
}

// TOTPDisabler answers [inbound.DisableTOTP].
type TOTPDisabler struct{ d DisablerDeps }

// NewTOTPDisabler returns a TOTPDisabler.
func NewTOTPDisabler(d DisablerDeps) *TOTPDisabler { return &TOTPDisabler{d} }

// Do implements [inbound.UseCase].
func (o *TOTPDisabler) Do(ctx context.Context, cmd inbound.DisableTOTP) (inbound.Self, error) {
	return o.d.disable(ctx, cmd.Context, factor.TOTP, func(ctx context.Context, s outbound.Stores, of principal.ID) error {
		if err := s.Apps.Erase(ctx, of); err != nil {
			return fmt.Errorf("erase app: %w", err)
		}
		if err := s.RecoveryCodes.Replace(ctx, of, nil); err != nil {
			return fmt.Errorf("erase recovery codes: %w", err)
		}
		return nil
	})
}

// EmailDisabler answers [inbound.DisableEmail].
type EmailDisabler struct{ d DisablerDeps }

// NewEmailDisabler returns an EmailDisabler.
func NewEmailDisabler(d DisablerDeps) *EmailDisabler { return &EmailDisabler{d} }

// Do implements [inbound.UseCase].
func (o *EmailDisabler) Do(ctx context.Context, cmd inbound.DisableEmail) (inbound.Self, error) {
	return o.d.disable(ctx, cmd.Context, factor.Email, func(ctx context.Context, s outbound.Stores, of principal.ID) error {
		if err := s.MailedCodes.Void(ctx, of); err != nil {
			return fmt.Errorf("void mailed code: %w", err)
		}
		return nil
	})
}

// disable switches a method off, and erases what is kept for it.
func (d DisablerDeps) disable(
	ctx context.Context, of inbound.Context, m factor.Method, erase func(context.Context, outbound.Stores, principal.ID) error,
) (inbound.Self, error) {
	if err := of.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	c := d.removing(m, of)
	p, err := d.carry(ctx, c, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if !p.DisableFactor(m) {
			return fault.New(fault.TwoFactorMethodAlreadyDisabled)
		}
		if d.Required && !p.Factors().Any() {
			return fault.New(fault.CannotDisableOnlyTwoFactorMethod)
		}
		// Challenges are locked before what answers them, as whoever guesses does.
		if err := voidChallenges(ctx, s, p.ID(), c.now); err != nil {
			return err
		}
		return erase(ctx, s, p.ID())
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
