package erasure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gatehouse/domain/client"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ReconcileErasures, inbound.Reconciled] = (*Reconciler)(nil)

// batch is how many erasures are read at once.
const batch = 1000

// Reconciler answers [inbound.ReconcileErasures].
type Reconciler struct{ d Deps }

// NewReconciler returns a Reconciler.
func NewReconciler(d Deps) *Reconciler { return &Reconciler{d} }

// Do implements [inbound.UseCase].
func (r *Reconciler) Do(ctx context.Context, _ inbound.ReconcileErasures) (done inbound.Reconciled, err error) {
	kept, err := r.d.Ledger.All(ctx)
	if err != nil {
		return done, fmt.Errorf("read ledger of erasures: %w", err)
	}
	unkept, err := r.stored(ctx, kept)
	if err != nil {
		return done, err
	}
	for _, id := range slices.Sorted(maps.Keys(kept)) {
		erased, err := r.again(ctx, kept[id])
		if err != nil {
			return done, fmt.Errorf("erase again: %w", err)
		}
		if erased {
			done.Erased++
		}
	}
	r.d.note(ctx, unkept...)
	return done, nil
}

// stored takes from kept what the database knows, and returns what it knows
// alone.
func (r *Reconciler) stored(ctx context.Context, kept map[principal.ID]principal.Erasure) (unkept []principal.Erasure, err error) {
	for last := principal.ID(""); ; {
		some, err := r.d.Work.Single().Erasures.After(ctx, last, batch)
		if err != nil {
			return nil, fmt.Errorf("list erasures: %w", err)
		}
		for _, e := range some {
			if _, there := kept[e.ID]; !there {
				unkept = append(unkept, e)
			}
			delete(kept, e.ID)
			last = e.ID
		}
		if len(some) < batch {
			return unkept, nil
		}
	}
}

// again deletes who is back, be it the last admin: that was decided.
func (r *Reconciler) again(ctx context.Context, e principal.Erasure) (erased bool, err error) {
	err = r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		erased = false
		p, err := s.Principals.ByID(ctx, e.ID)
		switch {
		case errors.Is(err, outbound.ErrNotFound):
			return s.Erasures.Add(ctx, e)
		case err != nil:
			return err
		}
		erased = true
		return forget(ctx, s, p, e, client.Address{})
	})
	return erased && err == nil, err
}
