package http

import (
	"context"
	"time"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/ports/inbound"
)

// self serves the caller's own account.
type self struct {
	jar    jar
	whoAmI inbound.UseCase[inbound.WhoAmI, inbound.Self]
	update inbound.UseCase[inbound.UpdateSelf, inbound.Self]
	delete inbound.UseCase[inbound.DeleteSelf, inbound.Done]
	move   inbound.UseCase[inbound.ChangeEmail, inbound.EmailChange]
	change inbound.UseCase[inbound.ChangePassword, inbound.Self]
}

// GetSelf handles GET /api/users/me (P1).
func (h self) GetSelf(ctx context.Context, _ api.GetSelfRequestObject) (api.GetSelfResponseObject, error) {
	s := sceneOf(ctx)
	p, err := h.whoAmI.Do(ctx, inbound.WhoAmI{Context: s.origin(client.Device{}), Access: s.access})
	if err != nil {
		return nil, err
	}
	return api.GetSelf200JSONResponse(principalOf(ctx, p)), nil
}

// UpdateSelf handles PUT /api/users/me (P2).
func (h self) UpdateSelf(ctx context.Context, r api.UpdateSelfRequestObject) (api.UpdateSelfResponseObject, error) {
	p, err := h.update.Do(ctx, inbound.UpdateSelf{Context: sceneOf(ctx).origin(client.Device{}), Name: r.Body.Name})
	if err != nil {
		return nil, err
	}
	return api.UpdateSelf200JSONResponse(principalOf(ctx, p)), nil
}

// DeleteSelf handles DELETE /api/users/me (P3).
func (h self) DeleteSelf(ctx context.Context, _ api.DeleteSelfRequestObject) (api.DeleteSelfResponseObject, error) {
	s := sceneOf(ctx)
	_, err := h.delete.Do(ctx, inbound.DeleteSelf{Context: s.origin(client.Device{})})
	if stands(err) {
		h.jar.clearAll(s.answer)
	}
	if err != nil {
		return nil, err
	}
	return api.DeleteSelf200JSONResponse{Success: true}, nil
}

// ChangeEmail handles PUT /api/users/me/email (P4).
func (h self) ChangeEmail(ctx context.Context, r api.ChangeEmailRequestObject) (api.ChangeEmailResponseObject, error) {
	c, err := h.move.Do(ctx, inbound.ChangeEmail{Context: sceneOf(ctx).origin(client.Device{}), NewEmail: r.Body.NewEmail})
	if err != nil {
		return nil, err
	}
	return api.ChangeEmail200JSONResponse{VerificationRequired: c.VerificationRequired, Cooldown: int(c.Cooldown / time.Second)}, nil
}

// ChangePassword handles PUT /api/users/me/password (P5).
func (h self) ChangePassword(ctx context.Context, r api.ChangePasswordRequestObject) (api.ChangePasswordResponseObject, error) {
	p, err := h.change.Do(ctx, inbound.ChangePassword{
		Context: sceneOf(ctx).origin(client.Device{}), Old: r.Body.OldPassword, New: r.Body.NewPassword,
	})
	if err != nil {
		return nil, err
	}
	return api.ChangePassword200JSONResponse(principalOf(ctx, p)), nil
}
