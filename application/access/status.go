package access

import (
	"context"
	"fmt"

	"gatehouse/domain/fault"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

var _ inbound.UseCase[inbound.Status, inbound.StatusReport] = (*StatusTeller)(nil)

// StatusTeller answers [inbound.Status].
type StatusTeller struct{ a *Authenticator }

// NewStatusTeller returns a StatusTeller, which needs what an [Authenticator]
// needs.
func NewStatusTeller(d AuthenticatorDeps) *StatusTeller { return &StatusTeller{NewAuthenticator(d)} }

// Do implements [inbound.UseCase].
func (s *StatusTeller) Do(ctx context.Context, in inbound.Status) (inbound.StatusReport, error) {
	now := s.a.d.Now()
	c, read, err := s.a.allowed(ctx, in.AccessToken, now)
	switch fault.CodeOf(err) {
	case "":
	case fault.AuthenticationRequired, fault.AccessTokenInvalid, fault.AccessTokenExpired:
		return inbound.StatusReport{}, nil
	default:
		return inbound.StatusReport{}, err
	}
	report := inbound.StatusReport{
		Authenticated: true,
		StepUp:        s.a.stepUp(in.StepUpToken, c, now) == session.StepUpGranted,
		SessionID:     c.Session,
	}
	if read.Guest {
		return report, nil
	}
	p, err := read.Open()
	if err != nil {
		return inbound.StatusReport{}, fmt.Errorf("open principal: %w", err)
	}
	report.EmailVerified = new(p.EmailVerified())
	return report, nil
}
