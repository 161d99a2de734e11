package session

import (
	"context"
	"errors"
	"time"

	"gatehouse/application/grant"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.RedeemStepUp, inbound.Approval] = (*Redeemer)(nil)

// RedeemerDeps are what a [Redeemer] works with. All are required.
type RedeemerDeps struct {
	Work     outbound.UnitOfWork
	Verifier outbound.Verifier
	Now      func() time.Time
}

// Redeemer answers [inbound.RedeemStepUp].
type Redeemer struct{ d RedeemerDeps }

// NewRedeemer returns a Redeemer.
func NewRedeemer(d RedeemerDeps) *Redeemer { return &Redeemer{d} }

// Do implements [inbound.UseCase].
func (r *Redeemer) Do(ctx context.Context, cmd inbound.RedeemStepUp) (inbound.Approval, error) {
	now := r.d.Now()
	c, err := r.d.Verifier.Verify(cmd.Token, token.StepUp, now)
	switch {
	case errors.Is(err, outbound.ErrTokenExpired):
		return inbound.Approval{}, fault.New(fault.StepUpTokenExpired).Because(err)
	case err != nil:
		return inbound.Approval{}, fault.New(fault.StepUpTokenInvalid).Because(err)
	case c.Bound.IsZero(), c.Bound != cmd.For:
		return inbound.Approval{}, fault.New(fault.StepUpTokenInvalid)
	}
	err = r.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error { return redeem(ctx, st, c, now) })
	if err != nil {
		return inbound.Approval{}, err
	}
	return inbound.Approval{
		PrincipalID: c.Subject, SessionID: c.Session, Bound: c.Bound, AMR: c.AMR, ACR: c.ACR, AuthTime: c.AuthTime,
	}, nil
}

// redeem uses a token up, unless the session it was granted to is over.
func redeem(ctx context.Context, st outbound.Stores, c token.Claims, now time.Time) error {
	err := stillIn(ctx, st, session.Caller{PrincipalID: c.Subject, SessionID: c.Session}, now)
	switch {
	case errors.Is(err, fault.SessionExpired):
		return fault.New(fault.StepUpTokenInvalid).Because(err)
	case err != nil:
		return err
	}
	err = st.OneTime.Use(ctx, onetime.BoundStepUp, grant.BoundHash(c.ID), now)
	if errors.Is(err, outbound.ErrStale) {
		return fault.New(fault.StepUpTokenInvalid).Because(err)
	}
	return err
}
