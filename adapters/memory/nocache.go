package memory

import (
	"context"
	"time"

	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

var _ outbound.Marks = NoCache{}

// NoCache is an [outbound.Marks] that remembers nothing: every check asks the
// database, so nobody needs to be told of revocations.
type NoCache struct{}

// Announce does nothing.
func (NoCache) Announce(context.Context, outbound.Revocation) {}

// Propagate returns nil.
func (NoCache) Propagate(context.Context, outbound.Revocation) error { return nil }

// Recall recalls nothing.
func (NoCache) Recall(context.Context, principal.ID, session.ID, time.Time) (none outbound.Mark, _ outbound.Ticket, _ bool) {
	return none, outbound.Ticket{}, false
}

// Remember does nothing.
func (NoCache) Remember(context.Context, outbound.Ticket, outbound.Mark) {}
