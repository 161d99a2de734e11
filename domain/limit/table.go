package limit

import (
	"maps"
	"slices"
	"time"
)

// Table is the buckets as one process knows them. It bounds the memory that
// strangers can make us use: a bucket that is full is forgotten, and when there
// are too many others, the ones closest to being full go, whose owners gain the
// least. It is not safe for concurrent use.
type Table struct {
	full map[string]time.Time // when each bucket is full again
	max  int
}

// NewTable returns full buckets, of which at most that many are remembered.
func NewTable(most int) *Table { return &Table{full: map[string]time.Time{}, max: most} }

// Take takes one request out of every bucket, in order. From the first one that
// is empty nothing is taken; refused is its index, -1 when all had room, and
// wait how long it takes until a request fits.
func (t *Table) Take(now time.Time, takes ...Take) (refused int, wait time.Duration) {
	for i, one := range takes {
		next, wait := one.Budget.Next(t.full[one.Key], now)
		if wait > 0 {
			return i, wait
		}
		t.put(one.Key, next, now)
	}
	return -1, 0
}

// Wait returns how long it takes until a request fits, and takes none.
func (t *Table) Wait(now time.Time, one Take) time.Duration {
	_, wait := one.Budget.Next(t.full[one.Key], now)
	return wait
}

// Left returns how long it takes until a bucket is full again.
func (t *Table) Left(now time.Time, key string) time.Duration { return max(0, t.full[key].Sub(now)) }

// Learn notes that others took from a bucket too, so that it is not full again
// before left has passed. It never makes a bucket fuller.
func (t *Table) Learn(now time.Time, key string, left time.Duration) {
	if full := now.Add(left); left > 0 && full.After(t.full[key]) {
		t.put(key, full, now)
	}
}

// Len returns how many buckets are remembered.
func (t *Table) Len() int { return len(t.full) }

func (t *Table) put(key string, full, now time.Time) {
	if _, known := t.full[key]; !known && len(t.full) >= t.max {
		t.evict(now)
	}
	t.full[key] = full
}

// evict makes room: it forgets full buckets and, when that frees less than an
// eighth, the rest of that eighth among those that are full soonest. So the
// whole map is walked once in max/8 new buckets at most.
func (t *Table) evict(now time.Time) {
	for k, full := range t.full {
		if !full.After(now) {
			delete(t.full, k)
		}
	}
	room := max(1, t.max/8)
	if excess := len(t.full) + room - t.max; excess > 0 {
		t.dropSoonest(excess)
	}
}

func (t *Table) dropSoonest(n int) {
	ends := slices.SortedFunc(maps.Values(t.full), time.Time.Compare)
	last := ends[n-1]
	for k, full := range t.full {
		if n > 0 && !full.After(last) {
			delete(t.full, k)
			n--
		}
	}
}
