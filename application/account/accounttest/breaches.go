package accounttest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"

	"gatehouse/application/account"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

var _ outbound.Breaches = (*Breaches)(nil)

// Breaches knows what leaked. Its zero value knows nothing.
type Breaches struct {
	Leaked []string
	Fails  error       // it cannot tell
	Busy   func() bool // inside a transaction, where nobody may ask; nil is never

	asked atomic.Int32
}

// Breached implements [outbound.Breaches].
func (b *Breaches) Breached(_ context.Context, p password.Plain) (bool, error) {
	b.asked.Add(1)
	if b.Busy != nil && b.Busy() {
		return false, errors.New("asked inside a transaction")
	}
	return b.Fails == nil && slices.Contains(b.Leaked, p.Reveal()), b.Fails
}

// Asked is how often it was asked.
func (b *Breaches) Asked() int { return int(b.asked.Load()) }

// Leaks are those that b knows, and nobody watches.
func (b *Breaches) Leaks(required bool) account.Leaks {
	return account.NewLeaks(account.LeaksDeps{Known: b, Required: required, Watch: nobody{}, Log: slog.New(slog.DiscardHandler)})
}

type nobody struct{}

func (nobody) Begin(ctx context.Context, _ string) (context.Context, func(error)) {
	return ctx, func(error) {}
}
