package http

import (
	"context"
	"time"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
)

// challenges serves what asks for a second factor, and what answers it.
type challenges struct {
	speaker
	completeSignIn inbound.UseCase[inbound.CompleteSignIn, inbound.SignedIn]
	completeStepUp inbound.UseCase[inbound.CompleteStepUp, inbound.SteppedUp]
	recoverSignIn  inbound.UseCase[inbound.Recover, inbound.Recovered]
	mailCode       inbound.UseCase[inbound.MailCode, inbound.MailSent]
}

// CompleteLogin handles POST /api/auth/2fa/login (T1).
func (h challenges) CompleteLogin(ctx context.Context, r api.CompleteLoginRequestObject) (api.CompleteLoginResponseObject, error) {
	device, err := deviceIn(r.Body.Session, "session.")
	if err != nil {
		return nil, err
	}
	s := sceneOf(ctx)
	in, err := h.completeSignIn.Do(ctx, inbound.CompleteSignIn{
		Context: s.origin(device), Challenge: *s.challenge, Codes: inbound.Codes{TOTP: r.Body.Totp.Text, Email: r.Body.Email},
	})
	if err != nil {
		return nil, err
	}
	h.jar.clear(s.answer, twoFactorCookie)
	return api.CompleteLogin200JSONResponse(h.entered(ctx, in)), nil
}

// CompleteStepUp handles POST /api/auth/2fa/step-up (T2).
func (h challenges) CompleteStepUp(ctx context.Context, r api.CompleteStepUpRequestObject) (api.CompleteStepUpResponseObject, error) {
	s := sceneOf(ctx)
	up, err := h.completeStepUp.Do(ctx, inbound.CompleteStepUp{
		Context: s.origin(client.Device{}), Challenge: *s.challenge, Codes: inbound.Codes{TOTP: r.Body.Totp.Text, Email: r.Body.Email},
	})
	if err != nil {
		return nil, err
	}
	h.jar.clear(s.answer, twoFactorCookie)
	return api.CompleteStepUp200JSONResponse(h.steppedUp(ctx, up)), nil
}

// RecoverTotp handles POST /api/auth/2fa/totp/recover (T7).
func (h challenges) RecoverTotp(ctx context.Context, r api.RecoverTotpRequestObject) (api.RecoverTotpResponseObject, error) {
	device, err := deviceIn(r.Body.Session, "session.")
	if blank(r.Body.Code.Reveal()) {
		err = withBroken(err, "code", fault.RuleNotBlank)
	}
	if err != nil {
		return nil, err
	}
	s := sceneOf(ctx)
	in, err := h.recoverSignIn.Do(ctx, inbound.Recover{Context: s.origin(device), Challenge: *s.challenge, Code: r.Body.Code})
	if err != nil {
		return nil, err
	}
	h.jar.clear(s.answer, twoFactorCookie)
	signedIn, up := h.entered(ctx, in.SignedIn), h.steppedUp(ctx, in.StepUp)
	return api.RecoverTotp200JSONResponse{
		User: *signedIn.User, AccessToken: signedIn.AccessToken, RefreshToken: signedIn.RefreshToken, StepUpToken: up.StepUpToken,
	}, nil
}

// SendEmailCode handles POST /api/auth/2fa/email/send (T8).
func (h challenges) SendEmailCode(ctx context.Context, _ api.SendEmailCodeRequestObject) (api.SendEmailCodeResponseObject, error) {
	s := sceneOf(ctx)
	sent, err := h.mailCode.Do(ctx, inbound.MailCode{Context: s.origin(client.Device{}), To: s.about()})
	if err != nil {
		return nil, err
	}
	return api.SendEmailCode200JSONResponse{Cooldown: int(sent.Cooldown / time.Second)}, nil
}

// about is whom a request with an access token or a challenge is about.
func (s *scene) about() principal.ID {
	if s.challenge != nil && s.caller().IsNobody() {
		return s.challenge.Principal
	}
	return s.caller().PrincipalID
}
