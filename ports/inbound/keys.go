package inbound

import (
	"gatehouse/domain/audit"
	"gatehouse/domain/key"
)

// RotateKeys asks for new keys of every purpose (contract K1). They are made in
// the background; tokens signed before stay good until their end, and look-ups
// by address work throughout. It is refused with SECRET_ROTATION_ONGOING while
// any process does that already.
type RotateKeys struct{ Context }

// RotationStatus asks how far the exchange of keys is that runs or ran last
// (contract K2). Every replica answers the same.
type RotationStatus struct{}

// RotationReport is the answer to [RotationStatus], zero before the first one.
type RotationReport struct{ key.Rotation }

// KillKey asks that a signing key is forgotten at once, with every token it
// signed, because it may be known to others. If it was the current one, the
// next one signs from now on, however short it has been published.
type KillKey struct {
	Operator
	ID string
}

// Aim says which key it is, for the record.
func (c KillKey) Aim() audit.Target { return audit.Target{Thing: c.ID} }
