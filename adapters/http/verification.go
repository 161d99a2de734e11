package http

import (
	"context"
	"time"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/ports/inbound"
)

// verification serves the proof that an address belongs to its account.
type verification struct {
	verify inbound.UseCase[inbound.VerifyEmail, inbound.Self]
	send   inbound.UseCase[inbound.SendVerification, inbound.MailSent]
	wait   inbound.UseCase[inbound.VerificationCooldown, inbound.Cooldown]
}

// VerifyEmail handles POST /api/auth/email/verification (A7). The token of the
// body counts more than that of the query.
func (h verification) VerifyEmail(ctx context.Context, r api.VerifyEmailRequestObject) (api.VerifyEmailResponseObject, error) {
	token := r.Params.Token.Text
	if r.Body != nil && !r.Body.Token.Missing() {
		token = r.Body.Token
	}
	p, err := h.verify.Do(ctx, inbound.VerifyEmail{Context: sceneOf(ctx).origin(client.Device{}), Token: token})
	if err != nil {
		return nil, err
	}
	return api.VerifyEmail200JSONResponse(principalOf(ctx, p)), nil
}

// SendVerificationEmail handles POST /api/auth/email/verification/send (A9).
func (h verification) SendVerificationEmail(ctx context.Context, _ api.SendVerificationEmailRequestObject) (api.SendVerificationEmailResponseObject, error) {
	sent, err := h.send.Do(ctx, inbound.SendVerification{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.SendVerificationEmail200JSONResponse{Cooldown: int(sent.Cooldown / time.Second)}, nil
}

// VerificationCooldown handles GET /api/auth/email/verification/cooldown (A8).
func (h verification) VerificationCooldown(ctx context.Context, _ api.VerificationCooldownRequestObject) (api.VerificationCooldownResponseObject, error) {
	s := sceneOf(ctx)
	left, err := h.wait.Do(ctx, inbound.VerificationCooldown{Context: s.origin(client.Device{}), Access: s.access})
	if err != nil {
		return nil, err
	}
	return api.VerificationCooldown200JSONResponse(cooldownOf(left)), nil
}

// cooldownOf rounds up: whoever waits that long need not wait again.
func cooldownOf(left inbound.Cooldown) api.Cooldown {
	return api.Cooldown{Remaining: int((time.Duration(left) + time.Second - 1) / time.Second)}
}
