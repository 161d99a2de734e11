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
		s.Outbox = watched{s.Outbox, func() { added = true }}
		return fn(ctx, s)
	})
	if err == nil && added {
		w.wake()
	}
	return err
}

func (w waking) Single() outbound.Stores {
	s := w.UnitOfWork.Single()
	s.Outbox = watched{s.Outbox, w.wake}
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
