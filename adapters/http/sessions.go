package http

import (
	"context"
	"strings"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

// sessions serves where the caller is signed in.
type sessions struct {
	speaker
	list   inbound.UseCase[inbound.ListSessions, inbound.Sessions]
	token  inbound.UseCase[inbound.CreateSessionToken, inbound.SessionToken]
	end    inbound.UseCase[inbound.EndSession, inbound.Sessions]
	endAll inbound.UseCase[inbound.EndAllSessions, inbound.Done]
}

// ListSessions handles GET /api/users/me/sessions (S1).
func (h sessions) ListSessions(ctx context.Context, _ api.ListSessionsRequestObject) (api.ListSessionsResponseObject, error) {
	all, err := h.list.Do(ctx, inbound.ListSessions{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.ListSessions200JSONResponse(sessionsOf(ctx, all)), nil
}

// CreateSessionToken handles POST /api/users/me/sessions/token (S2).
func (h sessions) CreateSessionToken(ctx context.Context, r api.CreateSessionTokenRequestObject) (api.CreateSessionTokenResponseObject, error) {
	device, err := deviceIn(r.Body, "")
	if err != nil {
		return nil, err
	}
	s := sceneOf(ctx)
	made, err := h.token.Do(ctx, inbound.CreateSessionToken{Context: s.origin(device)})
	if err != nil {
		return nil, err
	}
	h.jar.set(s.answer, sessionCookie, made.Token, made.ExpiresAt, h.now())
	return api.CreateSessionToken200JSONResponse{Token: h.repeat(made.Token)}, nil
}

// EndSession handles DELETE /api/users/me/sessions/{sessionId} (S3).
func (h sessions) EndSession(ctx context.Context, r api.EndSessionRequestObject) (api.EndSessionResponseObject, error) {
	s, id := sceneOf(ctx), session.ID(strings.ToLower(r.SessionId))
	left, err := h.end.Do(ctx, inbound.EndSession{Context: s.origin(client.Device{}), SessionID: id})
	if id == s.caller().SessionID && stands(err) {
		h.jar.clearAll(s.answer)
	}
	if err != nil {
		return nil, err
	}
	return api.EndSession200JSONResponse(sessionsOf(ctx, left)), nil
}

// EndAllSessions handles DELETE /api/users/me/sessions (S4).
func (h sessions) EndAllSessions(ctx context.Context, _ api.EndAllSessionsRequestObject) (api.EndAllSessionsResponseObject, error) {
	s := sceneOf(ctx)
	_, err := h.endAll.Do(ctx, inbound.EndAllSessions{Context: s.origin(client.Device{})})
	if stands(err) {
		h.jar.clearAll(s.answer)
	}
	if err != nil {
		return nil, err
	}
	return api.EndAllSessions200JSONResponse{Success: true}, nil
}

func sessionsOf(ctx context.Context, all inbound.Sessions) api.Array[api.SessionInfo] {
	current := sceneOf(ctx).caller().SessionID
	list := make(api.List[api.SessionInfo], 0, len(all))
	for _, s := range all {
		list = append(list, api.SessionInfo{
			Id: string(s.ID), Current: s.ID == current, Browser: orNull(s.Client.Device.Browser), Os: orNull(s.Client.Device.OS),
			IpAddress: s.Client.Address.String(), Location: locationOf(s.Client.Location), Amr: s.Proven.AMR(),
			CreatedAt: api.Instant(s.StartedAt), LastActive: api.Instant(s.LastActive), ExpiresAt: api.Instant(s.ExpiresAt),
		})
	}
	return api.Array[api.SessionInfo]{List: list}
}
