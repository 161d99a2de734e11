package outbox

import (
	"context"

	"gatehouse/domain/notice"
	"gatehouse/ports/outbound"
)

// Waking returns work that calls wake whenever a notice has been stored, never
// before it can be seen by others. wake must not block.
func Waking(work outbound.UnitOfWork, wake func()) outbound.UnitOfWork { return waking{work, wake} }

type waking struct {
	outbound.UnitOfWork
	wake func()
}

func (w waking) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	added := false
	err := w.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		added = false // it may run again
		return fn(ctx, watching(s, func() { added = true }))
	})
	if err == nil && added {
		w.wake()
	}
	return err
}

func (w waking) Single() outbound.Stores { return watching(w.UnitOfWork.Single(), w.wake) }

func watching(s outbound.Stores, added func()) outbound.Stores {
	s.Outbox, s.Entry = watched{s.Outbox, added}, watchedEntry{s.Entry, added}
	return s
}

type watched struct {
	outbound.Outbox
	added func()
}

func (o watched) Add(ctx context.Context, n notice.Notice) error {
	err := o.Outbox.Add(ctx, n)
	if err == nil {
		o.added()
	}
	return err
}

type watchedEntry struct {
	outbound.Entry
	owes func()
}

func (e watchedEntry) SignIn(ctx context.Context, in outbound.SignIn) (outbound.Effect, error) {
	return e.tell(e.Entry.SignIn(ctx, in))
}

func (e watchedEntry) Register(ctx context.Context, r outbound.Registration) (outbound.Effect, error) {
	return e.tell(e.Entry.Register(ctx, r))
}

func (e watchedEntry) TurnAway(ctx context.Context, c outbound.Collision) (outbound.Effect, error) {
	return e.tell(e.Entry.TurnAway(ctx, c))
}

func (e watchedEntry) tell(got outbound.Effect, err error) (outbound.Effect, error) {
	if err == nil && got.Owes {
		e.owes()
	}
	return got, err
}
