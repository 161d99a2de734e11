package http

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/passkey"
	"gatehouse/ports/inbound"
)

// passkeys serves the caller's passkeys.
type passkeys struct {
	begin  inbound.UseCase[inbound.BeginPasskey, passkey.Document]
	add    inbound.UseCase[inbound.AddPasskey, passkey.Passkey]
	list   inbound.UseCase[inbound.ListPasskeys, inbound.Passkeys]
	rename inbound.UseCase[inbound.RenamePasskey, passkey.Passkey]
	delete inbound.UseCase[inbound.DeletePasskey, inbound.Passkeys]
}

// BeginPasskey handles POST /api/users/me/passkeys/options (Y1).
func (h passkeys) BeginPasskey(ctx context.Context, _ api.BeginPasskeyRequestObject) (api.BeginPasskeyResponseObject, error) {
	question, err := h.begin.Do(ctx, inbound.BeginPasskey{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.BeginPasskey200JSONResponse(optionsOf(question)), nil
}

// AddPasskey handles POST /api/users/me/passkeys (Y2).
func (h passkeys) AddPasskey(ctx context.Context, r api.AddPasskeyRequestObject) (api.AddPasskeyResponseObject, error) {
	p, err := h.add.Do(ctx, inbound.AddPasskey{
		Context: sceneOf(ctx).origin(client.Device{}), Name: r.Body.Name, Answer: answerIn(r.Body.Credential),
	})
	if err != nil {
		return nil, err
	}
	return api.AddPasskey200JSONResponse(passkeyOf(p)), nil
}

// ListPasskeys handles GET /api/users/me/passkeys (Y3).
func (h passkeys) ListPasskeys(ctx context.Context, _ api.ListPasskeysRequestObject) (api.ListPasskeysResponseObject, error) {
	all, err := h.list.Do(ctx, inbound.ListPasskeys{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.ListPasskeys200JSONResponse(passkeysOf(all)), nil
}

// RenamePasskey handles PUT /api/users/me/passkeys/{passkeyId} (Y4).
func (h passkeys) RenamePasskey(ctx context.Context, r api.RenamePasskeyRequestObject) (api.RenamePasskeyResponseObject, error) {
	p, err := h.rename.Do(ctx, inbound.RenamePasskey{
		Context: sceneOf(ctx).origin(client.Device{}), ID: passkey.ID(strings.ToLower(r.PasskeyId)), Name: r.Body.Name,
	})
	if err != nil {
		return nil, err
	}
	return api.RenamePasskey200JSONResponse(passkeyOf(p)), nil
}

// DeletePasskey handles DELETE /api/users/me/passkeys/{passkeyId} (Y5).
func (h passkeys) DeletePasskey(ctx context.Context, r api.DeletePasskeyRequestObject) (api.DeletePasskeyResponseObject, error) {
	rest, err := h.delete.Do(ctx, inbound.DeletePasskey{
		Context: sceneOf(ctx).origin(client.Device{}), ID: passkey.ID(strings.ToLower(r.PasskeyId)),
	})
	if err != nil {
		return nil, err
	}
	return api.DeletePasskey200JSONResponse(passkeysOf(rest)), nil
}

func optionsOf(question passkey.Document) api.PasskeyOptions {
	return api.PasskeyOptions{PublicKey: api.Object{RawMessage: json.RawMessage(question)}}
}

func passkeysOf(all inbound.Passkeys) (list api.Array[api.PasskeyResponse]) {
	for _, p := range all {
		list.List = append(list.List, passkeyOf(p))
	}
	return list
}

func passkeyOf(p passkey.Passkey) api.PasskeyResponse {
	out := api.PasskeyResponse{
		Id: string(p.ID), Name: p.Name, CredentialId: base64.RawURLEncoding.EncodeToString(p.Credential), Aaguid: uuidOf(p.AAGUID),
		Transports: p.Transports, BackupEligible: p.BackupEligible, BackedUp: p.BackedUp, CreatedAt: api.Instant(p.CreatedAt),
	}
	if !p.LastUsed.IsZero() {
		out.LastUsed = new(api.Instant(p.LastUsed))
	}
	return out
}

// uuidOf writes 16 bytes as UUIDs are written (RFC 9562 §4).
func uuidOf(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
