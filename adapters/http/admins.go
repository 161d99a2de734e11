package http

import (
	"context"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/ports/inbound"
)

// admins serves the role ADMIN.
type admins struct {
	grant  inbound.UseCase[inbound.GrantAdmin, inbound.Self]
	revoke inbound.UseCase[inbound.RevokeAdmin, inbound.Self]
}

// GrantAdmin handles POST /api/admins/{userId} (D1).
func (h admins) GrantAdmin(ctx context.Context, r api.GrantAdminRequestObject) (api.GrantAdminResponseObject, error) {
	p, err := h.grant.Do(ctx, inbound.GrantAdmin{Context: sceneOf(ctx).origin(client.Device{}), ID: idOf(r.UserId)})
	if err != nil {
		return nil, err
	}
	return api.GrantAdmin200JSONResponse(principalOf(ctx, p)), nil
}

// RevokeAdmin handles DELETE /api/admins/{userId} (D2).
func (h admins) RevokeAdmin(ctx context.Context, r api.RevokeAdminRequestObject) (api.RevokeAdminResponseObject, error) {
	p, err := h.revoke.Do(ctx, inbound.RevokeAdmin{Context: sceneOf(ctx).origin(client.Device{}), ID: idOf(r.UserId)})
	if err != nil {
		return nil, err
	}
	return api.RevokeAdmin200JSONResponse(principalOf(ctx, p)), nil
}
