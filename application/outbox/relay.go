package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gatehouse/ports/outbound"
)

const (
	// patience is the longest one delivery may take, and lease what others grant
	// it: the rest is for writing down how it ended.
	patience = 12 * time.Second
	lease    = 20 * time.Second
	// settling is how long writing that down may take.
	settling = 5 * time.Second
)

// Deps are what a [Relay] is built from. All are required.
type Deps struct {
	Work   outbound.UnitOfWork
	Mail   outbound.Mailer
	Owner  string // of the leases; no other relay has the same, ever
	Now    func() time.Time
	Jitter func(time.Duration) time.Duration // a random part of a duration
	Log    *slog.Logger
	// Announce makes the relays of other processes look at once.
	Announce func(context.Context) error
	// Tried is told how each attempt ended: delivered, deferred, given_up
	// or dropped.
	Tried func(outcome string)

	Batch    int           // notices claimed at once, at most
	Parallel int           // deliveries at once, at most
	Every    time.Duration // how often to look for what nobody announced
	Alone    bool          // no other process can hold a lease when this one starts
}

// Relay delivers notices, each at least once unless it is visibly given up.
// Any number of relays may share a database.
type Relay struct {
	d       Deps
	wake    chan struct{}
	heard   chan struct{}
	freed   chan struct{} // signals that a delivery has ended
	slots   chan struct{} // holds one element per delivery under way
	flights sync.WaitGroup
	domains *domains
	blind   bool // the last look at the outbox failed
}

// NewRelay returns a Relay, which does nothing until [Relay.Run].
func NewRelay(d Deps) *Relay {
	return &Relay{
		d: d, wake: make(chan struct{}, 1), heard: make(chan struct{}, 1), freed: make(chan struct{}, 1), slots: make(chan struct{}, d.Parallel),
		domains: newDomains(max(1, d.Parallel/4)),
	}
}

// Wake makes the relay look now, or tell others to if there is no room. It
// never blocks.
func (r *Relay) Wake() { signal(r.wake) }

// Hear makes the relay look now, because another process told it to. It tells
// nobody else, or two that have no room would wake each other for ever. It never
// blocks.
func (r *Relay) Hear() { signal(r.heard) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting already, which is enough
	}
}

// Run delivers until ctx ends. Then it waits for what is under way, frees what
// it has leased, and returns. Call it once.
func (r *Relay) Run(ctx context.Context) {
	defer r.stop(context.WithoutCancel(ctx))
	if r.d.Alone {
		r.release(ctx, "")
	}
	tick := time.NewTicker(r.d.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		var freed chan struct{} // of interest only while there is no room
		if r.room() == 0 {
			freed = r.freed
		} else if r.round(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-r.wake:
			if freed != nil {
				r.announce(ctx)
			}
		case <-r.heard:
		case <-freed:
		}
	}
}

func (r *Relay) room() int { return min(r.d.Batch, cap(r.slots)-len(r.slots)) }

// round starts to deliver what is due, as far as there is room, and reports
// whether there may be more.
func (r *Relay) round(ctx context.Context) bool {
	now, room := r.d.Now(), r.room()
	claims, err := r.d.Work.Single().Outbox.Claim(ctx, r.d.Owner, now, now.Add(lease), room)
	if err != nil {
		r.cannotLook(ctx, err)
		return false
	}
	r.blind = false
	for _, c := range claims {
		r.start(ctx, c)
	}
	return len(claims) == room
}

// announce asks others to deliver what there is no room for here. They would
// find it by themselves, a little later.
func (r *Relay) announce(ctx context.Context) {
	if err := r.d.Announce(ctx); err != nil && ctx.Err() == nil {
		r.d.Log.WarnContext(ctx, "mails not announced to other replicas", "err", err)
	}
}

// cannotLook reports the first failure of a row: the next ones say the same,
// once a second.
func (r *Relay) cannotLook(ctx context.Context, err error) {
	if ctx.Err() == nil && !r.blind {
		r.blind = true
		r.d.Log.ErrorContext(ctx, "outbox cannot be read, will keep trying", "err", err)
	}
}

func (r *Relay) start(ctx context.Context, c outbound.Claim) {
	r.slots <- struct{}{} // there is room, and nobody else fills it
	r.flights.Go(func() {
		defer func() {
			<-r.slots
			signal(r.freed)
		}()
		// A stop lets it finish: interrupted, it might arrive twice.
		r.handle(context.WithoutCancel(ctx), c)
	})
}

// stop waits for what is under way. A mailer that outstays its context is left
// behind; its lease ends by itself.
func (r *Relay) stop(ctx context.Context) {
	landed := make(chan struct{})
	go func() {
		r.flights.Wait()
		close(landed)
	}()
	select {
	case <-landed:
	case <-time.After(patience + settling):
	}
	r.release(ctx, r.d.Owner)
}

func (r *Relay) release(ctx context.Context, owner string) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	if err := r.d.Work.Single().Outbox.Release(ctx, owner, r.d.Now()); err != nil {
		r.d.Log.WarnContext(ctx, "outbox leases not released, they will run out", "err", err)
	}
}
