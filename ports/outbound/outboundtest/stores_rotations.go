package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/key"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

var rotationChecks = []storeCheck{
	{"RotationsRoundTrip", rotationsRoundTrip},
	{"OneRotationOfMany", oneRotationOfMany},
	{"RotationIsLeasedToOne", rotationIsLeasedToOne},
	{"RotationLeaseIsFenced", rotationLeaseIsFenced},
	{"FinishedRotationIsOver", finishedRotationIsOver},
	{"RotationRollsBack", rotationRollsBack},
	{"RekeyingSeesEveryoneOnce", rekeyingSeesEveryoneOnce},
}

func sameRotation(t *testing.T, got, want key.Rotation) {
	t.Helper()
	inUTC(&got.StartedAt, &got.FinishedAt, &want.StartedAt, &want.FinishedAt)
	same(t, "rotation", got, want)
}

func rotationsRoundTrip(t *testing.T, w work) {
	r := w.Single().Rotations
	if _, err := r.Latest(t.Context()); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("Latest before the first = %v, want ErrNotFound", err)
	}
	if _, err := r.Claim(t.Context(), "me", at, at.Add(time.Minute)); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("Claim before the first = %v, want ErrNotFound", err)
	}
	want := key.NewRotation("r1", at)
	must(t, r.Start(t.Context(), want))
	got, err := r.Latest(t.Context())
	must(t, err)
	sameRotation(t, got, want)

	c, err := r.Claim(t.Context(), "me", at, at.Add(time.Minute))
	must(t, err)
	sameRotation(t, c.Rotation, want)
	step := key.Step{Name: key.Reindex, Processed: 3, Total: 5, Failed: 1, Phase: key.Clearing, After: "p3"}
	c.Rotation = c.Rotation.With(step, at)
	must(t, r.Save(t.Context(), c, at.Add(time.Minute)))
	got, err = r.Latest(t.Context())
	must(t, err)
	sameRotation(t, got, c.Rotation)
}

func oneRotationOfMany(t *testing.T, w work) {
	var started atomic.Int32
	race(crowd, func(i int) {
		switch err := w.Single().Rotations.Start(t.Context(), key.NewRotation(fmt.Sprint("r", i), at)); {
		case err == nil:
			started.Add(1)
		case !errors.Is(err, outbound.ErrTaken):
			t.Errorf("Start = %v, want nil or ErrTaken", err)
		}
	})
	if started.Load() != 1 {
		t.Errorf("%d of %d started a rotation, want 1", started.Load(), crowd)
	}
}

func rotationIsLeasedToOne(t *testing.T, w work) {
	must(t, w.Single().Rotations.Start(t.Context(), key.NewRotation("r1", at)))
	var won atomic.Int32
	race(crowd, func(i int) {
		switch _, err := w.Single().Rotations.Claim(t.Context(), fmt.Sprint("owner ", i), at, at.Add(time.Minute)); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, outbound.ErrTaken):
			t.Errorf("Claim = %v, want nil or ErrTaken", err)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of %d got the lease, want 1", won.Load(), crowd)
	}
	if _, err := w.Single().Rotations.Claim(t.Context(), "late", at.Add(time.Minute-time.Microsecond), at.Add(time.Hour)); !errors.Is(err, outbound.ErrTaken) {
		t.Errorf("Claim before the lease ends = %v, want ErrTaken", err)
	}
	if _, err := w.Single().Rotations.Claim(t.Context(), "late", at.Add(time.Minute), at.Add(time.Hour)); err != nil {
		t.Errorf("Claim when the lease has ended = %v", err)
	}
}

func rotationLeaseIsFenced(t *testing.T, w work) {
	r := w.Single().Rotations
	must(t, r.Start(t.Context(), key.NewRotation("r1", at)))
	first, err := r.Claim(t.Context(), "a", at, at.Add(time.Minute))
	must(t, err)
	again, err := r.Claim(t.Context(), "a", at, at.Add(time.Minute))
	must(t, err) // its own
	if again.Fence <= first.Fence {
		t.Errorf("fence %d after %d", again.Fence, first.Fence)
	}
	second, err := r.Claim(t.Context(), "b", at.Add(time.Minute), at.Add(2*time.Minute))
	must(t, err)
	for _, stale := range []outbound.RotationClaim{first, again} {
		if err := r.Save(t.Context(), stale, at.Add(time.Hour)); !errors.Is(err, outbound.ErrStale) {
			t.Errorf("Save of fence %d after %d = %v, want ErrStale", stale.Fence, second.Fence, err)
		}
	}
	must(t, r.Save(t.Context(), second, at.Add(time.Hour))) // which renews it
	if _, err := r.Claim(t.Context(), "c", at.Add(59*time.Minute), at.Add(2*time.Hour)); !errors.Is(err, outbound.ErrTaken) {
		t.Errorf("Claim of a lease that was renewed = %v, want ErrTaken", err)
	}
	must(t, r.Save(t.Context(), second, at)) // which gives it up
	if _, err := r.Claim(t.Context(), "c", at, at.Add(2*time.Hour)); err != nil {
		t.Errorf("Claim of a lease that was given up = %v", err)
	}
}

func finishedRotationIsOver(t *testing.T, w work) {
	r := w.Single().Rotations
	must(t, r.Start(t.Context(), key.NewRotation("r1", at)))
	c, err := r.Claim(t.Context(), "a", at, at.Add(time.Minute))
	must(t, err)
	for _, s := range c.Rotation.Steps {
		c.Rotation = c.Rotation.With(s.Once(), at.Add(time.Second))
	}
	must(t, r.Save(t.Context(), c, at.Add(time.Minute)))
	if err := r.Save(t.Context(), c, at.Add(time.Minute)); !errors.Is(err, outbound.ErrStale) {
		t.Errorf("Save of a finished rotation = %v, want ErrStale", err)
	}
	if _, err := r.Claim(t.Context(), "a", at.Add(time.Hour), at.Add(2*time.Hour)); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("Claim of a finished rotation = %v, want ErrNotFound", err)
	}
	must(t, r.Start(t.Context(), key.NewRotation("r2", at.Add(time.Minute))))
	latest, err := r.Latest(t.Context())
	must(t, err)
	if latest.ID != "r2" || !latest.Running() {
		t.Errorf("Latest = %+v", latest)
	}
}

func rotationRollsBack(t *testing.T, w work) {
	must(t, w.Single().Rotations.Start(t.Context(), key.NewRotation("r1", at)))
	c, err := w.Single().Rotations.Claim(t.Context(), "a", at, at.Add(time.Minute))
	must(t, err)
	boom := errors.New("crash")
	err = w.Within(t.Context(), func(ctx context.Context, s stores) error {
		then := c
		then.Rotation = c.Rotation.With(c.Rotation.Steps[0].Once(), at)
		return errors.Join(s.Keys.Add(ctx, wrapped("k1", key.Signing)), s.Rotations.Save(ctx, then, at.Add(time.Hour)), boom)
	})
	if !errors.Is(err, boom) {
		t.Errorf("Within = %v", err)
	}
	latest, err := w.Single().Rotations.Latest(t.Context())
	must(t, err)
	sameRotation(t, latest, c.Rotation)
}

func rekeyingSeesEveryoneOnce(t *testing.T, w work) {
	add(t, w, user("p1"), guest("p2"), user("p3"), user("p4"), guest("p5"))
	keys, addresses, err := w.Single().Rekeying.Count(t.Context())
	if err != nil || keys != 5 || addresses != 3 {
		t.Errorf("Count = %d data keys, %d addresses, %v", keys, addresses, err)
	}
	type call = func(outbound.Rekeying, context.Context, principal.ID, int) (outbound.Batch, error)
	for name, c := range map[string]struct {
		do   call
		want []outbound.Batch
	}{
		"Rewrap":  {outbound.Rekeying.Rewrap, []outbound.Batch{{Seen: 2, Last: "p2"}, {Seen: 2, Last: "p4"}, {Seen: 1, Last: "p5"}}},
		"Reindex": {outbound.Rekeying.Reindex, []outbound.Batch{{Seen: 2, Last: "p3"}, {Seen: 1, Last: "p4"}}},
		"Clear":   {outbound.Rekeying.Clear, []outbound.Batch{{}}},
	} {
		var got []outbound.Batch
		for after := principal.ID(""); ; after = got[len(got)-1].Last {
			b, err := c.do(w.Single().Rekeying, t.Context(), after, 2)
			must(t, err)
			if got = append(got, b); b.Seen < 2 {
				break
			}
		}
		same(t, name, got, c.want)
	}
	for _, p := range []principal.Snapshot{user("p1"), user("p3"), user("p4")} {
		samePrincipal(t, load(t, w, p.ID), p)
		if _, err := w.Single().Principals.ByEmail(t.Context(), p.Email.Normal()); err != nil {
			t.Errorf("ByEmail of %s = %v", p.ID, err)
		}
	}
}
