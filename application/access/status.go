package access

import (
	"context"
	"fmt"

	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

var _ inbound.UseCase[inbound.Status, inbound.StatusReport] = StatusTeller{}

// StatusTeller answers [inbound.Status] from what the access check has read.
type StatusTeller struct{}

// Do implements [inbound.UseCase].
func (StatusTeller) Do(_ context.Context, in inbound.Status) (inbound.StatusReport, error) {
	caller := in.Access.Caller
	if caller.IsNobody() {
		return inbound.StatusReport{}, nil
	}
	p, err := in.Access.Self()
	if err != nil {
		return inbound.StatusReport{}, fmt.Errorf("open principal: %w", err)
	}
	report := inbound.StatusReport{
		Authenticated: true, StepUp: caller.StepUp == session.StepUpGranted, SessionID: caller.SessionID,
	}
	if !p.IsGuest() {
		report.EmailVerified = new(p.EmailVerified())
	}
	return report, nil
}
