package memory

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"gatehouse/domain/limit"
	"gatehouse/ports/outbound"
)

var _ outbound.Buckets = (*Buckets)(nil)

// maxBuckets bounds the memory that strangers can make us use: some 20 MB.
const maxBuckets = 100_000

// Buckets is a [outbound.Buckets] for one process. A bucket that is full is
// forgotten. When there are too many others, the ones closest to being full
// go: their owners gain the least.
type Buckets struct {
	mu   sync.Mutex
	full map[string]time.Time // when each bucket is full again
	max  int
}

// NewBuckets returns full buckets.
func NewBuckets() *Buckets { return newBuckets(maxBuckets) }

func newBuckets(limit int) *Buckets { return &Buckets{full: map[string]time.Time{}, max: limit} }

// Take implements [outbound.Buckets].
func (b *Buckets) Take(_ context.Context, now time.Time, takes ...limit.Take) (refused int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, t := range takes {
		next, wait := t.Budget.Next(b.full[t.Key], now)
		if wait > 0 {
			return i, wait
		}
		if _, known := b.full[t.Key]; !known && len(b.full) >= b.max {
			b.evict(now)
		}
		b.full[t.Key] = next
	}
	return -1, 0
}

// evict makes room: it forgets full buckets and, when that frees less than an
// eighth, the rest of that eighth among those that are full soonest. So the
// whole map is walked once in max/8 new buckets at most.
func (b *Buckets) evict(now time.Time) {
	for k, full := range b.full {
		if !full.After(now) {
			delete(b.full, k)
		}
	}
	room := max(1, b.max/8)
	if excess := len(b.full) + room - b.max; excess > 0 {
		b.dropSoonest(excess)
	}
}

func (b *Buckets) dropSoonest(n int) {
	ends := slices.SortedFunc(maps.Values(b.full), time.Time.Compare)
	last := ends[n-1]
	for k, full := range b.full {
		if n > 0 && !full.After(last) {
			delete(b.full, k)
			n--
		}
	}
}
