package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/domain/key"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// rotation is one with its lease.
type rotation struct {
	key.Rotation
	owner string
	until time.Time
	fence int
}

type rotations struct{ data }

func (t rotations) Latest(ctx context.Context) (r key.Rotation, err error) {
	err = t.read(ctx, func(s *state) error {
		if len(s.rotations.rows) == 0 {
			return fmt.Errorf("load rotation: %w", outbound.ErrNotFound)
		}
		latest := slices.MaxFunc(slices.Collect(maps.Values(s.rotations.rows)), func(a, b rotation) int {
			return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
		})
		r = latest.own().Rotation
		return nil
	})
	return r, err
}

// own returns a copy that shares no list.
func (r rotation) own() rotation {
	r.Steps = slices.Clone(r.Steps)
	return r
}

func (s *state) running() (rotation, bool) {
	for _, r := range s.rotations.rows {
		if r.Running() {
			return r.own(), true
		}
	}
	return rotation{}, false
}

func (t rotations) Start(ctx context.Context, r key.Rotation) error {
	return t.write(ctx, func(s *state) error {
		if _, taken := s.running(); taken {
			return fmt.Errorf("start rotation: %w", outbound.ErrTaken)
		}
		r.StartedAt, r.FinishedAt = instant(r.StartedAt), instant(r.FinishedAt)
		s.rotations.put(r.ID, rotation{Rotation: r}.own())
		return nil
	})
}

func (t rotations) Claim(ctx context.Context, owner string, now, until time.Time) (c outbound.RotationClaim, err error) {
	err = t.write(ctx, func(s *state) error {
		r, ok := s.running()
		switch {
		case !ok:
			return fmt.Errorf("claim rotation: %w", outbound.ErrNotFound)
		case r.owner != "" && r.owner != owner && r.until.After(instant(now)):
			return fmt.Errorf("claim rotation: %w", outbound.ErrTaken)
		}
		r.owner, r.until, r.fence = owner, instant(until), r.fence+1
		s.rotations.put(r.ID, r)
		c = outbound.RotationClaim{Rotation: r.own().Rotation, Owner: owner, Fence: r.fence}
		return nil
	})
	return c, err
}

func (t rotations) Save(ctx context.Context, c outbound.RotationClaim, until time.Time) error {
	return t.write(ctx, func(s *state) error {
		r := s.rotations.rows[c.Rotation.ID]
		if !r.Running() || r.owner != c.Owner || r.fence != c.Fence {
			return fmt.Errorf("save rotation: %w", outbound.ErrStale)
		}
		r.Steps, r.FinishedAt, r.until = c.Rotation.Steps, instant(c.Rotation.FinishedAt), instant(until)
		s.rotations.put(r.ID, r.own())
		return nil
	})
}

// rekeying has little to do, since nothing is under keys here.
type rekeying struct{ data }

func (t rekeying) Count(ctx context.Context) (dataKeys, addresses int, err error) {
	err = t.read(ctx, func(s *state) error {
		dataKeys, addresses = len(s.principals.rows), len(s.addresses.rows)
		return nil
	})
	return dataKeys, addresses, err
}

func (t rekeying) Rewrap(ctx context.Context, after principal.ID, limit int) (outbound.Batch, error) {
	return t.batch(ctx, after, limit, func(principal.Snapshot) bool { return true })
}

func (t rekeying) Reindex(ctx context.Context, after principal.ID, limit int) (outbound.Batch, error) {
	return t.batch(ctx, after, limit, func(p principal.Snapshot) bool { return !p.Email.IsZero() })
}

func (t rekeying) Lacking(context.Context) (int, error) { return 0, nil }

func (t rekeying) Clear(ctx context.Context, after principal.ID, limit int) (outbound.Batch, error) {
	return t.batch(ctx, after, limit, func(principal.Snapshot) bool { return false })
}

func (t rekeying) batch(ctx context.Context, after principal.ID, limit int, counts func(principal.Snapshot) bool) (b outbound.Batch, err error) {
	err = t.read(ctx, func(s *state) error {
		b = outbound.Batch{}
		for _, id := range slices.Sorted(maps.Keys(s.principals.rows)) {
			if id > after && b.Seen < limit && counts(s.principals.rows[id]) {
				b.Seen, b.Last = b.Seen+1, id
			}
		}
		return nil
	})
	return b, err
}
