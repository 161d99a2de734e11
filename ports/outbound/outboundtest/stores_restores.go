package outboundtest

import (
	"context"
	"sync/atomic"
	"testing"
)

var restoreChecks = []storeCheck{
	{"EpochRises", epochRises},
	{"EpochHasOneRaiser", epochHasOneRaiser},
}

func epoch(t *testing.T, w work, want int) {
	t.Helper()
	if got, err := w.Single().Restores.Epoch(t.Context()); err != nil || got != want {
		t.Errorf("Epoch = %d, %v, want %d", got, err, want)
	}
}

// Numbers are compared, and not the texts they may be kept as.
func epochRises(t *testing.T, w work) {
	epoch(t, w, 0)
	for _, step := range []struct {
		to     int
		raised bool
		after  int
	}{{0, false, 0}, {9, true, 9}, {9, false, 9}, {10, true, 10}, {9, false, 10}, {1<<31 - 1, true, 1<<31 - 1}} {
		raised, err := w.Single().Restores.Raise(t.Context(), step.to)
		if err != nil || raised != step.raised {
			t.Errorf("Raise(%d) = %t, %v, want %t", step.to, raised, err, step.raised)
		}
		epoch(t, w, step.after)
	}
}

func epochHasOneRaiser(t *testing.T, w work) {
	var raisers atomic.Int32
	race(crowd, func(int) {
		raised := false
		err := w.Within(t.Context(), func(ctx context.Context, s stores) (err error) {
			raised, err = s.Restores.Raise(ctx, 3)
			return err
		})
		if err != nil {
			t.Errorf("Raise = %v", err)
		}
		if raised {
			raisers.Add(1)
		}
	})
	if n := raisers.Load(); n != 1 {
		t.Errorf("%d callers raised the epoch", n)
	}
	epoch(t, w, 3)
}
