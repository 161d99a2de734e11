package memory

import (
	"context"
	"sync"
	"time"

	"gatehouse/domain/limit"
	"gatehouse/ports/outbound"
)

var _ outbound.Buckets = (*Buckets)(nil)

// maxBuckets is some 20 MB.
const maxBuckets = 100_000

// Buckets is a [outbound.Buckets] for one process.
type Buckets struct {
	mu    sync.Mutex
	table *limit.Table
}

// NewBuckets returns full buckets.
func NewBuckets() *Buckets { return &Buckets{table: limit.NewTable(maxBuckets)} }

// Take implements [outbound.Buckets].
func (b *Buckets) Take(_ context.Context, now time.Time, takes ...limit.Take) (refused int, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.table.Take(now, takes...)
}
