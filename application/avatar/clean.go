package avatar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/ports/outbound"
)

// batch is how many files are removed between two looks at what is known.
const batch = 100

// CleanerDeps are what a [Cleaner] works with. All are required.
type CleanerDeps struct {
	Work    outbound.UnitOfWork
	Storage outbound.Storage
	Every   time.Duration // how often to look for what others have let go
	Now     func() time.Time
	Log     *slog.Logger
}

// Cleaner removes the files that are nobody's: of pictures that were replaced,
// of people who are gone, and of changes that were never finished. Any number of
// replicas may clean at once.
type Cleaner struct {
	d    CleanerDeps
	wake chan struct{}
}

// NewCleaner returns a Cleaner, which does nothing until [Cleaner.Run].
func NewCleaner(d CleanerDeps) *Cleaner { return &Cleaner{d, make(chan struct{}, 1)} }

// Wake makes the Cleaner look now. It never blocks.
func (c *Cleaner) Wake() {
	select {
	case c.wake <- struct{}{}:
	default: // one look is due already
	}
}

// Run cleans at once, and then again and again until ctx ends. What fails is
// logged, and tried again in the next round.
func (c *Cleaner) Run(ctx context.Context) {
	tick := time.NewTicker(c.d.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := c.clean(ctx); err != nil && ctx.Err() == nil {
			c.d.Log.ErrorContext(ctx, "unwanted files not removed, will keep trying", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-c.wake:
		}
	}
}

// clean removes the bytes before what is known of them.
func (c *Cleaner) clean(ctx context.Context) (failed error) {
	for after := ""; ctx.Err() == nil; {
		files := c.d.Work.Single().Files
		keys, err := files.Unwanted(ctx, c.d.Now(), after, batch)
		if err != nil {
			return fmt.Errorf("list unwanted files: %w", err)
		}
		removed := make([]string, 0, len(keys))
		for _, key := range keys {
			if err := c.d.Storage.Remove(ctx, key); err != nil {
				failed = err // the last one tells enough
				continue
			}
			removed = append(removed, key)
		}
		if len(removed) > 0 {
			if err := files.Forget(ctx, removed...); err != nil {
				return errors.Join(failed, fmt.Errorf("forget files: %w", err))
			}
		}
		if len(keys) < batch {
			return failed
		}
		after = keys[len(keys)-1]
	}
	return failed
}
