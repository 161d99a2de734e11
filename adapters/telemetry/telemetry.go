// Package telemetry implements outbound.AuditLog and outbound.Observer with log
// lines. It owns their words and levels; metrics are another adapter of the
// same shape, and where lines go is decided by whoever makes the logger.
package telemetry

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
)

var (
	_ outbound.Observer = Log{}
	_ outbound.AuditLog = Log{}
)

// Log is an observer and an audit log.
type Log struct {
	To  *slog.Logger
	Now func() time.Time
}

// Begin implements [outbound.Observer]. A failure is logged by whoever answers
// it; here it is only an outcome.
func (l Log) Begin(ctx context.Context, useCase string) (context.Context, func(error)) {
	began := l.Now()
	return ctx, func(err error) {
		l.To.DebugContext(ctx, "use case", "name", useCase, "ms", l.Now().Sub(began).Milliseconds(), "outcome", outcome(fault.CodeOf(err)))
	}
}

// Record implements [outbound.AuditLog].
func (l Log) Record(ctx context.Context, e audit.Entry) {
	e = e.Storable() // it may name what somebody typed
	l.To.InfoContext(ctx, "audit", "at", e.At, "command", e.Command,
		"principal", string(e.Principal), "session", string(e.Session), "target", string(e.Target.Principal), "thing", e.Target.Thing,
		"network", e.Network, "outcome", outcome(e.Outcome))
}

func outcome(c fault.Code) string {
	if c == "" {
		return "done"
	}
	return string(c)
}
