package outbox_test

import (
	"context"
	"errors"
	"testing"

	"gatehouse/adapters/memory"
	"gatehouse/application/outbox"
	"gatehouse/ports/outbound"
)

// twice runs every transaction a second time, as after a serialization
// failure.
type twice struct{ outbound.UnitOfWork }

func (u twice) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	lost := errors.New("lost")
	_ = u.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		_ = fn(ctx, s)
		return lost
	})
	return u.UnitOfWork.Within(ctx, fn)
}

func TestWakingFollowsTheCommit(t *testing.T) {
	refused := errors.New("refused")
	adding := func(ctx context.Context, s outbound.Stores) error { return s.Outbox.Add(ctx, letter("n1")) }
	runs := 0
	for name, tc := range map[string]struct {
		work outbound.UnitOfWork
		do   func(ctx context.Context, w outbound.UnitOfWork) error
		want int
	}{
		"a notice": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error { return w.Within(ctx, adding) }, 1},
		"two notices": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
				return errors.Join(adding(ctx, s), s.Outbox.Add(ctx, letter("n2")))
			})
		}, 1},
		"none": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.Within(ctx, func(context.Context, outbound.Stores) error { return nil })
		}, 0},
		"rolled back": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			_ = w.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return errors.Join(adding(ctx, s), refused) })
			return nil
		}, 0},
		"only in a run that was lost": {twice{memory.New()}, func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
				if runs++; runs == 1 {
					return adding(ctx, s)
				}
				return nil
			})
		}, 0},
		"outside of a transaction": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return adding(ctx, w.Single())
		}, 1},
		"refused outside": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			n := letter("n1")
			n.Principal = "nobody"
			if err := w.Single().Outbox.Add(ctx, n); err == nil {
				return errors.New("stored for nobody")
			}
			return nil
		}, 0},
		"a view": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.View(ctx, func(context.Context, outbound.Stores) error { return nil })
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			woken := 0
			w := outbox.Waking(tc.work, func() {
				woken++
				if b, err := tc.work.Single().Outbox.Backlog(t.Context()); err != nil || b.Queued == 0 {
					t.Errorf("woken before there is anything to see: %+v, %v", b, err)
				}
			})
			if err := tc.do(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if woken != tc.want {
				t.Errorf("woken %d times, want %d", woken, tc.want)
			}
		})
	}
}

func TestWakeNeverBlocks(*testing.T) {
	r := outbox.NewRelay(outbox.Deps{Parallel: 1})
	for range 3 {
		r.Wake()
		r.Hear()
	}
}
