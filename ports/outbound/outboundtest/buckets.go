package outboundtest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/limit"
	"gatehouse/ports/outbound"
)

// Buckets runs the suite of [outbound.Buckets]. open returns full buckets,
// fresh for each check.
func Buckets(t *testing.T, open func(*testing.T) outbound.Buckets) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, outbound.Buckets)
	}{
		{"GiveExactlyTheBudget", giveExactlyTheBudget},
		{"RefillContinuously", refillContinuously},
		{"TakeInOrder", takeInOrder},
		{"AreSeparate", areSeparate},
		{"NoTakesAreNotRefused", noTakesAreNotRefused},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func tenAMinute(key string) limit.Take {
	return limit.Take{Key: key, Budget: limit.Budget{Count: 10, Per: time.Minute}}
}

func takes(t *testing.T, b outbound.Buckets, after time.Duration, refused int, wait time.Duration, of ...limit.Take) {
	t.Helper()
	i, left := b.Take(t.Context(), at.Add(after), of...)
	if i != refused || left != wait {
		t.Errorf("Take after %v = %d, %v, want %d, %v", after, i, left, refused, wait)
	}
}

func giveExactlyTheBudget(t *testing.T, b outbound.Buckets) {
	var given, refused atomic.Int32
	race(crowd, func(int) {
		if i, wait := b.Take(t.Context(), at, tenAMinute("k")); i < 0 {
			given.Add(1)
		} else if i == 0 && wait == 6*time.Second {
			refused.Add(1)
		}
	})
	if given.Load() != 10 || refused.Load() != crowd-10 {
		t.Errorf("of %d parallel requests %d were let through and %d refused for 6 s, want 10 and %d",
			crowd, given.Load(), refused.Load(), crowd-10)
	}
}

// No window begins anywhere: after a tenth of the time a tenth is there again,
// and never more than all of it.
func refillContinuously(t *testing.T, b outbound.Buckets) {
	for range 10 {
		takes(t, b, 0, -1, 0, tenAMinute("k"))
	}
	takes(t, b, 5*time.Second, 0, time.Second, tenAMinute("k"))
	takes(t, b, 5*time.Second, 0, time.Second, tenAMinute("k")) // a refusal costs nothing
	takes(t, b, 6*time.Second, -1, 0, tenAMinute("k"))
	takes(t, b, 6*time.Second, 0, 6*time.Second, tenAMinute("k"))
	for range 10 {
		takes(t, b, time.Hour, -1, 0, tenAMinute("k"))
	}
	takes(t, b, time.Hour, 0, 6*time.Second, tenAMinute("k"))
}

// From the bucket that is empty, and those after it, nothing is taken.
func takeInOrder(t *testing.T, b outbound.Buckets) {
	small := limit.Take{Key: "small", Budget: limit.Budget{Count: 1, Per: time.Minute}}
	takes(t, b, 0, -1, 0, tenAMinute("a"), small, tenAMinute("b"))
	for range 9 {
		takes(t, b, 0, 1, time.Minute, tenAMinute("a"), small, tenAMinute("b"))
	}
	takes(t, b, 0, 0, 6*time.Second, tenAMinute("a"), small)
	for range 9 {
		takes(t, b, 0, -1, 0, tenAMinute("b"))
	}
	takes(t, b, 0, 0, 6*time.Second, tenAMinute("b"))
}

func areSeparate(t *testing.T, b outbound.Buckets) {
	for i := range 20 {
		takes(t, b, 0, -1, 0, limit.Take{Key: fmt.Sprint("k", i), Budget: limit.Budget{Count: 1, Per: time.Hour}})
	}
	takes(t, b, 0, 0, time.Hour, limit.Take{Key: "k7", Budget: limit.Budget{Count: 1, Per: time.Hour}})
}

func noTakesAreNotRefused(t *testing.T, b outbound.Buckets) { takes(t, b, 0, -1, 0) }
