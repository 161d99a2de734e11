package limit_test

import (
	"fmt"
	"testing"
	"time"

	"gatehouse/domain/limit"
)

func take(t *limit.Table, key string, after time.Duration, budget limit.Budget) bool {
	refused, _ := t.Take(noon.Add(after), limit.Take{Key: key, Budget: budget})
	return refused < 0
}

func TestStrangersCannotFillTheMemory(t *testing.T) {
	b := limit.NewTable(64)
	for i := range 10_000 {
		take(b, fmt.Sprint("stranger ", i), 0, limit.Budget{Count: 10, Per: time.Minute})
		b.Learn(noon, fmt.Sprint("known to others ", i), time.Second)
	}
	if b.Len() > 64 {
		t.Errorf("%d buckets are kept, want 64 at most", b.Len())
	}
}

func TestTheEmptiestBucketIsForgottenLast(t *testing.T) {
	b := limit.NewTable(64)
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
	b := limit.NewTable(64)
	minute := limit.Budget{Count: 1, Per: time.Minute}
	for i := range 64 {
		take(b, fmt.Sprint("early ", i), 0, minute)
	}
	take(b, "late", 2*time.Minute, minute)
	if b.Len() != 1 {
		t.Errorf("%d buckets are kept when all but one are full", b.Len())
	}
}

func TestWhatOthersTookIsGone(t *testing.T) {
	b, ten := limit.NewTable(64), limit.Budget{Count: 10, Per: 10 * time.Minute}
	b.Learn(noon, "k", 8*time.Minute)
	for i := range 2 {
		if !take(b, "k", 0, ten) {
			t.Errorf("request %d is refused after others took 8 of 10", i+1)
		}
	}
	if wait := b.Wait(noon, limit.Take{Key: "k", Budget: ten}); wait != time.Minute {
		t.Errorf("after 10 of 10 the wait is %v, want 1m", wait)
	}
}

func TestALearnerNeverForgetsWhatItGaveItself(t *testing.T) {
	b, ten := limit.NewTable(64), limit.Budget{Count: 10, Per: 10 * time.Minute}
	for range 10 {
		take(b, "k", 0, ten)
	}
	for _, left := range []time.Duration{-time.Hour, 0, time.Minute} {
		b.Learn(noon, "k", left)
		if left := b.Left(noon, "k"); left != 10*time.Minute {
			t.Errorf("full again in %v, want 10m", left)
		}
	}
	if left := b.Left(noon.Add(time.Hour), "k"); left != 0 {
		t.Errorf("a bucket that is full is full again in %v", left)
	}
}
