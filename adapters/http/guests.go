package http

import (
	"context"

	"gatehouse/adapters/http/api"
	"gatehouse/ports/inbound"
)

// guests serves accounts without an address.
type guests struct {
	speaker
	create  inbound.UseCase[inbound.CreateGuest, inbound.SignedIn]
	convert inbound.UseCase[inbound.ConvertGuest, inbound.SignedIn]
}

// CreateGuest handles POST /api/guests (G1).
func (h guests) CreateGuest(ctx context.Context, r api.CreateGuestRequestObject) (api.CreateGuestResponseObject, error) {
	device, err := deviceIn(r.Body.Session, "session.")
	if err != nil {
		return nil, err
	}
	in, err := h.create.Do(ctx, inbound.CreateGuest{Context: sceneOf(ctx).origin(device), Name: r.Body.Name})
	if err != nil {
		return nil, err
	}
	access, refresh := h.tokens(ctx, in.Tokens)
	return api.CreateGuest200JSONResponse{
		User: principalOf(ctx, in.Principal), AccessToken: access, RefreshToken: refresh, Location: locationOf(in.Location),
	}, nil
}

// ConvertGuest handles POST /api/guests/convert-to-user (G2).
func (h guests) ConvertGuest(ctx context.Context, r api.ConvertGuestRequestObject) (api.ConvertGuestResponseObject, error) {
	device, err := deviceIn(r.Body.Session, "session.")
	if err != nil {
		return nil, err
	}
	s := sceneOf(ctx)
	s.agent = "" // what is not stated keeps its stored value
	in, err := h.convert.Do(ctx, inbound.ConvertGuest{Context: s.origin(device), Email: r.Body.Email, Password: r.Body.Password})
	if !stands(err) {
		return nil, err
	}
	access, refresh := h.tokens(ctx, in.Tokens) // the old ones are worth nothing any more
	if err != nil {
		return nil, err
	}
	return api.ConvertGuest200JSONResponse{
		User: principalOf(ctx, in.Principal), AccessToken: access, RefreshToken: refresh, Location: locationOf(in.Location),
	}, nil
}
