package keys

import (
	"context"
	"errors"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

var _ outbound.KeyWrapper = Handover{}

// Handover is an [outbound.KeyWrapper] while one wrapping key takes over from
// another: it wraps under the one, and opens what is under either.
type Handover struct{ To, From outbound.KeyWrapper }

// Wrap implements [outbound.KeyWrapper].
func (h Handover) Wrap(ctx context.Context, k key.Key, m key.Material) (key.Wrapped, error) {
	return h.To.Wrap(ctx, k, m)
}

// Unwrap implements [outbound.KeyWrapper].
func (h Handover) Unwrap(ctx context.Context, w key.Wrapped) (key.Material, error) {
	m, err := h.To.Unwrap(ctx, w)
	if err == nil {
		return m, nil
	}
	m, before := h.From.Unwrap(ctx, w)
	if before == nil {
		return m, nil
	}
	return key.Material{}, errors.Join(err, before)
}

// Rewrap implements [outbound.KeyWrapper].
func (h Handover) Rewrap(ctx context.Context, w key.Wrapped) (key.Wrapped, error) {
	anew, err := h.To.Rewrap(ctx, w)
	if err == nil {
		return anew, nil
	}
	m, before := h.From.Unwrap(ctx, w)
	if before != nil {
		return key.Wrapped{}, errors.Join(err, before)
	}
	return h.To.Wrap(ctx, w.Key, m)
}
