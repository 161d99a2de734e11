// Package inbound declares what the outside world may ask of Gatehouse, one
// file per capability. Application answers it; driving adapters ask.
package inbound

import (
	"context"

	"gatehouse/domain/audit"
	"gatehouse/domain/client"
	"gatehouse/domain/session"
)

// UseCase is the shape of everything that can be asked: In is a command or a
// query, Out is its answer. What In promises and how it is refused stands in
// the comment of In's type. Failures every use case may have are not repeated
// there: DATABASE_FAILURE, DATABASE_ENCRYPTION_FAILURE, SERVICE_OVERLOADED.
//
// Implementations are safe for concurrent use. A fault in the error is an
// answer to the caller; any other error is a failure of ours.
type UseCase[In, Out any] interface {
	Do(ctx context.Context, in In) (Out, error)
}

// Func makes a function a [UseCase].
type Func[In, Out any] func(ctx context.Context, in In) (Out, error)

// Do calls f.
func (f Func[In, Out]) Do(ctx context.Context, in In) (Out, error) { return f(ctx, in) }

// Done is the answer of what has nothing to tell.
type Done struct{}

// Context is what every command knows about its origin.
type Context struct {
	Caller session.Caller // nobody where none is needed
	From   client.Info
	Locale string // canonical tag of the request, for the mails it causes

	Request string // id
}

// By says who asks, for the record.
func (c Context) By() session.Caller { return c.Caller }

// Via says where a command came from, for the record.
func (c Context) Via() audit.Origin {
	return audit.Origin{Network: c.From.Address.Network(), Request: c.Request}
}
