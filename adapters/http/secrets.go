package http

import (
	"context"
	"time"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/ports/inbound"
)

// secrets serves the exchange of the service's keys.
type secrets struct {
	rotate inbound.UseCase[inbound.RotateKeys, inbound.Done]
	status inbound.UseCase[inbound.RotationStatus, inbound.RotationReport]
}

// RotateKeys handles POST /api/security/secrets/rotate-keys (K1).
func (h secrets) RotateKeys(ctx context.Context, _ api.RotateKeysRequestObject) (api.RotateKeysResponseObject, error) {
	if _, err := h.rotate.Do(ctx, inbound.RotateKeys{Context: sceneOf(ctx).origin(client.Device{})}); err != nil {
		return nil, err
	}
	return api.RotateKeys200JSONResponse{Success: true}, nil
}

// GetRotationStatus handles GET /api/security/secrets/rotate-keys/status (K2).
func (h secrets) GetRotationStatus(ctx context.Context, _ api.GetRotationStatusRequestObject) (api.GetRotationStatusResponseObject, error) {
	r, err := h.status.Do(ctx, inbound.RotationStatus{})
	if err != nil {
		return nil, err
	}
	out := api.RotationStatus{Running: r.Running(), StartedAt: instantOrNull(r.StartedAt), FinishedAt: instantOrNull(r.FinishedAt)}
	for _, s := range r.Steps {
		out.Steps = append(out.Steps, api.RotationStep{Name: string(s.Name), Processed: s.Processed, Total: s.Total, Failed: s.Failed})
	}
	return api.GetRotationStatus200JSONResponse(out), nil
}

func instantOrNull(t time.Time) *api.Instant {
	if t.IsZero() {
		return nil
	}
	return new(api.Instant(t))
}
