package limit_test

import (
	"testing"
	"time"

	"gatehouse/domain/limit"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

// bucket takes requests at instants after noon, and tells how long to wait.
type bucket struct {
	b    limit.Budget
	full time.Time
}

func (b *bucket) take(after time.Duration) time.Duration {
	next, wait := b.b.Next(b.full, noon.Add(after))
	b.full = next
	return wait
}

func TestABucketHoldsItsCountAndRefillsContinuously(t *testing.T) {
	for _, budget := range []limit.Budget{
		{Count: 1, Per: time.Hour}, {Count: 10, Per: 5 * time.Minute}, {Count: 200, Per: time.Minute}, {Count: 7, Per: time.Minute},
	} {
		b := &bucket{b: budget}
		for i := range budget.Count {
			if wait := b.take(0); wait != 0 {
				t.Fatalf("%v: request %d has to wait %v", budget, i+1, wait)
			}
		}
		each := budget.Interval()
		wait := b.take(0)
		if wait > each || wait < each-time.Duration(budget.Count) {
			t.Errorf("%v: wait %v, want %v", budget, wait, each)
		}
		if again := b.take(0); again != wait {
			t.Errorf("%v: a refused request cost %v", budget, again-wait)
		}
		if early := b.take(wait - 1); early != 1 {
			t.Errorf("%v: a moment too early, wait %v", budget, early)
		}
		if b.take(wait) != 0 || b.take(wait) == 0 {
			t.Errorf("%v: after the wait there is not room for exactly one", budget)
		}
	}
}

func TestABucketIsNeverMoreThanFull(t *testing.T) {
	b := &bucket{b: limit.Budget{Count: 3, Per: time.Minute}}
	for _, after := range []time.Duration{0, 100 * time.Hour} {
		for range 3 {
			if wait := b.take(after); wait != 0 {
				t.Fatalf("wait %v", wait)
			}
		}
		if b.take(after) == 0 {
			t.Errorf("a fourth request fits after %v", after)
		}
	}
}

func TestWhatWasTakenIsBackAfterThePeriod(t *testing.T) {
	b := limit.Budget{Count: 4, Per: time.Minute}
	full := time.Time{}
	for range 4 {
		full, _ = b.Next(full, noon)
	}
	if want := noon.Add(time.Minute); !full.Equal(want) {
		t.Errorf("full again at %v, want %v", full, want)
	}
}
