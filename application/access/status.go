package access

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.Status, inbound.StatusReport] = (*StatusTeller)(nil)

// StatusTeller answers [inbound.Status] from what the checks of tokens have
// read; only who is known by a challenge alone is read here.
type StatusTeller struct{ work outbound.UnitOfWork }

// NewStatusTeller returns a StatusTeller.
func NewStatusTeller(work outbound.UnitOfWork) *StatusTeller { return &StatusTeller{work} }

// Do implements [inbound.UseCase].
func (t *StatusTeller) Do(ctx context.Context, in inbound.Status) (r inbound.StatusReport, err error) {
	p, err := t.about(ctx, in)
	if p == nil || err != nil {
		return r, err
	}
	caller := in.Access.Caller
	r = inbound.StatusReport{
		Authenticated: !caller.IsNobody(), StepUp: caller.StepUp == session.StepUpGranted, SessionID: caller.SessionID,
		Challenged: in.Challenge != nil, Factors: p.Factors(),
	}
	if !p.IsGuest() {
		r.EmailVerified = new(p.EmailVerified())
	}
	return r, nil
}

// about returns whom the report is about, nil for nobody.
func (t *StatusTeller) about(ctx context.Context, in inbound.Status) (p *principal.Principal, err error) {
	switch {
	case !in.Access.Caller.IsNobody():
		p, err = in.Access.Self()
	case in.Challenge != nil:
		p, err = t.work.Single().Principals.ByID(ctx, in.Challenge.Principal)
		if errors.Is(err, outbound.ErrNotFound) {
			return nil, nil //nolint:nilnil // gone since its challenge was read
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open principal: %w", err)
	}
	return p, nil
}
