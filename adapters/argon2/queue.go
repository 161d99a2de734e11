package argon2

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// queue gives out turns, first come, first served.
type queue struct {
	slots  int // turns at a time
	places int // for those who wait
	share  int // of one network in the places

	mu      sync.Mutex
	inUse   int
	waiting []*waiter
	count   Stats // of what only grows
}

type waiter struct {
	network string
	turn    chan struct{} // closed when it has come
}

// errFull says that there is no place left to wait.
var errFull = errors.New("too many wait already")

func newQueue(slots, places int) *queue {
	share := places / 2
	if places > 0 {
		share = max(1, share)
	}
	return &queue{slots: slots, places: places, share: share}
}

// enter returns nil when the caller has a turn, which it must leave. It fails
// with errFull or when ctx ends first. waited says how long it took so far.
func (q *queue) enter(ctx context.Context, network string, waited func() time.Duration) error {
	w, err := q.line(ctx, network)
	if err != nil || w == nil {
		return err
	}
	select {
	case <-w.turn:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.waiting, w)
	if err := ctx.Err(); err != nil {
		q.count.Left++
		if at >= 0 {
			q.waiting = slices.Delete(q.waiting, at, at+1)
		} else {
			q.pass() // the turn had come as well
		}
		return err
	}
	q.count.Admitted++
	q.count.Waited += waited()
	return nil
}

// line takes a turn, if there is one, or a place to wait.
func (q *queue) line(ctx context.Context, network string) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.inUse < q.slots { // then nobody waits
		q.inUse++
		q.count.Admitted++
		return nil, nil
	}
	if len(q.waiting) >= q.places || q.of(network) >= q.share {
		q.count.Refused++
		return nil, errFull
	}
	w := &waiter{network: network, turn: make(chan struct{})}
	q.waiting = append(q.waiting, w)
	return w, nil
}

// of counts who waits from one network.
func (q *queue) of(network string) (n int) {
	for _, w := range q.waiting {
		if w.network == network {
			n++
		}
	}
	return n
}

// leave gives a turn back.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pass()
}

// pass gives a turn to who has waited longest.
func (q *queue) pass() {
	if len(q.waiting) == 0 {
		q.inUse--
		return
	}
	close(q.waiting[0].turn)
	q.waiting = slices.Delete(q.waiting, 0, 1)
}

func (q *queue) stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.count
	s.InUse, s.Waiting = q.inUse, len(q.waiting)
	return s
}
