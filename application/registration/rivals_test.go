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

// haunted finds no address and takes none.
type haunted struct{ *passwordtest.Work }

func (h haunted) Single() outbound.Stores {
	s := h.Work.Single()
	s.Entry = ghosts{s.Entry}
	return s
}

type ghosts struct{ outbound.Entry }

func (ghosts) Register(context.Context, outbound.Registration) (outbound.Effect, error) {
	return outbound.Effect{}, nil
}

// blind is a database in which the first looks for an address find nothing,
// since they all look before anybody has stored anything.
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

func (b *blind) Single() outbound.Stores {
	s := b.Work.Single()
	if b.left.Add(-1) >= 0 {
		s.Principals = unseen{s.Principals, b.missing}
	}
	return s
}

type unseen struct {
	outbound.Principals

	missing *sync.WaitGroup
}

func (u unseen) ByEmail(ctx context.Context, normal string) (*principal.Principal, error) {
	u.missing.Done()
	u.missing.Wait()
	if _, err := u.Principals.ByEmail(ctx, normal); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("look: %w", outbound.ErrNotFound)
}
