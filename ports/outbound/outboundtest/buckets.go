package outboundtest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/limit"
	"gatehouse/ports/outbound"
)

// BucketStore is the buckets of replicas that share a store, all of them full.
type BucketStore struct {
	Replicas []outbound.Buckets // one, when nothing is shared
	// Pass lets time pass in a store that has a clock of its own. It is nil
	// when there is none; then waits are exact.
	Pass func(time.Duration)
	// Settle returns when every replica has told the others what it gave, and
	// heard of them. It is nil when that takes no time.
	Settle func()
	// Cut puts the store out of reach. It is nil when there is no way to.
	Cut func()
}

// Buckets runs the suite of [outbound.Buckets]. open returns a fresh store for
// each check.
func Buckets(t *testing.T, open func(*testing.T) BucketStore) {
	for _, c := range []struct {
		name string
		run  func(*bucketWorld)
	}{
		{"GiveExactlyTheBudget", giveExactlyTheBudget},
		{"GiveExactlyTheBudgetInTurn", giveExactlyTheBudgetInTurn},
		{"ShareLargeBudgetsSoon", shareLargeBudgetsSoon},
		{"RefillContinuously", refillContinuously},
		{"RefillLargeBudgetsToo", refillLargeBudgetsToo},
		{"TakeInOrder", takeInOrder},
		{"AreSeparate", areSeparate},
		{"NoTakesAreNotRefused", noTakesAreNotRefused},
		{"AreNotUnlimitedWithoutTheirStore", areNotUnlimitedWithoutTheirStore},
		{"SurviveACallerWhoHungUp", bucketsSurviveACallerWhoHungUp},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(&bucketWorld{t, open(t), at}) })
	}
}

type bucketWorld struct {
	t *testing.T
	BucketStore
	now time.Time
}

// slack is how much shorter a wait may be than it should, where real time
// passes; budgets are chosen to make that nothing.
const slack = 20 * time.Minute

func (w *bucketWorld) pass(d time.Duration) {
	w.now = w.now.Add(d)
	if w.Pass != nil {
		w.Pass(d)
	}
}

func (w *bucketWorld) settle() {
	if w.Settle != nil {
		w.Settle()
	}
}

func (w *bucketWorld) waits(got, want time.Duration) bool {
	if w.Pass == nil || want == 0 {
		return got == want
	}
	return got <= want && got > want-slack
}

// takes asks one replica, and wants it to refuse a bucket, -1 for none.
func (w *bucketWorld) takes(replica, refused int, wait time.Duration, of ...limit.Take) {
	w.t.Helper()
	i, left := w.Replicas[replica].Take(w.t.Context(), w.now, of...)
	if i != refused || !w.waits(left, wait) {
		w.t.Errorf("Take = %d, %v, want %d, %v", i, left, refused, wait)
	}
}

// given counts how many of n requests at once a replica lets through.
func (w *bucketWorld) given(replica, n int, of limit.Take) int {
	given := 0
	for range n {
		if i, _ := w.Replicas[replica].Take(w.t.Context(), w.now, of); i < 0 {
			given++
		}
	}
	return given
}

func ten(key string) limit.Take {
	return limit.Take{Key: key, Budget: limit.Budget{Count: 10, Per: 10 * time.Hour}}
}

func hundred(key string) limit.Take {
	return limit.Take{Key: key, Budget: limit.Budget{Count: 100, Per: 100 * time.Hour}}
}

func giveExactlyTheBudget(w *bucketWorld) {
	var given, refused atomic.Int32
	race(crowd, func(i int) {
		if i, wait := w.Replicas[i%len(w.Replicas)].Take(w.t.Context(), w.now, ten("k")); i < 0 {
			given.Add(1)
		} else if i == 0 && w.waits(wait, time.Hour) {
			refused.Add(1)
		}
	})
	if given.Load() != 10 || refused.Load() != crowd-10 {
		w.t.Errorf("of %d parallel requests %d were let through and %d refused for an hour, want 10 and %d",
			crowd, given.Load(), refused.Load(), crowd-10)
	}
}

// Whoever has used a bucket up at one replica finds it empty at the others, and
// those who come and go between them get no more.
func giveExactlyTheBudgetInTurn(w *bucketWorld) {
	last := len(w.Replicas) - 1
	for _, turns := range [][]int{{10, 0}, {4, 6}, {5, 5}} {
		key := fmt.Sprint("k", turns)
		if n := w.given(0, turns[0], ten(key)) + w.given(last, turns[1], ten(key)); n != 10 {
			w.t.Errorf("%v in turn: %d were let through, want 10", turns, n)
		}
		for _, replica := range []int{last, 0, last} {
			w.takes(replica, 0, time.Hour, ten(key))
		}
	}
	for i := range 10 {
		w.takes(i%len(w.Replicas), -1, 0, ten("k"))
	}
	w.takes(0, 0, time.Hour, ten("k"))
}

// At worst each replica gives all of it before it hears of the others; then
// what was given too much is owed.
func shareLargeBudgetsSoon(w *bucketWorld) {
	var given atomic.Int32
	n := len(w.Replicas)
	race(crowd, func(i int) { given.Add(int32(w.given(i%n, 2*100, hundred("k")))) })
	if g := int(given.Load()); g < 100 || g > n*100 {
		w.t.Errorf("%d were let through, want 100 to %d", g, n*100)
	}
	w.settle()
	for i := range w.Replicas {
		if w.given(i, 1, hundred("k")) != 0 {
			w.t.Error("a replica gives what another one gave")
		}
	}
	for i := range w.Replicas { // one after the other
		w.given(i, 100/n, hundred("in turn"))
		w.settle()
	}
	for i := range w.Replicas {
		w.given(i, 1, hundred("in turn")) // now it hears of it
		w.settle()
		if w.given(i, 10, hundred("in turn")) != 0 {
			w.t.Errorf("replica %d gives more of what all have used up", i)
		}
	}
}

// No window begins anywhere: after a tenth of the time a tenth is there again,
// and never more than all of it.
func refillContinuously(w *bucketWorld) {
	w.given(0, 10, ten("k"))
	w.pass(30 * time.Minute)
	w.takes(0, 0, 30*time.Minute, ten("k"))
	w.takes(0, 0, 30*time.Minute, ten("k")) // a refusal costs nothing
	w.pass(30 * time.Minute)
	w.takes(0, -1, 0, ten("k"))
	w.takes(0, 0, time.Hour, ten("k"))
	w.pass(1000 * time.Hour)
	if n := w.given(0, 20, ten("k")); n != 10 {
		w.t.Errorf("after a long time %d were let through, want 10", n)
	}
	w.takes(0, 0, time.Hour, ten("k"))
}

func refillLargeBudgetsToo(w *bucketWorld) {
	w.given(0, 100, hundred("k"))
	w.settle()
	w.pass(time.Hour)
	w.takes(0, -1, 0, hundred("k"))
	w.settle()
	w.takes(0, 0, time.Hour, hundred("k"))
	w.pass(1000 * time.Hour)
	if n := w.given(0, 200, hundred("k")); n != 100 {
		w.t.Errorf("after a long time %d were let through, want 100", n)
	}
}

// From the bucket that is empty, and those after it, nothing is taken.
func takeInOrder(w *bucketWorld) {
	small := limit.Take{Key: "small", Budget: limit.Budget{Count: 1, Per: 10 * time.Hour}}
	w.takes(0, -1, 0, ten("a"), small, ten("b"))
	for range 9 {
		w.takes(0, 1, 10*time.Hour, ten("a"), small, ten("b"))
	}
	w.takes(0, 0, time.Hour, ten("a"), small)
	for range 9 {
		w.takes(0, -1, 0, ten("b"))
	}
	w.takes(0, 0, time.Hour, ten("b"))
}

func areSeparate(w *bucketWorld) {
	once := func(key string) limit.Take {
		return limit.Take{Key: key, Budget: limit.Budget{Count: 1, Per: time.Hour}}
	}
	for i := range 20 {
		w.takes(0, -1, 0, once(fmt.Sprint("k", i)))
	}
	w.takes(0, 0, time.Hour, once("k7"))
}

func noTakesAreNotRefused(w *bucketWorld) { w.takes(0, -1, 0) }

func areNotUnlimitedWithoutTheirStore(w *bucketWorld) {
	if w.Cut == nil {
		return
	}
	w.given(0, 4, ten("known"))
	w.given(0, 40, hundred("known to one"))
	w.Cut()
	for _, c := range []struct {
		of   limit.Take
		want int
	}{{ten("known"), 6}, {ten("new"), 10}, {hundred("known to one"), 60}, {hundred("new to all"), 100}} {
		if n := w.given(0, 300, c.of); n != c.want {
			w.t.Errorf("%s: without the store %d more were let through, want %d", c.of.Key, n, c.want)
		}
	}
}

// What somebody asks for counts, whether they wait for the answer or not.
func bucketsSurviveACallerWhoHungUp(w *bucketWorld) {
	ctx := hungUp(w.t)
	for range 10 {
		w.Replicas[0].Take(ctx, w.now, ten("k"))
	}
	w.takes(len(w.Replicas)-1, 0, time.Hour, ten("k"))
}
