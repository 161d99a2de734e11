package keys_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/adapters/memory"
	app "gatehouse/application/keys"
	"gatehouse/application/password/passwordtest"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// replica is a process with keys of its own.
type replica struct {
	*world
	ring   *app.Ring
	worker *app.Worker
	keeper *app.Keeper
	clock  *clock
}

// clock stands still, unless it is zero: then it is that of the bubble.
type clock struct{ time.Time }

func (c *clock) now() time.Time {
	if c.IsZero() {
		return time.Now()
	}
	return c.Time
}

// replica starts one more process on the store of w, with the clock of others
// or one of its own.
func (w *world) replica(t *testing.T, c *clock, changes ...func(*app.WorkerDeps)) *replica {
	t.Helper()
	r := &replica{world: w, clock: c}
	now := c.now
	newID := func() string { return fmt.Sprintf("kid-%d", w.ids.Add(1)) }
	log := slog.New(slog.DiscardHandler)
	r.keeper = app.NewKeeper(app.KeeperDeps{Work: w.work, Maker: w.safe, Wrapper: w.safe, Now: now, NewID: newID})
	check(t, r.keeper.Ensure(t.Context()))
	r.ring = app.NewRing(app.RingDeps{Keeper: r.keeper, Every: 2 * time.Second, Now: now, Log: log})
	check(t, r.ring.Reload(t.Context()))
	d := app.WorkerDeps{
		Work: w.work, Keeper: r.keeper, Ring: r.ring, Owner: newID(), Every: 2 * time.Second, Now: now, NewID: newID, Log: log,
		TokenLife: 90 * 24 * time.Hour,
	}
	for _, change := range changes {
		change(&d)
	}
	r.worker = app.NewWorker(d)
	return r
}

func (r *replica) start(t *testing.T) error {
	t.Helper()
	_, err := app.NewStarter(app.StarterDeps{
		Work: r.work, Wake: r.worker.Wake, Now: r.clock.now, NewID: func() string { return fmt.Sprintf("rotation-%d", r.ids.Add(1)) },
	}).Do(t.Context(), inbound.RotateKeys{})
	return err
}

func (r *replica) report(t *testing.T) key.Rotation {
	t.Helper()
	got, err := app.NewReporter(app.ReporterDeps{Work: r.work.UnitOfWork}).Do(t.Context(), inbound.RotationStatus{})
	check(t, err)
	return got.Rotation
}

func (r *replica) rotate(t *testing.T) {
	t.Helper()
	check(t, r.start(t))
	if done, err := r.worker.Work(t.Context()); !done || err != nil {
		t.Fatalf("Work = %t, %v", done, err)
	}
}

// people adds principals, half of whom are guests.
func (w *world) people(t *testing.T, n int) {
	t.Helper()
	check(t, w.work.UnitOfWork.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		for i := range n {
			if err := s.Principals.Add(ctx, principal.NewGuest(principal.ID(fmt.Sprintf("p%05d", i)), "Guest", noon)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// summary counts keys as "purpose state slot".
func summary(ring []key.Wrapped) string {
	var all []string
	for _, k := range ring {
		all = append(all, fmt.Sprintf("%s %s %d", k.Purpose, k.State, k.Slot))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

const rotatedOnce = "blind_index current 2, blind_index retired 0, encryption current 0, encryption retired 0, " +
	"signing current 0, signing next 0, signing retired 0"

func TestARotationExchangesEveryKey(t *testing.T) {
	r := newWorld().replica(t, &clock{noon})
	r.people(t, 1201)
	if got := r.report(t); !got.StartedAt.IsZero() || got.Running() || len(got.Steps) != 0 {
		t.Errorf("before the first one: %+v", got)
	}
	before := r.ring.Keys()
	r.rotate(t)
	if got := summary(r.stored(t)); got != rotatedOnce {
		t.Errorf("keys %s\nwant %s", got, rotatedOnce)
	}
	signs, _ := before.In(key.Signing, key.Next)
	if now, _ := r.ring.Keys().In(key.Signing, key.Current); now.ID != signs.ID {
		t.Errorf("%s signs, want %s, which was published", now.ID, signs.ID)
	}
	got := r.report(t)
	if got.Running() || got.FinishedAt.IsZero() {
		t.Errorf("finished: %+v", got)
	}
	want := map[key.StepName]int{key.SigningKeys: 1, key.EncryptionKeys: 1, key.BlindIndexKeys: 1, key.Reencrypt: 1201, key.Reindex: 0}
	for _, s := range got.Steps {
		if s.Processed != want[s.Name] || s.Total != want[s.Name] || s.Failed != 0 || !s.Done {
			t.Errorf("step %+v", s)
		}
	}
	r.clock.Time = noon.Add(time.Hour)
	r.rotate(t) // the other slot
	if k, _ := r.ring.Keys().In(key.BlindIndex, key.Current); k.Slot != key.FirstSlot {
		t.Errorf("after the second one the index has slot %d", k.Slot)
	}
}

// Wherever a process dies, another one finishes what it began, and nothing is
// done twice (F94).
func TestARotationIsResumedAfterACrashAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		w, c := newWorld(), &clock{noon}
		w.people(t, 501)
		first := w.replica(t, c)
		check(t, first.start(t))
		w.work.FailAt, w.work.Err = w.work.Calls()+n, io.ErrUnexpectedEOF
		done, err := first.worker.Work(t.Context())
		if done {
			if n < 20 {
				t.Errorf("%d calls could fail", n-1)
			}
			return
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("Work = %v", err)
		}
		w.work.FailAt = 0
		if err := first.start(t); fault.CodeOf(err) != fault.SecretRotationOngoing && first.report(t).Running() {
			t.Errorf("a second one beside one that stands still: %v", err)
		}
		c.Time = noon.Add(time.Minute) // the lease is over
		second := w.replica(t, c)
		if _, err := second.worker.Work(t.Context()); err != nil && !errors.Is(err, outbound.ErrNotFound) {
			t.Fatalf("after call %d: %v", n, err)
		}
		if got := summary(w.stored(t)); got != rotatedOnce {
			t.Errorf("after call %d: keys %s\nwant %s", n, got, rotatedOnce)
		}
		r := second.report(t)
		if s := r.Steps[3]; r.Running() || s.Processed != 501 || s.Total != 501 {
			t.Errorf("after call %d: %+v", n, r)
		}
	}
}

func TestOneOfManyStartsARotation(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	var all sync.WaitGroup
	results := make(chan error, 20)
	r := w.replica(t, c)
	for range cap(results) {
		all.Go(func() { results <- r.start(t) })
	}
	all.Wait()
	close(results)
	started := 0
	for err := range results {
		switch {
		case err == nil:
			started++
		case fault.CodeOf(err) != fault.SecretRotationOngoing:
			t.Errorf("start = %v", err)
		}
	}
	if started != 1 {
		t.Errorf("%d were started", started)
	}
}

func TestWhoStopsOrFailsLetsOthersGoOn(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	first, second := w.replica(t, c), w.replica(t, c)
	check(t, first.start(t))
	w.safe.mute.Store(true)
	if _, err := first.worker.Work(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Work = %v", err)
	}
	w.safe.mute.Store(false)
	ctx, cancel := context.WithCancel(t.Context())
	stopping := &stolen{UnitOfWork: w.work, meanwhile: cancel}
	third := w.replica(t, c, func(d *app.WorkerDeps) { d.Work = stopping })
	if _, err := third.worker.Work(ctx); fault.CodeOf(err) != fault.DatabaseFailure {
		t.Errorf("Work of a process that is told to stop = %v", err)
	}
	if done, err := second.worker.Work(t.Context()); !done || err != nil { // within the lease
		t.Errorf("Work = %t, %v", done, err)
	}
}

// stolen is a store of which a batch takes longer than the lease lasts.
type stolen struct {
	outbound.UnitOfWork
	meanwhile func()
}

func (s *stolen) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	if steal := s.meanwhile; steal != nil {
		s.meanwhile = nil
		steal()
	}
	return s.UnitOfWork.Within(ctx, fn)
}

func TestWhoLosesTheLeaseWritesNothingMore(t *testing.T) {
	w, c := newWorld(), &clock{noon}
	slow := &stolen{UnitOfWork: w.work}
	first := w.replica(t, c, func(d *app.WorkerDeps) { d.Work = slow })
	second := w.replica(t, c)
	check(t, first.start(t))
	slow.meanwhile = func() {
		if done, err := second.worker.Work(t.Context()); done || err != nil {
			t.Errorf("beside a lease: Work = %t, %v", done, err)
		}
		c.Time = noon.Add(time.Minute)
		if done, err := second.worker.Work(t.Context()); !done || err != nil {
			t.Errorf("after the lease: Work = %t, %v", done, err)
		}
	}
	if done, err := first.worker.Work(t.Context()); done || err != nil {
		t.Errorf("without the lease: Work = %t, %v", done, err)
	}
	if got := summary(w.stored(t)); got != rotatedOnce {
		t.Errorf("keys %s\nwant %s", got, rotatedOnce)
	}
}

// A key signs no sooner than others may have read it in the key set (F11): here
// the second one is asked for too soon.
func TestAKeyIsPublishedTenMinutesBeforeItSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := w.replica(t, &clock{})
		time.Sleep(time.Second)
		r.rotate(t)
		next, _ := r.ring.Keys().In(key.Signing, key.Next)
		r.rotate(t)
		if k, _ := r.ring.Keys().In(key.Signing, key.Next); k.ID != next.ID || !k.DueAt.Equal(next.CreatedAt.Add(10*time.Minute)) {
			t.Errorf("next is %+v", k)
		}
		var loops sync.WaitGroup
		for range 2 { // replicas promote it once
			other := w.replica(t, &clock{})
			loops.Go(func() { other.worker.Run(ctx) })
			loops.Go(func() { other.ring.Run(ctx) })
		}
		time.Sleep(10*time.Minute - time.Second)
		if k := currentOf(t, w, key.Signing); k.ID == next.ID {
			t.Error("it signs too soon")
		}
		time.Sleep(4 * time.Second)
		if k := currentOf(t, w, key.Signing); k.ID != next.ID || !k.DueAt.IsZero() {
			t.Errorf("%+v signs, want %s", k, next.ID)
		}
		cancel()
		loops.Wait()
		if n := strings.Count(summary(w.stored(t)), "signing next"); n != 1 {
			t.Errorf("%d keys come next", n)
		}
	})
}

func currentOf(t *testing.T, w *world, p key.Purpose) key.Key {
	t.Helper()
	for _, k := range w.stored(t) {
		if k.Purpose == p && k.State == key.Current {
			return k.Key
		}
	}
	t.Fatalf("no %s key is current", p)
	return key.Key{}
}

func TestKeysAreRotatedWhenTheIntervalHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		r := w.replica(t, &clock{}, func(d *app.WorkerDeps) { d.Interval, d.Every = 24*time.Hour, time.Minute })
		began := time.Now()
		var loop sync.WaitGroup
		loop.Go(func() { r.worker.Run(ctx) })
		for n := range 3 {
			day := began.Add(24 * time.Hour * time.Duration(n+1))
			time.Sleep(time.Until(day.Add(-time.Second)))
			if got := len(w.stored(t)); got != 4+3*n {
				t.Errorf("%d keys before rotation %d", got, n+1)
			}
			time.Sleep(10 * time.Minute)
			if got := len(w.stored(t)); got != 7+3*n {
				t.Errorf("%d keys after rotation %d", got, n+1)
			}
		}
		cancel()
		loop.Wait()
	})
}

func TestRetiredKeysStayForAsLongAsTheyAreNeeded(t *testing.T) {
	const day = 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		r := w.replica(t, &clock{}, func(d *app.WorkerDeps) { d.Every = 20 * time.Minute })
		r.rotate(t)
		var loop sync.WaitGroup
		loop.Go(func() { r.worker.Run(ctx) })
		passed := time.Duration(0)
		for _, step := range []struct {
			at   time.Duration
			left string
		}{
			{30 * day, "blind_index encryption signing"},
			{32 * day, "blind_index signing"}, // nothing that was for nobody is in the outbox any more
			{90 * day, "blind_index signing"},
			{90*day + 2*time.Hour, "blind_index"}, // no token is left
			{client.Remembered - time.Hour, "blind_index"},
			{client.Remembered + 2*time.Hour, ""}, // no device is known by it
		} {
			time.Sleep(step.at - passed)
			passed = step.at
			var left []string
			for _, k := range w.stored(t) {
				if k.State == key.Retired {
					left = append(left, string(k.Purpose))
				}
			}
			slices.Sort(left)
			if got := strings.Join(left, " "); got != step.left {
				t.Errorf("after %v: %q is retired, want %q", step.at, got, step.left)
			}
		}
		cancel()
		loop.Wait()
	})
}

// unreadable is a store in which some records cannot be read.
type unreadable struct {
	outbound.UnitOfWork
	failed atomic.Int32
}

func (u *unreadable) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return u.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return fn(ctx, u.stores(s)) })
}

func (u *unreadable) Single() outbound.Stores { return u.stores(u.UnitOfWork.Single()) }

func (u *unreadable) stores(s outbound.Stores) outbound.Stores {
	s.Rekeying = failing{s.Rekeying, u}
	return s
}

type failing struct {
	outbound.Rekeying
	u *unreadable
}

func (f failing) Rewrap(context.Context, principal.ID, int) (outbound.Batch, error) {
	return outbound.Batch{Seen: 3, Failed: int(f.u.failed.Load()), Last: "p"}, nil
}

func (f failing) Reindex(context.Context, principal.ID, int) (outbound.Batch, error) {
	return outbound.Batch{Seen: 3, Failed: int(f.u.failed.Load()), Last: "p"}, nil
}

// What cannot be read keeps the old keys alive, and is tried again before a
// third index key is made (F94).
func TestUnreadableRecordsKeepTheirKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		broken := &unreadable{UnitOfWork: w.work}
		broken.failed.Store(1)
		r := w.replica(t, &clock{}, func(d *app.WorkerDeps) { d.Work, d.Every = broken, time.Minute })
		r.rotate(t)
		if got := r.report(t); got.Running() || got.Steps[3].Failed != 1 || got.Steps[4].Failed != 1 {
			t.Errorf("%+v", got)
		}
		const kept = "blind_index current 2, blind_index retired 1, encryption current 0, encryption retired 0"
		if got := summary(w.stored(t)); !strings.HasPrefix(got, kept) {
			t.Errorf("keys %s", got)
		}
		time.Sleep(200 * 24 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		var loop sync.WaitGroup
		loop.Go(func() { r.worker.Run(ctx) })
		time.Sleep(time.Hour)
		if got := summary(w.stored(t)); !strings.HasPrefix(got, kept) {
			t.Errorf("long after: keys %s", got)
		}
		check(t, r.start(t))
		time.Sleep(2 * time.Minute)
		if got := summary(w.stored(t)); !strings.HasPrefix(got, "blind_index current 2, blind_index retired 1, encryption current") {
			t.Errorf("after another rotation: keys %s", got)
		}
		broken.failed.Store(0)
		check(t, r.start(t))
		time.Sleep(2 * time.Hour)
		if got := summary(w.stored(t)); strings.Contains(got, "blind_index retired 1") {
			t.Errorf("when all can be read: keys %s", got)
		}
		cancel()
		loop.Wait()
	})
}

// What wraps keys is away: the rotation stands still, and goes on later (F68).
func TestARotationWaitsForWhatWrapsItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		r := w.replica(t, &clock{})
		w.safe.mute.Store(true)
		check(t, r.start(t))
		var loop sync.WaitGroup
		loop.Go(func() { r.worker.Run(ctx) })
		time.Sleep(time.Hour)
		if got := r.report(t); !got.Running() || got.Steps[0].Done || len(w.stored(t)) != 4 {
			t.Errorf("while it is away: %+v", got)
		}
		check(t, r.ring.Reload(t.Context()))
		w.safe.mute.Store(false)
		time.Sleep(time.Minute)
		if got := r.report(t); got.Running() || summary(w.stored(t)) != rotatedOnce {
			t.Errorf("when it is back: %+v, %s", got, summary(w.stored(t)))
		}
		cancel()
		loop.Wait()
	})
}

// Nobody writes under a key that others cannot open yet.
func TestAKeyIsUsedWhenEveryReplicaHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.replica(t, &clock{}, func(d *app.WorkerDeps) { d.Spread = 5 * time.Second })
		began := time.Now()
		check(t, r.start(t))
		var work sync.WaitGroup
		work.Go(func() {
			if done, err := r.worker.Work(t.Context()); !done || err != nil {
				t.Errorf("Work = %t, %v", done, err)
			}
		})
		seen := map[string]time.Duration{}
		for range 100 {
			time.Sleep(250 * time.Millisecond)
			synctest.Wait()
			for _, k := range w.stored(t) {
				name := fmt.Sprintf("%s %s %d", k.Purpose, k.State, k.Slot)
				if _, ok := seen[name]; !ok {
					seen[name] = time.Since(began)
				}
			}
		}
		work.Wait()
		for next, used := range map[string]string{"encryption next 0": "encryption retired 0", "blind_index next 2": "blind_index current 2"} {
			if wait := seen[used] - seen[next]; wait < 4500*time.Millisecond || seen[next] == 0 {
				t.Errorf("%s after %v, %s after %v", next, seen[next], used, seen[used])
			}
		}
	})
}

func TestKilledKeysAreGoneAndTheNextOneSigns(t *testing.T) {
	w := newWorld()
	r := w.replica(t, &clock{noon})
	killer := app.NewKiller(app.KillerDeps{Work: w.work, Keeper: r.keeper, Now: r.clock.now})
	kill := func(id string) error {
		_, err := killer.Do(t.Context(), inbound.KillKey{ID: id})
		check(t, r.ring.Reload(t.Context()))
		return err
	}
	current, _ := r.ring.Keys().In(key.Signing, key.Current)
	next, _ := r.ring.Keys().In(key.Signing, key.Next)
	check(t, kill(current.ID))
	if k, _ := r.ring.Keys().In(key.Signing, key.Current); k.ID != next.ID {
		t.Errorf("%s signs, want %s", k.ID, next.ID)
	}
	if _, ok := r.ring.Keys().Find(current.ID); ok {
		t.Error("the killed key is still there")
	}
	fresh, _ := r.ring.Keys().In(key.Signing, key.Next)
	check(t, kill(fresh.ID))
	if k, ok := r.ring.Keys().In(key.Signing, key.Next); !ok || k.ID == fresh.ID {
		t.Errorf("next is %+v", k)
	}
	r.clock.Time = noon.Add(time.Hour)
	r.rotate(t)
	retired, _ := r.ring.Keys().In(key.Signing, key.Retired)
	check(t, kill(retired.ID))
	kek, _ := r.ring.Keys().In(key.Encryption, key.Current)
	for _, id := range []string{kek.ID, "nothing", ""} {
		if err := kill(id); !errors.Is(err, app.ErrNoSigningKey) {
			t.Errorf("kill of %q = %v", id, err)
		}
	}
}

func TestRefusalsAndFailuresOfAStart(t *testing.T) {
	w := &world{work: &passwordtest.Work{UnitOfWork: memory.New()}, safe: &safe{master: "m"}}
	r := w.replica(t, &clock{noon})
	w.work.FailAt, w.work.Err = w.work.Calls()+1, fault.New(fault.DatabaseFailure)
	if err := r.start(t); fault.CodeOf(err) != fault.DatabaseFailure || r.report(t).Running() {
		t.Errorf("start = %v", err)
	}
}
