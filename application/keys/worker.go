package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/domain/key"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

const (
	// batch keeps each transaction of a rotation short (faults §9.6).
	batch = 500

	// lease is how long a rotation stands still after the process that worked
	// on it has died. Every batch renews it.
	lease = 30 * time.Second

	// retryIn is how long a rotation waits after a failure.
	retryIn = 10 * time.Second
)

// WorkerDeps are what a [Worker] works with. All are required but where it says
// so.
type WorkerDeps struct {
	Work   outbound.UnitOfWork
	Keeper *Keeper
	Ring   *Ring
	Owner  string        // of leases; no other process has it
	Spread time.Duration // after which every process has loaded what was stored; zero when there is no other one
	Every  time.Duration // between two looks at what is to be done
	Now    func() time.Time
	NewID  func() string
	Log    *slog.Logger

	Interval  time.Duration // between two rotations; zero: only on demand
	TokenLife time.Duration // of the token that lives longest
}

// Worker exchanges keys in the background. Any number of replicas may have one:
// each rotation is worked on by the one that has its lease, and resumed by
// another one if that dies.
type Worker struct {
	d      WorkerDeps
	wake   chan struct{}
	pruned time.Time
}

// NewWorker returns a Worker.
func NewWorker(d WorkerDeps) *Worker { return &Worker{d: d, wake: make(chan struct{}, 1)} }

// Wake makes it look at once whether there is something to do.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run looks after the keys until ctx ends. Failures are logged, and tried again
// a little later.
func (w *Worker) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := w.d.Every
		if err := w.round(ctx); err != nil && ctx.Err() == nil {
			w.d.Log.ErrorContext(ctx, "keys not looked after", "err", err)
			wait = max(wait, retryIn)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-w.wake:
		}
		t.Stop()
	}
}

func (w *Worker) round(ctx context.Context) error {
	return errors.Join(w.promote(ctx), w.onTime(ctx), w.work(ctx), w.prune(ctx))
}

// work works on the rotation that runs, if there is one to be had.
func (w *Worker) work(ctx context.Context) error {
	latest, err := w.d.Work.Single().Rotations.Latest(ctx)
	switch {
	case errors.Is(err, outbound.ErrNotFound), err == nil && !latest.Running():
		return nil
	case err != nil:
		return fmt.Errorf("look for a rotation: %w", err)
	}
	_, err = w.Work(ctx)
	return err
}

// onTime starts a rotation when the interval has passed.
func (w *Worker) onTime(ctx context.Context) error {
	if w.d.Interval <= 0 {
		return nil
	}
	since, err := w.lastTime(ctx)
	if now := w.d.Now(); err == nil && !since.IsZero() && !now.Before(since.Add(w.d.Interval)) {
		err = start(ctx, w.d.Work, w.d.NewID(), now)
	}
	if errors.Is(err, outbound.ErrTaken) {
		return nil
	}
	return err
}

// lastTime is when the last rotation began or, before the first one, when the
// oldest key in use was made.
func (w *Worker) lastTime(ctx context.Context) (oldest time.Time, _ error) {
	latest, err := w.d.Work.Single().Rotations.Latest(ctx)
	if err == nil {
		return latest.StartedAt, nil
	}
	if !errors.Is(err, outbound.ErrNotFound) {
		return oldest, fmt.Errorf("look for the last rotation: %w", err)
	}
	for _, k := range w.d.Ring.Keys() {
		if k.State == key.Current && (oldest.IsZero() || k.CreatedAt.Before(oldest)) {
			oldest = k.CreatedAt
		}
	}
	return oldest, nil
}

// promote makes the next signing key the current one when that is due.
func (w *Worker) promote(ctx context.Context) error {
	next, ok := w.d.Ring.Keys().In(key.Signing, key.Next)
	if !ok || next.DueAt.IsZero() || w.d.Now().Before(next.DueAt) {
		return nil
	}
	now := w.d.Now()
	fresh, err := w.d.Keeper.make(ctx, key.Key{Purpose: key.Signing, State: key.Next}, now)
	if err != nil {
		return err
	}
	err = w.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		ring, err := stored(ctx, s)
		if err != nil {
			return err
		}
		if same, ok := ring.Find(next.ID); !ok || same != next {
			return nil // another replica was faster
		}
		return exchangeSigning(ctx, s, ring, fresh, now)
	})
	if raced(err) {
		err = nil
	}
	return errors.Join(err, w.d.Ring.Reload(ctx))
}

// raced reports whether another replica did the same at the same time.
func raced(err error) bool {
	return errors.Is(err, outbound.ErrStale) || errors.Is(err, outbound.ErrTaken)
}

// exchangeSigning retires the current signing key, promotes the next one, and
// publishes a fresh one.
func exchangeSigning(ctx context.Context, s outbound.Stores, ring key.Ring, fresh key.Wrapped, now time.Time) error {
	next, _ := ring.In(key.Signing, key.Next)
	if err := retire(ctx, s, ring, key.Signing, now); err != nil {
		return err
	}
	return succeed(ctx, s, next, fresh)
}

// retire retires the current key of a purpose.
func retire(ctx context.Context, s outbound.Stores, ring key.Ring, p key.Purpose, now time.Time) error {
	current, ok := ring.In(p, key.Current)
	if !ok {
		return fmt.Errorf("no %s key is current", p)
	}
	if err := s.Keys.Change(ctx, current.Retire(now), key.Current); err != nil {
		return fmt.Errorf("retire %s key: %w", p, err)
	}
	return nil
}

// job is a rotation that is being worked on.
type job struct {
	*Worker
	claim outbound.RotationClaim
}

// Work works on the rotation that runs until it is finished. It returns false
// when somebody else has the lease, or has got it meanwhile, and
// [outbound.ErrNotFound] when none runs.
func (w *Worker) Work(ctx context.Context) (finished bool, _ error) {
	now := w.d.Now()
	c, err := w.d.Work.Single().Rotations.Claim(ctx, w.d.Owner, now, now.Add(lease))
	if errors.Is(err, outbound.ErrTaken) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim rotation: %w", err)
	}
	j := &job{w, c}
	for step, left := c.Rotation.Step(); left; step, left = j.claim.Rotation.Step() {
		err := j.do(ctx, step)
		if errors.Is(err, errLeaseLost) {
			return false, nil
		}
		if err != nil {
			return false, errors.Join(fmt.Errorf("rotation step %s: %w", step.Name, err), j.release(ctx))
		}
	}
	w.d.Log.InfoContext(ctx, "keys rotated", "rotation", c.Rotation.ID)
	return true, w.d.Ring.Reload(ctx)
}

// release lets others go on at once, also when this process is told to stop.
func (j *job) release(ctx context.Context) error {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := j.d.Work.Single().Rotations.Save(ctx, j.claim, j.d.Now())
	if err != nil && !errors.Is(err, outbound.ErrStale) {
		return fmt.Errorf("release rotation: %w", err)
	}
	return nil
}

func (j *job) do(ctx context.Context, s key.Step) error {
	switch s.Name {
	case key.SigningKeys:
		return j.signing(ctx, s)
	case key.EncryptionKeys:
		return j.encryption(ctx, s)
	case key.BlindIndexKeys:
		return j.blindIndex(ctx, s)
	case key.Reencrypt:
		return j.reencrypt(ctx, s)
	case key.Reindex:
		return j.reindex(ctx, s)
	}
	return fmt.Errorf("nobody knows step %q", s.Name)
}

var errLeaseLost = errors.New("another process works on the rotation")

// within does a part of a step and notes it, both or neither. fn returns how
// far the step is then.
func (j *job) within(ctx context.Context, fn func(context.Context, outbound.Stores) (key.Step, error)) error {
	var then key.Rotation
	err := j.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		step, err := fn(ctx, s)
		if err != nil {
			return err
		}
		then = j.claim.Rotation.With(step, j.d.Now())
		return j.save(ctx, s, then)
	})
	if err == nil {
		j.claim.Rotation = then
	}
	return err
}

func (j *job) save(ctx context.Context, s outbound.Stores, r key.Rotation) error {
	c := j.claim
	c.Rotation = r
	err := s.Rotations.Save(ctx, c, j.d.Now().Add(lease))
	if errors.Is(err, outbound.ErrStale) {
		return errLeaseLost
	}
	if err != nil {
		return fmt.Errorf("save rotation: %w", err)
	}
	return nil
}

// settle waits until every process has loaded the keys that are stored now.
func (j *job) settle(ctx context.Context) error {
	if err := j.d.Ring.Reload(ctx); err != nil {
		return err
	}
	if err := j.save(ctx, j.d.Work.Single(), j.claim.Rotation); err != nil {
		return err
	}
	if !pause(ctx, j.d.Spread) {
		return ctx.Err()
	}
	return nil
}

// signing lets the next key sign, at once or as soon as it has been published
// long enough, and publishes another one.
func (j *job) signing(ctx context.Context, step key.Step) error {
	now := j.d.Now()
	fresh, err := j.d.Keeper.make(ctx, key.Key{Purpose: key.Signing, State: key.Next}, now)
	if err != nil {
		return err
	}
	err = j.within(ctx, func(ctx context.Context, s outbound.Stores) (key.Step, error) {
		ring, err := stored(ctx, s)
		if err != nil {
			return step, err
		}
		current, _ := ring.In(key.Signing, key.Current)
		next, ok := ring.In(key.Signing, key.Next)
		if !ok {
			return step, errors.New("there is no next key")
		}
		if from := key.SignsFrom(current, next); from.After(now) {
			next.DueAt = from
			return step.Once(), s.Keys.Change(ctx, next, key.Next)
		}
		return step.Once(), exchangeSigning(ctx, s, ring, fresh, now)
	})
	if err != nil {
		return err
	}
	return j.d.Ring.Reload(ctx)
}

// encryption publishes a key, and makes it the current one when every process
// can open what is wrapped by it.
func (j *job) encryption(ctx context.Context, step key.Step) error {
	if err := j.publish(ctx, key.Key{Purpose: key.Encryption, State: key.Next}); err != nil {
		return err
	}
	if err := j.settle(ctx); err != nil {
		return err
	}
	return j.within(ctx, func(ctx context.Context, s outbound.Stores) (key.Step, error) {
		ring, err := stored(ctx, s)
		if err != nil {
			return step, err
		}
		if err := retire(ctx, s, ring, key.Encryption, j.d.Now()); err != nil {
			return step, err
		}
		next, _ := ring.In(key.Encryption, key.Next)
		return step.Once(), s.Keys.Change(ctx, next.Promoted(), key.Next)
	})
}

// publish makes a next key unless there is one: a rotation before, or this one
// before a crash, has made it.
func (j *job) publish(ctx context.Context, one key.Key) error {
	ring, err := stored(ctx, j.d.Work.Single())
	if err != nil {
		return err
	}
	if _, ok := ring.In(one.Purpose, key.Next); ok {
		return nil
	}
	made, err := j.d.Keeper.make(ctx, one, j.d.Now())
	if err != nil {
		return err
	}
	return j.within(ctx, func(ctx context.Context, s outbound.Stores) (key.Step, error) {
		step, _ := j.claim.Rotation.Step()
		return step, add(ctx, s, made)
	})
}

// blindIndex publishes a key for the slot that is free. While a key before the
// current one has not given up its slot, no third one is made: what could not
// be indexed is tried again first.
func (j *job) blindIndex(ctx context.Context, step key.Step) error {
	ring, err := stored(ctx, j.d.Work.Single())
	if err != nil {
		return err
	}
	current, _ := ring.In(key.BlindIndex, key.Current)
	if _, leaving := ring.Leaving(); !leaving {
		if err := j.publish(ctx, key.Key{Purpose: key.BlindIndex, State: key.Next, Slot: current.Slot.Other()}); err != nil {
			return err
		}
	}
	return j.within(ctx, func(context.Context, outbound.Stores) (key.Step, error) { return step.Once(), nil })
}

// reencrypt wraps every data key by the current encryption key.
func (j *job) reencrypt(ctx context.Context, step key.Step) error {
	if err := j.settle(ctx); err != nil {
		return err
	}
	if step.Total == 0 {
		var err error
		if step.Total, _, err = j.d.Work.Single().Rekeying.Count(ctx); err != nil {
			return fmt.Errorf("count data keys: %w", err)
		}
	}
	return j.batches(ctx, step, outbound.Rekeying.Rewrap, func(_ context.Context, _ outbound.Stores, s key.Step) (key.Step, error) {
		s.Done = true
		return s, nil
	})
}

// reindex indexes every address under the key that takes over, and lets it take
// over; then it clears the slot of the key before.
func (j *job) reindex(ctx context.Context, step key.Step) error {
	if err := j.settle(ctx); err != nil {
		return err
	}
	if step.Phase == key.Clearing {
		return j.batches(ctx, step, outbound.Rekeying.Clear, func(_ context.Context, _ outbound.Stores, s key.Step) (key.Step, error) {
			s.Done = true
			return s, nil
		})
	}
	if step.Total == 0 {
		var err error
		if _, step.Total, err = j.d.Work.Single().Rekeying.Count(ctx); err != nil {
			return fmt.Errorf("count addresses: %w", err)
		}
	}
	return j.batches(ctx, step, outbound.Rekeying.Reindex, j.takeOver)
}

// takeOver ends the first phase. The key before keeps its slot when there are
// addresses that only it finds.
func (j *job) takeOver(ctx context.Context, s outbound.Stores, step key.Step) (key.Step, error) {
	lacking, err := s.Rekeying.Lacking(ctx)
	if err != nil {
		return step, fmt.Errorf("count addresses that are not indexed: %w", err)
	}
	if lacking > step.Failed { // by somebody who has not loaded the key
		return step.Anew(), nil
	}
	ring, err := stored(ctx, s)
	if err != nil {
		return step, err
	}
	before, leaving := ring.Leaving()
	next, ok := ring.In(key.BlindIndex, key.Next)
	from := key.Retired
	if ok {
		before, leaving = ring.In(key.BlindIndex, key.Current)
		before, from = before.Retire(j.d.Now()), key.Current
	}
	if step.Failed == 0 {
		before.Slot = key.NoSlot
		step.Phase, step.After = key.Clearing, ""
	} else {
		step.Done = true
	}
	if leaving {
		if err := s.Keys.Change(ctx, before, from); err != nil {
			return step, fmt.Errorf("retire blind_index key: %w", err)
		}
	}
	if ok {
		if err := s.Keys.Change(ctx, next.Promoted(), key.Next); err != nil {
			return step, fmt.Errorf("make blind_index key current: %w", err)
		}
	}
	return step, nil
}

// rekey is one of the calls of [outbound.Rekeying].
type rekey = func(_ outbound.Rekeying, ctx context.Context, after principal.ID, limit int) (outbound.Batch, error)

// batches calls do until nothing is left of its phase of a step, and end with
// the last batch.
func (j *job) batches(
	ctx context.Context, step key.Step, do rekey, end func(context.Context, outbound.Stores, key.Step) (key.Step, error),
) error {
	for last := false; !last; {
		err := j.within(ctx, func(ctx context.Context, s outbound.Stores) (key.Step, error) {
			b, err := do(s.Rekeying, ctx, principal.ID(step.After), batch)
			if err != nil {
				return step, err
			}
			last = b.Seen < batch
			then := seen(step, b)
			if last {
				return end(ctx, s, then)
			}
			return then, nil
		})
		if err != nil {
			return err
		}
		step, _ = j.claim.Rotation.Step()
	}
	return nil
}

// seen counts a batch, unless it only clears up.
func seen(step key.Step, b outbound.Batch) key.Step {
	if b.Seen == 0 {
		return step
	}
	if step.Phase == key.Clearing {
		step.After = string(b.Last)
		return step
	}
	return step.Seen(b.Seen, b.Failed, string(b.Last))
}
