package memory

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gatehouse/domain/limit"
)

var start = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func take(b *Buckets, key string, after time.Duration, budget limit.Budget) bool {
	refused, _ := b.Take(context.Background(), start.Add(after), limit.Take{Key: key, Budget: budget})
	return refused < 0
}

func TestStrangersCannotFillTheMemory(t *testing.T) {
	b := newBuckets(64)
	for i := range 10_000 {
		take(b, fmt.Sprint("stranger ", i), 0, limit.Budget{Count: 10, Per: time.Minute})
	}
	if len(b.full) > 64 {
		t.Errorf("%d buckets are kept, want 64 at most", len(b.full))
	}
}

func TestTheEmptiestBucketIsForgottenLast(t *testing.T) {
	b := newBuckets(64)
	hour := limit.Budget{Count: 1, Per: time.Hour}
	take(b, "empty", 0, hour)
	for i := range 10_000 {
		take(b, fmt.Sprint("stranger ", i), 0, limit.Budget{Count: 10, Per: time.Minute})
	}
	if take(b, "empty", 0, hour) {
		t.Error("an empty bucket was forgotten and is full again")
	}
}

func TestFullBucketsMakeRoom(t *testing.T) {
	b := newBuckets(64)
	minute := limit.Budget{Count: 1, Per: time.Minute}
	for i := range 64 {
		take(b, fmt.Sprint("early ", i), 0, minute)
	}
	take(b, "late", 2*time.Minute, minute)
	if len(b.full) != 1 {
		t.Errorf("%d buckets are kept when all but one are full", len(b.full))
	}
}
