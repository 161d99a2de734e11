package account

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

// LeaksDeps are what [Leaks] work with. All are required.
type LeaksDeps struct {
	Known    outbound.Breaches
	Required bool // a password nobody can tell anything about must not be set
	Watch    outbound.Observer
	Log      *slog.Logger
}

// Leaks keeps passwords from being set that have leaked somewhere. It is asked
// last, when everything is right that can be told without it, and outside of
// transactions. The zero Leaks knows of none.
type Leaks struct{ d LeaksDeps }

// NewLeaks returns Leaks.
func NewLeaks(d LeaksDeps) Leaks { return Leaks{d} }

// unknownRetry is when it makes sense to ask again who could not tell.
const unknownRetry = 30 * time.Second

// Refuse refuses a password that has leaked with INVALID_REQUEST on field. If
// that cannot be told it lets it pass, or refuses with SERVICE_OVERLOADED where
// an answer is required.
func (l Leaks) Refuse(ctx context.Context, field string, p password.Plain) error {
	leaked, err := l.ask(ctx, p)
	switch {
	case leaked:
		return fault.Invalid(field, fault.RuleBreached)
	case err != nil && l.d.Required:
		return fault.New(fault.ServiceOverloaded).RetryIn(unknownRetry).Because(err)
	}
	return nil
}

// Know says whether a password has leaked, and no if that cannot be told.
func (l Leaks) Know(ctx context.Context, p password.Plain) bool {
	leaked, _ := l.ask(ctx, p) // it is logged
	return leaked
}

// checkBreach is how observers call what is asked.
const checkBreach = "CheckBreach"

func (l Leaks) ask(ctx context.Context, p password.Plain) (leaked bool, err error) {
	if l.d.Known == nil {
		return false, nil
	}
	ctx, end := l.d.Watch.Begin(ctx, checkBreach)
	leaked, err = l.d.Known.Breached(ctx, p)
	switch {
	case err != nil:
		l.d.Log.WarnContext(ctx, "cannot tell whether a password has leaked", "err", err)
		end(fault.New(fault.ServiceOverloaded).Because(err))
	case leaked:
		end(fault.New(fault.InvalidRequest))
	default:
		end(nil)
	}
	return leaked, err
}
