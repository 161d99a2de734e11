package http

import (
	"context"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/passkey"
	"gatehouse/ports/inbound"
)

// proofs serves whoever comes in by a passkey.
type proofs struct {
	speaker
	beginSignIn    inbound.UseCase[inbound.BeginPasskeySignIn, passkey.Document]
	signIn         inbound.UseCase[inbound.SignInWithPasskey, inbound.SignedIn]
	beginSecond    inbound.UseCase[inbound.BeginPasskeySecond, passkey.Document]
	completeSignIn inbound.UseCase[inbound.CompleteSignInWithPasskey, inbound.SignedIn]
	completeStepUp inbound.UseCase[inbound.CompleteStepUpWithPasskey, inbound.SteppedUp]
	beginStepUp    inbound.UseCase[inbound.BeginPasskeyStepUp, passkey.Document]
	stepUp         inbound.UseCase[inbound.StepUpWithPasskey, inbound.SteppedUp]
}

// BeginPasskeyLogin handles POST /api/auth/passkeys/login/options (Y6).
func (h proofs) BeginPasskeyLogin(ctx context.Context, _ api.BeginPasskeyLoginRequestObject) (api.BeginPasskeyLoginResponseObject, error) {
	question, err := h.beginSignIn.Do(ctx, inbound.BeginPasskeySignIn{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.BeginPasskeyLogin200JSONResponse(optionsOf(question)), nil
}

// LoginWithPasskey handles POST /api/auth/passkeys/login (Y7).
func (h proofs) LoginWithPasskey(ctx context.Context, r api.LoginWithPasskeyRequestObject) (api.LoginWithPasskeyResponseObject, error) {
	device, err := deviceIn(r.Body.Session, "session.")
	if err != nil {
		return nil, err
	}
	in, err := h.signIn.Do(ctx, inbound.SignInWithPasskey{Context: sceneOf(ctx).origin(device), Answer: answerIn(r.Body.Credential)})
	if err != nil {
		return nil, err
	}
	return api.LoginWithPasskey200JSONResponse(h.entered(ctx, in)), nil
}

// BeginPasskeySecondFactor handles POST /api/auth/passkeys/2fa/options (Y8).
func (h proofs) BeginPasskeySecondFactor(ctx context.Context, _ api.BeginPasskeySecondFactorRequestObject) (api.BeginPasskeySecondFactorResponseObject, error) {
	s := sceneOf(ctx)
	question, err := h.beginSecond.Do(ctx, inbound.BeginPasskeySecond{Context: s.origin(client.Device{}), Challenge: *s.challenge})
	if err != nil {
		return nil, err
	}
	return api.BeginPasskeySecondFactor200JSONResponse(optionsOf(question)), nil
}

// CompleteLoginWithPasskey handles POST /api/auth/passkeys/2fa/login (Y9).
func (h proofs) CompleteLoginWithPasskey(ctx context.Context, r api.CompleteLoginWithPasskeyRequestObject) (api.CompleteLoginWithPasskeyResponseObject, error) {
	device, err := deviceIn(r.Body.Session, "session.")
	if err != nil {
		return nil, err
	}
	s := sceneOf(ctx)
	in, err := h.completeSignIn.Do(ctx, inbound.CompleteSignInWithPasskey{
		Context: s.origin(device), Challenge: *s.challenge, Answer: answerIn(r.Body.Credential),
	})
	if err != nil {
		return nil, err
	}
	h.jar.clear(s.answer, twoFactorCookie)
	return api.CompleteLoginWithPasskey200JSONResponse(h.entered(ctx, in)), nil
}

// CompleteStepUpWithPasskey handles POST /api/auth/passkeys/2fa/step-up (Y10).
func (h proofs) CompleteStepUpWithPasskey(ctx context.Context, r api.CompleteStepUpWithPasskeyRequestObject) (api.CompleteStepUpWithPasskeyResponseObject, error) {
	s := sceneOf(ctx)
	up, err := h.completeStepUp.Do(ctx, inbound.CompleteStepUpWithPasskey{
		Context: s.origin(client.Device{}), Challenge: *s.challenge, Answer: answerIn(r.Body.Credential),
	})
	if err != nil {
		return nil, err
	}
	h.jar.clear(s.answer, twoFactorCookie)
	return api.CompleteStepUpWithPasskey200JSONResponse(h.steppedUp(ctx, up)), nil
}

// BeginPasskeyStepUp handles POST /api/auth/passkeys/step-up/options (Y11).
func (h proofs) BeginPasskeyStepUp(ctx context.Context, _ api.BeginPasskeyStepUpRequestObject) (api.BeginPasskeyStepUpResponseObject, error) {
	question, err := h.beginStepUp.Do(ctx, inbound.BeginPasskeyStepUp{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.BeginPasskeyStepUp200JSONResponse(optionsOf(question)), nil
}

// StepUpWithPasskey handles POST /api/auth/passkeys/step-up (Y12).
func (h proofs) StepUpWithPasskey(ctx context.Context, r api.StepUpWithPasskeyRequestObject) (api.StepUpWithPasskeyResponseObject, error) {
	up, err := h.stepUp.Do(ctx, inbound.StepUpWithPasskey{
		Context: sceneOf(ctx).origin(client.Device{}), Answer: answerIn(r.Body.Credential),
	})
	if err != nil {
		return nil, err
	}
	return api.StepUpWithPasskey200JSONResponse(h.steppedUp(ctx, up)), nil
}

func answerIn(credential api.Object) passkey.Document { return passkey.Document(credential.RawMessage) }
