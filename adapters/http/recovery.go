package http

import (
	"context"
	"time"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/ports/inbound"
)

// recovery serves who has forgotten a password. It takes no token but the
// mailed one, and leaves the cookies of the caller alone: they may be another
// account's.
type recovery struct {
	request inbound.UseCase[inbound.RequestPasswordReset, inbound.ResetRequested]
	rest    inbound.UseCase[inbound.PasswordResetCooldown, inbound.Cooldown]
	reset   inbound.UseCase[inbound.ResetPassword, inbound.PasswordReset]
}

// RequestPasswordReset handles POST /api/auth/password/reset-request (A12).
func (h recovery) RequestPasswordReset(ctx context.Context, r api.RequestPasswordResetRequestObject) (api.RequestPasswordResetResponseObject, error) {
	sent, err := h.request.Do(ctx, inbound.RequestPasswordReset{Context: sceneOf(ctx).origin(client.Device{}), Email: r.Body.Email})
	if err != nil {
		return nil, err
	}
	return api.RequestPasswordReset200JSONResponse{Cooldown: int(sent.Cooldown / time.Second)}, nil
}

// PasswordResetCooldown handles GET /api/auth/password/reset/cooldown (A11).
func (h recovery) PasswordResetCooldown(ctx context.Context, r api.PasswordResetCooldownRequestObject) (api.PasswordResetCooldownResponseObject, error) {
	left, err := h.rest.Do(ctx, inbound.PasswordResetCooldown{Email: r.Params.Email})
	if err != nil {
		return nil, err
	}
	return api.PasswordResetCooldown200JSONResponse(cooldownOf(left)), nil
}

// ResetPassword handles POST /api/auth/password/reset (A10). The token of the
// body counts more than that of the query.
func (h recovery) ResetPassword(ctx context.Context, r api.ResetPasswordRequestObject) (api.ResetPasswordResponseObject, error) {
	token := r.Params.Token.Text
	if !r.Body.Token.Missing() {
		token = r.Body.Token
	}
	_, err := h.reset.Do(ctx, inbound.ResetPassword{Context: sceneOf(ctx).origin(client.Device{}), Token: token, New: r.Body.NewPassword})
	if err != nil {
		return nil, err
	}
	return api.ResetPassword200JSONResponse{Success: true}, nil
}
