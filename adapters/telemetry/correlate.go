package telemetry

import (
	"context"
	"log/slog"
)

const requestID = "requestId"

// Correlate returns a handler that adds to every line the id of the request it
// was written for, as idOf finds it in the context, unless the line has one.
// idOf returns "" outside of requests.
func Correlate(next slog.Handler, idOf func(context.Context) string) slog.Handler {
	return correlated{next, idOf}
}

type correlated struct {
	slog.Handler
	idOf func(context.Context) string
}

// Handle implements [slog.Handler].
func (c correlated) Handle(ctx context.Context, r slog.Record) error {
	id := c.idOf(ctx)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == requestID {
			id = ""
		}
		return id != ""
	})
	if id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String(requestID, id))
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (c correlated) WithAttrs(attrs []slog.Attr) slog.Handler {
	return correlated{c.Handler.WithAttrs(attrs), c.idOf}
}

// WithGroup implements [slog.Handler].
func (c correlated) WithGroup(name string) slog.Handler {
	return correlated{c.Handler.WithGroup(name), c.idOf}
}
