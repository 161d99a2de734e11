package twofactor

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/grant"
	"gatehouse/domain/factor"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.BeginTOTP, inbound.TOTPSetup] = (*Beginner)(nil)

// NewCodes makes recovery codes out of randomness.
type NewCodes func() []recovery.Code

// BeginnerDeps are what a [Beginner] works with. All are required.
type BeginnerDeps struct {
	Work     outbound.UnitOfWork
	TOTP     outbound.TOTP
	QR       outbound.QRCoder
	Issuer   *grant.Issuer
	NewCodes NewCodes
	Service  string // as authenticator apps show it
	Now      func() time.Time
}

// Beginner answers [inbound.BeginTOTP].
type Beginner struct{ d BeginnerDeps }

// NewBeginner returns a Beginner.
func NewBeginner(d BeginnerDeps) *Beginner { return &Beginner{d} }

// Do implements [inbound.UseCase]. Whatever may fail is made before anything is
// stored, since that voids what was begun before.
func (b *Beginner) Do(ctx context.Context, cmd inbound.BeginTOTP) (out inbound.TOTPSetup, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return inbound.TOTPSetup{}, err
	}
	now := b.d.Now()
	load := func(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
		p, err := caller(ctx, s, cmd.Caller, now)
		if err != nil {
			return nil, err
		}
		return p, addable(p, factor.TOTP)
	}
	var p *principal.Principal
	err = b.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err = load(ctx, s)
		return err
	})
	if err != nil {
		return inbound.TOTPSetup{}, err
	}
	out, pending, err := b.draw(cmd, p, now)
	if err != nil {
		return inbound.TOTPSetup{}, err
	}
	err = b.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if _, err := load(ctx, s); err != nil {
			return err
		}
		if err := s.Setups.Put(ctx, p.ID(), pending); err != nil {
			return fmt.Errorf("store setup: %w", err)
		}
		return nil
	})
	if err != nil {
		return inbound.TOTPSetup{}, err
	}
	return out, nil
}

// draw makes what the owner is shown, and what is kept of it.
func (b *Beginner) draw(cmd inbound.BeginTOTP, p *principal.Principal, now time.Time) (out inbound.TOTPSetup, pending factor.Setup, err error) {
	if out.Secret, err = b.d.TOTP.NewSecret(); err != nil {
		return out, pending, fmt.Errorf("make secret: %w", err)
	}
	out.URL = factor.KeyURI(b.d.Service, p.Email().Typed(), out.Secret)
	if out.QRCode, err = b.d.QR.QRCode(out.URL); err != nil {
		return out, pending, err
	}
	out.RecoveryCodes = b.d.NewCodes()
	t, c, err := b.d.Issuer.TOTPSetup(p.ID(), cmd.Caller.SessionID, now)
	if err != nil {
		return out, pending, err
	}
	out.Token = t
	return out, factor.Setup{
		ID: c.ID, Secret: out.Secret, RecoveryCodes: out.RecoveryCodes, CreatedAt: now, ExpiresAt: c.ExpiresAt,
	}, nil
}
