// Package housekeeping removes what nobody needs any more. It owns how long
// things are kept after their use; what has expired is decided where it is
// used, and never depends on whether it has been removed.
package housekeeping

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

const (
	// batch keeps each removal short, because it may hold up other writers.
	batch = 500

	// graceEvery is how soon pairs of tokens are wiped after their grace
	// window (faults §9.1). Sessions go with them, being one store.
	graceEvery = 5 * time.Second

	// endedKept is how long sessions outlive their end: nothing reads them any
	// more, a token of theirs is refused with or without them. The day is for
	// whoever has to find out what happened; longer than that, nobody needs to
	// know where somebody was signed in.
	endedKept = 24 * time.Hour

	itemsKept     = 24 * time.Hour // so that late clicks are told "expired" (faults §6.1)
	deliveredKept = 7 * 24 * time.Hour
	deadKept      = 30 * 24 * time.Hour // for an operator to look at (faults §8)
)

// SweeperDeps are what a [Sweeper] works with. All are required.
type SweeperDeps struct {
	Work  outbound.UnitOfWork
	Every time.Duration // between two rounds
	Idle  time.Duration // of guests, after which they are deleted
	Audit time.Duration // after which audit entries are removed; zero: never
	Now   func() time.Time
	Log   *slog.Logger
}

// Sweeper removes in the background. Any number of replicas may sweep at once.
type Sweeper struct{ d SweeperDeps }

// NewSweeper returns a Sweeper.
func NewSweeper(d SweeperDeps) *Sweeper { return &Sweeper{d} }

// chore removes at most limit rows of one kind and returns how many.
type chore struct {
	name string
	do   func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error)
}

var sessions = chore{"sessions", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
	return s.Sessions.Purge(ctx, now, now.Add(-endedKept), limit)
}}

var others = []chore{
	{"one-time items", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.OneTime.Purge(ctx, now.Add(-itemsKept), limit)
	}},
	{"TOTP setups", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.Setups.Purge(ctx, now, limit)
	}},
	{"mailed codes", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.MailedCodes.Purge(ctx, now, limit)
	}},
	{"outbox", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.Outbox.Purge(ctx, now.Add(-deliveredKept), now.Add(-deadKept), limit)
	}},
	{"attempts", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.Attempts.Purge(ctx, now.Add(-throttle.Forgiven), limit)
	}},
	{"cooldowns", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.Cooldowns.Purge(ctx, now, limit)
	}},
	{"devices", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.Devices.Purge(ctx, now.Add(-client.Remembered), limit)
	}},
}

// guests come back with no backup: they are over then too (contract §7.7).
func (w *Sweeper) guests() chore {
	return chore{"guests", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.Principals.PurgeGuests(ctx, now.Add(-w.d.Idle), limit)
	}}
}

func (w *Sweeper) audit() chore {
	return chore{"audit", func(ctx context.Context, s outbound.Stores, now time.Time, limit int) (int, error) {
		return s.Trail.Purge(ctx, now.Add(-w.d.Audit), limit)
	}}
}

// Run sweeps at once and then again and again until ctx ends. Failures are
// logged, and what they left is removed in the next round.
func (w *Sweeper) Run(ctx context.Context) {
	soon, round := time.NewTicker(graceEvery), time.NewTicker(w.d.Every)
	defer soon.Stop()
	defer round.Stop()
	w.sweep(ctx, sessions)
	all := append(slices.Clone(others), w.guests())
	if w.d.Audit > 0 {
		all = append(all, w.audit())
	}
	w.sweep(ctx, all...)
	for {
		select {
		case <-ctx.Done():
			return
		case <-soon.C:
			w.sweep(ctx, sessions)
		case <-round.C:
			w.sweep(ctx, all...)
		}
	}
}

func (w *Sweeper) sweep(ctx context.Context, chores ...chore) {
	for _, c := range chores {
		err := w.finish(ctx, c)
		if err != nil && ctx.Err() == nil {
			w.d.Log.ErrorContext(ctx, "housekeeping failed", "what", c.name, "err", err)
		}
	}
}

// finish works in batches until one is not full.
func (w *Sweeper) finish(ctx context.Context, c chore) error {
	for ctx.Err() == nil {
		n, err := c.do(ctx, w.d.Work.Single(), w.d.Now(), batch)
		if err != nil || n < batch {
			return err
		}
	}
	return nil
}
