package http

import (
	"context"
	"strings"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
)

// groups serves groups and who is in them.
type groups struct {
	create inbound.UseCase[inbound.CreateGroup, group.Delivered]
	list   inbound.UseCase[inbound.ListGroups, inbound.GroupPage]
	show   inbound.UseCase[inbound.ShowGroup, group.Delivered]
	update inbound.UseCase[inbound.UpdateGroup, group.Delivered]
	remove inbound.UseCase[inbound.DeleteGroup, inbound.Done]
	join   inbound.UseCase[inbound.AddMember, inbound.Member]
	leave  inbound.UseCase[inbound.RemoveMember, inbound.Member]
}

// CreateGroup handles POST /api/groups (R1).
func (h groups) CreateGroup(ctx context.Context, r api.CreateGroupRequestObject) (api.CreateGroupResponseObject, error) {
	g, err := h.create.Do(ctx, inbound.CreateGroup{
		Context: sceneOf(ctx).origin(client.Device{}), Key: r.Body.Key, Texts: textsIn(r.Body.Translations),
	})
	if err != nil {
		return nil, err
	}
	return api.CreateGroup200JSONResponse(groupOf(g)), nil
}

// ListGroups handles GET /api/groups (R2).
func (h groups) ListGroups(ctx context.Context, r api.ListGroupsRequestObject) (api.ListGroupsResponseObject, error) {
	all, err := h.list.Do(ctx, inbound.ListGroups{
		Context: sceneOf(ctx).origin(client.Device{}),
		Page:    pageOf(r.Params.Page, r.Params.Size, r.Params.Sort, page.Sort{By: "key"}),
	})
	if err != nil {
		return nil, err
	}
	out := api.ListGroups200JSONResponse{Page: pageInfoOf(all.Page)}
	for _, g := range all.Content {
		out.Content = append(out.Content, groupOf(g))
	}
	return out, nil
}

// GetGroup handles GET /api/groups/{key} (R3).
func (h groups) GetGroup(ctx context.Context, r api.GetGroupRequestObject) (api.GetGroupResponseObject, error) {
	g, err := h.show.Do(ctx, inbound.ShowGroup{Context: sceneOf(ctx).origin(client.Device{}), Key: r.Key})
	if err != nil {
		return nil, err
	}
	return api.GetGroup200JSONResponse(groupOf(g)), nil
}

// UpdateGroup handles PUT /api/groups/{key} (R4).
func (h groups) UpdateGroup(ctx context.Context, r api.UpdateGroupRequestObject) (api.UpdateGroupResponseObject, error) {
	g, err := h.update.Do(ctx, inbound.UpdateGroup{
		Context: sceneOf(ctx).origin(client.Device{}), Key: r.Key,
		Without: r.Body.TranslationsToDelete, Texts: textsIn(r.Body.Translations),
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateGroup200JSONResponse(groupOf(g)), nil
}

// DeleteGroup handles DELETE /api/groups/{key} (R5).
func (h groups) DeleteGroup(ctx context.Context, r api.DeleteGroupRequestObject) (api.DeleteGroupResponseObject, error) {
	if _, err := h.remove.Do(ctx, inbound.DeleteGroup{Context: sceneOf(ctx).origin(client.Device{}), Key: r.Key}); err != nil {
		return nil, err
	}
	return api.DeleteGroup200JSONResponse{Success: true}, nil
}

// AddMember handles POST /api/groups/{groupKey}/members/{userId} (R6).
func (h groups) AddMember(ctx context.Context, r api.AddMemberRequestObject) (api.AddMemberResponseObject, error) {
	p, err := h.join.Do(ctx, inbound.AddMember{
		Context: sceneOf(ctx).origin(client.Device{}), Group: r.GroupKey, User: principalIn(r.UserId),
	})
	if err != nil {
		return nil, err
	}
	return api.AddMember200JSONResponse(principalOf(ctx, p)), nil
}

// RemoveMember handles DELETE /api/groups/{groupKey}/members/{userId} (R7).
func (h groups) RemoveMember(ctx context.Context, r api.RemoveMemberRequestObject) (api.RemoveMemberResponseObject, error) {
	p, err := h.leave.Do(ctx, inbound.RemoveMember{
		Context: sceneOf(ctx).origin(client.Device{}), Group: r.GroupKey, User: principalIn(r.UserId),
	})
	if err != nil {
		return nil, err
	}
	return api.RemoveMember200JSONResponse(principalOf(ctx, p)), nil
}

// principalIn is the id in a path, which may be in capitals.
func principalIn(id string) principal.ID { return principal.ID(strings.ToLower(id)) }

func textsIn(translations map[string]api.GroupTranslation) group.Texts {
	texts := group.Texts{}
	for tag, t := range translations {
		text := group.Text{Name: t.Name}
		if t.Description != nil {
			text.Description = *t.Description
		}
		texts[tag] = text
	}
	return texts
}

func groupOf(g group.Delivered) api.GroupResponse {
	return api.GroupResponse{Key: g.Key, Locale: g.Locale, Name: g.Name, Description: g.Description}
}
