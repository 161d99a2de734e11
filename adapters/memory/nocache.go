package memory

import (
	"context"

	"gatehouse/ports/outbound"
)

var _ outbound.Revocations = NoCache{}

// NoCache is a [outbound.Revocations] for a service without a token cache:
// every check asks the database, so nobody needs to be told.
type NoCache struct{}

// Propagate returns nil.
func (NoCache) Propagate(context.Context, outbound.Revocation) error { return nil }
