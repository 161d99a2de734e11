package http

import (
	"context"
	"strings"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
)

// users serves the accounts of others.
type users struct {
	jar     jar
	find    inbound.UseCase[inbound.FindUsers, inbound.UserPage]
	view    inbound.UseCase[inbound.ViewUser, inbound.Overview]
	delete  inbound.UseCase[inbound.DeleteAccount, inbound.Done]
	disable inbound.UseCase[inbound.DisableAccount, inbound.Self]
	enable  inbound.UseCase[inbound.EnableAccount, inbound.Self]
}

// idOf returns the id in a path, which may be spelled in any case.
func idOf(path string) principal.ID { return principal.ID(strings.ToLower(path)) }

// ListUsers handles GET /api/users (U1).
func (h users) ListUsers(ctx context.Context, r api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	f, err := filterOf(r.Params)
	if err != nil {
		return nil, err
	}
	all, err := h.find.Do(ctx, inbound.FindUsers{
		Context: sceneOf(ctx).origin(client.Device{}), Filter: f,
		Page: pageOf(r.Params.Page, r.Params.Size, r.Params.Sort, page.Sort{By: "createdAt"}),
	})
	if err != nil {
		return nil, err
	}
	out := api.ListUsers200JSONResponse{Page: pageInfoOf(all.Page)}
	for _, o := range all.Content {
		out.Content = append(out.Content, overviewOf(ctx, o))
	}
	return out, nil
}

// GetUser handles GET /api/users/{id} (U2).
func (h users) GetUser(ctx context.Context, r api.GetUserRequestObject) (api.GetUserResponseObject, error) {
	o, err := h.view.Do(ctx, inbound.ViewUser{Context: sceneOf(ctx).origin(client.Device{}), ID: idOf(r.Id)})
	if err != nil {
		return nil, err
	}
	return api.GetUser200JSONResponse(overviewOf(ctx, o)), nil
}

func overviewOf(ctx context.Context, o inbound.Overview) api.PrincipalOverview {
	return api.PrincipalOverview{Id: string(o.ID), Name: o.Name, Avatar: avatarOf(ctx, o.Avatar), Roles: rolesOf(o.Roles), Disabled: o.Disabled}
}

// DeleteUser handles DELETE /api/users/{id} (U3).
func (h users) DeleteUser(ctx context.Context, r api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	s, id := sceneOf(ctx), idOf(r.Id)
	_, err := h.delete.Do(ctx, inbound.DeleteAccount{Context: s.origin(client.Device{}), ID: id})
	if id == s.caller().PrincipalID && stands(err) {
		h.jar.clearAll(s.answer)
	}
	if err != nil {
		return nil, err
	}
	return api.DeleteUser200JSONResponse{Success: true}, nil
}

// DisableUser handles POST /api/users/{id}/disable (U4).
func (h users) DisableUser(ctx context.Context, r api.DisableUserRequestObject) (api.DisableUserResponseObject, error) {
	p, err := h.disable.Do(ctx, inbound.DisableAccount{Context: sceneOf(ctx).origin(client.Device{}), ID: idOf(r.Id)})
	if err != nil {
		return nil, err
	}
	return api.DisableUser200JSONResponse(principalOf(ctx, p)), nil
}

// EnableUser handles POST /api/users/{id}/enable (U5).
func (h users) EnableUser(ctx context.Context, r api.EnableUserRequestObject) (api.EnableUserResponseObject, error) {
	p, err := h.enable.Do(ctx, inbound.EnableAccount{Context: sceneOf(ctx).origin(client.Device{}), ID: idOf(r.Id)})
	if err != nil {
		return nil, err
	}
	return api.EnableUser200JSONResponse(principalOf(ctx, p)), nil
}
