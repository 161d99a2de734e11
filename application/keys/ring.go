package keys

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gatehouse/domain/key"
)

// RingDeps are what a [Ring] works with. All are required.
type RingDeps struct {
	Keeper *Keeper
	Every  time.Duration // between two looks at the stored keys
	Now    func() time.Time
	Log    *slog.Logger
}

// Ring keeps the keys in use by this process those that are stored. A change is
// noticed by one cheap statement, whoever made it; while keys cannot be read
// or opened, those of before stay in use.
type Ring struct {
	d    RingDeps
	poke chan struct{}

	looks sync.WaitGroup // comparisons that somebody asked for

	turn   sync.Mutex // one loads at a time
	users  []func([]key.Opened) error
	opened []key.Opened

	mu     sync.Mutex // of what others look at meanwhile
	stored []key.Wrapped
	seen   time.Time     // when they last were the stored ones
	look   chan struct{} // closed when the comparison that somebody waits for is over; nil if nobody does
}

// NewRing returns a Ring without keys. [Ring.Reload] loads them.
func NewRing(d RingDeps) *Ring { return &Ring{d: d, poke: make(chan struct{}, 1)} }

// Use gives the keys to install, now and after every change. It must keep what
// it has when it refuses those it is given.
func (r *Ring) Use(install func([]key.Opened) error) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if err := install(r.opened); err != nil {
		return err
	}
	r.users = append(r.users, install)
	return nil
}

// Reload brings the keys up to date.
func (r *Ring) Reload(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	asked := r.d.Now()
	stored, err := r.d.Keeper.d.Work.Single().Keys.All(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	if !slices.EqualFunc(stored, r.stored, sameWrapped) {
		if err := r.install(ctx, stored); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stored, r.seen = stored, asked
	return nil
}

func (r *Ring) install(ctx context.Context, stored []key.Wrapped) error {
	opened, err := r.d.Keeper.open(ctx, stored)
	if err != nil {
		return err
	}
	for _, install := range r.users {
		if err := install(opened); err != nil {
			return fmt.Errorf("install keys: %w", err)
		}
	}
	r.opened = opened
	return nil
}

func sameWrapped(a, b key.Wrapped) bool {
	return a.Key == b.Key && a.WrapperID == b.WrapperID && bytes.Equal(a.Material, b.Material)
}

// Keys returns the keys in use.
func (r *Ring) Keys() key.Ring {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ringOf(r.stored)
}

// Age is how long the keys in use have not been compared with the stored ones.
func (r *Ring) Age() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.d.Now().Sub(r.seen)
}

// Fresh refuses unless the keys in use were the stored ones no longer ago than
// within. If that is not known they are compared first, once for everybody who
// asks meanwhile.
func (r *Ring) Fresh(ctx context.Context, within time.Duration) error {
	if r.Age() <= within {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.compare(ctx):
	}
	if age := r.Age(); age > within {
		return fmt.Errorf("keys were not compared with the stored ones for %v", age.Truncate(time.Second))
	}
	return nil
}

func (r *Ring) compare(ctx context.Context) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.look != nil {
		return r.look
	}
	done := make(chan struct{})
	r.look = done
	r.looks.Go(func() {
		defer close(done)
		r.reload(context.WithoutCancel(ctx))
		r.mu.Lock()
		defer r.mu.Unlock()
		r.look = nil
	})
	return done
}

// Poke asks for a reload, because something needs a key that is not there. It
// never blocks.
func (r *Ring) Poke() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// leastApart keeps those who ask for unknown keys from asking the database as
// often as they like.
const leastApart = time.Second

// patience is how long a reload may take. One that hangs with a lost connection
// must not keep the next one from finding a good one.
const patience = 3 * time.Second

// reload reloads, and logs what keeps it from that.
func (r *Ring) reload(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.Reload(within); err != nil && ctx.Err() == nil {
		r.d.Log.ErrorContext(ctx, "keys not reloaded, those of before stay in use", "age", r.Age().String(), "err", err)
	}
}

// Run reloads again and again until ctx ends, and returns when no comparison
// runs any more. Nobody may ask for one by then. Failures are logged.
func (r *Ring) Run(ctx context.Context) {
	defer r.looks.Wait()
	for {
		if !pause(ctx, leastApart) {
			return
		}
		wait := time.NewTimer(r.d.Every - leastApart)
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-r.poke:
		}
		wait.Stop()
		r.reload(ctx)
	}
}

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
