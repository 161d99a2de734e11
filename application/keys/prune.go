package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/key"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

const (
	// pruneEvery is how often is looked for keys that nobody needs any more.
	pruneEvery = time.Hour

	// lateTokens is how much longer than its tokens a signing key is kept:
	// replicas sign with it until they know that it is retired.
	lateTokens = time.Minute

	// sharedKept is how long an encryption key is kept for what was sealed for
	// nobody in particular: longer than any notice lies in the outbox.
	sharedKept = 31 * 24 * time.Hour
)

// prune removes retired keys that nothing needs any more.
func (w *Worker) prune(ctx context.Context) error {
	now := w.d.Now()
	if now.Before(w.pruned.Add(pruneEvery)) {
		return nil
	}
	var errs []error
	for _, k := range w.d.Ring.Keys() {
		if k.State != key.Retired {
			continue
		}
		over, err := w.over(ctx, k, now)
		if err == nil && over {
			err = w.remove(ctx, k)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove retired keys: %w", err)
	}
	w.pruned = now
	return nil
}

// over reports whether nothing needs k any more.
func (w *Worker) over(ctx context.Context, k key.Key, now time.Time) (bool, error) {
	since := now.Sub(k.RetiredAt)
	switch k.Purpose {
	case key.Signing:
		return since > w.d.TokenLife+lateTokens, nil
	case key.BlindIndex:
		return k.Slot == key.NoSlot && since > client.Remembered, nil
	case key.Encryption:
		if since <= sharedKept {
			return false, nil
		}
		return w.nothingUnder(ctx)
	}
	return false, nil
}

// nothingUnder reports whether every data key is under the current encryption
// key, and brings those there that are not.
func (w *Worker) nothingUnder(ctx context.Context) (bool, error) {
	var after principal.ID
	for {
		b, err := w.d.Work.Single().Rekeying.Rewrap(ctx, after, batch)
		if err != nil || b.Failed > 0 {
			return false, err
		}
		if b.Seen < batch {
			return true, nil
		}
		after = b.Last
	}
}

func (w *Worker) remove(ctx context.Context, k key.Key) error {
	err := w.d.Work.Single().Keys.Remove(ctx, k.ID)
	if err != nil && !errors.Is(err, outbound.ErrNotFound) { // another replica was faster
		return err
	}
	w.d.Log.InfoContext(ctx, "retired key removed", "key", k.ID, "purpose", string(k.Purpose))
	return w.d.Ring.Reload(ctx)
}
