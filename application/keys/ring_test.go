package keys_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	app "gatehouse/application/keys"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
)

func TestKeysReachEveryProcessWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		a, b := w.replica(t, &clock{}), w.replica(t, &clock{})
		ctx, cancel := context.WithCancel(t.Context())
		var loop sync.WaitGroup
		loop.Go(func() { b.ring.Run(ctx) })
		var mu sync.Mutex
		var got []key.Opened
		installs := 0
		check(t, b.ring.Use(func(keys []key.Opened) error {
			mu.Lock()
			defer mu.Unlock()
			got, installs = keys, installs+1
			return nil
		}))
		time.Sleep(time.Minute + time.Second/2) // between two looks
		a.rotate(t)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		mu.Lock()
		if len(got) != 7 || installs != 2 {
			t.Errorf("%d keys after %d installs", len(got), installs)
		}
		mu.Unlock()
		cancel()
		loop.Wait()
	})
}

func TestKeysOfBeforeStayWhenOthersCannotBeHad(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	a, b := w.replica(t, c), w.replica(t, c)
	a.rotate(t)
	before := len(b.ring.Keys())
	c.Time = noon.Add(time.Minute)
	w.work.FailAt, w.work.Err = w.work.Calls()+1, fault.New(fault.DatabaseFailure)
	if err := b.ring.Reload(t.Context()); fault.CodeOf(err) != fault.DatabaseFailure {
		t.Errorf("without a database: Reload = %v", err)
	}
	w.safe.deaf.Store(true)
	if err := b.ring.Reload(t.Context()); !errors.Is(err, app.ErrNotOpened) {
		t.Errorf("without what wraps keys: Reload = %v", err)
	}
	w.safe.deaf.Store(false)
	refuse := true
	check(t, a.ring.Use(func([]key.Opened) error { return nil }))
	check(t, b.ring.Use(func([]key.Opened) error {
		if refuse {
			refuse = false
			return nil
		}
		return io.ErrNoProgress
	}))
	if err := b.ring.Reload(t.Context()); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("with keys nobody takes: Reload = %v", err)
	}
	if len(b.ring.Keys()) != before || b.ring.Age() != time.Minute {
		t.Errorf("%d keys, seen %v ago", len(b.ring.Keys()), b.ring.Age())
	}
}

// A process that is warm needs nothing of what wraps keys but for new ones
// (F68).
func TestAWarmProcessOpensNoKeyTwice(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	a := w.replica(t, c)
	a.rotate(t)
	w.safe.deaf.Store(true)
	killer := app.NewKiller(app.KillerDeps{Work: w.work, Keeper: a.keeper, Now: c.now})
	retired, _ := a.ring.Keys().In(key.Signing, key.Retired)
	_, err := killer.Do(t.Context(), killKey(retired.ID))
	check(t, err)
	check(t, a.ring.Reload(t.Context()))
	if _, ok := a.ring.Keys().Find(retired.ID); ok {
		t.Error("the change did not arrive")
	}
}

func TestWhoAsksForAnUnknownKeyHurriesOneReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		a := w.replica(t, &clock{})
		ctx, cancel := context.WithCancel(t.Context())
		var loop sync.WaitGroup
		loop.Go(func() { a.ring.Run(ctx) })
		time.Sleep(time.Millisecond)
		synctest.Wait()
		before := w.work.Calls()
		for range 1000 {
			a.ring.Poke()
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if got := w.work.Calls() - before; got != 1 {
			t.Errorf("%d looks after 1000 pokes, want 1", got)
		}
		cancel()
		loop.Wait()
	})
}

func TestAnotherMasterKeyTakesOver(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	w.replica(t, c)
	old, anew := w.safe, &safe{master: "master-2"}
	handover := app.Handover{To: anew, From: old}
	n, err := w.keeperWith(handover).Rewrap(t.Context())
	if err != nil || n != 4 {
		t.Errorf("Rewrap = %d, %v", n, err)
	}
	if n, err := w.keeperWith(handover).Rewrap(t.Context()); err != nil || n != 0 {
		t.Errorf("Rewrap again = %d, %v", n, err)
	}
	if all, err := w.keeperWith(anew).Load(t.Context()); err != nil || len(all) != 4 {
		t.Errorf("Load without the old one = %d keys, %v", len(all), err)
	}
	if _, err := w.keeperWith(old).Load(t.Context()); !errors.Is(err, app.ErrNotOpened) {
		t.Errorf("Load with the old one alone = %v", err)
	}
	stranger := app.Handover{To: &safe{master: "master-3"}, From: &safe{master: "master-4"}}
	if n, err := w.keeperWith(stranger).Rewrap(t.Context()); !errors.Is(err, app.ErrNotOpened) || n != 0 {
		t.Errorf("Rewrap by strangers = %d, %v", n, err)
	}
}

func TestReplicasThatRewrapAtOnceDoSoOnce(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	w.replica(t, c)
	handover := app.Handover{To: &safe{master: "master-2"}, From: w.safe}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := w.keeperWith(handover).Rewrap(t.Context()); err != nil {
				t.Errorf("Rewrap = %v", err)
			}
		})
	}
	all.Wait()
	for _, k := range w.stored(t) {
		if k.WrapperID != "master-2" {
			t.Errorf("%s is under %s", k.ID, k.WrapperID)
		}
	}
}

// Whoever needs keys that are surely the stored ones waits for one comparison,
// however many wait, and is refused when it fails.
func TestKeysThatMayBeOldAreComparedBeforeTheyAreTrusted(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	r := w.replica(t, c).ring
	check(t, r.Fresh(t.Context(), time.Minute))
	c.Time = noon.Add(time.Hour)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := r.Fresh(t.Context(), time.Minute); err != nil || r.Age() != 0 {
				t.Errorf("Fresh = %v, age %v", err, r.Age())
			}
		})
	}
	all.Wait()
	c.Time = noon.Add(2 * time.Hour)
	w.work.FailAt, w.work.Err = w.work.Calls()+1, fault.New(fault.DatabaseFailure)
	if r.Fresh(t.Context(), time.Minute) == nil {
		t.Error("keys that could not be compared pass for the stored ones")
	}
}
