package registration_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"gatehouse/application/password/passwordtest"
	app "gatehouse/application/registration"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

func (w *world) registrarDeps() app.RegistrarDeps {
	return app.RegistrarDeps{
		Work: w.work, Hasher: w.hasher, Policy: w.policy, Mail: w.mail,
		Now: w.clock, NewID: w.newID, NewSecret: w.newSecret,
	}
}

// rivalled has somebody else arrive after the first transaction is lost.
type rivalled struct {
	*passwordtest.Work

	arrive func()
	done   bool
}

func (r *rivalled) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	err := r.Work.Within(ctx, fn)
	if err != nil && !r.done {
		r.done = true
		r.arrive()
	}
	return err
}

// haunted finds no address and takes none.
type haunted struct{ *passwordtest.Work }

func (h haunted) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return h.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		s.Principals = ghosts{s.Principals}
		return fn(ctx, s)
	})
}

type ghosts struct{ outbound.Principals }

func (ghosts) Add(context.Context, *principal.Principal) error {
	return fmt.Errorf("add: %w", outbound.ErrTaken)
}

// blind is a database in which the first transactions begin at once: their
// look for the address finds nothing, since nobody has committed yet.
type blind struct {
	*passwordtest.Work

	missing *sync.WaitGroup
	left    atomic.Int32
}

func newBlind(w *passwordtest.Work, first int) *blind {
	b := &blind{Work: w, missing: &sync.WaitGroup{}}
	b.missing.Add(first)
	b.left.Store(int32(first))
	return b
}

func (b *blind) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	if b.left.Add(-1) < 0 {
		return b.Work.Within(ctx, fn)
	}
	b.missing.Done()
	b.missing.Wait()
	return b.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		s.Principals = unseen{s.Principals}
		return fn(ctx, s)
	})
}

type unseen struct{ outbound.Principals }

func (unseen) ByEmail(context.Context, string) (*principal.Principal, error) {
	return nil, fmt.Errorf("look: %w", outbound.ErrNotFound)
}
