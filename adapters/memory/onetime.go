package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type oneTime struct{ data }

func (t oneTime) Add(ctx context.Context, i onetime.Item) error {
	return t.write(ctx, func(s *state) error {
		if i.Principal != "" {
			if err := s.needs(i.Principal); err != nil {
				return err
			}
		}
		if _, taken := s.items.rows[i.Hash]; taken {
			return fmt.Errorf("add one-time item: %w", outbound.ErrTaken)
		}
		for _, at := range []*time.Time{&i.CreatedAt, &i.ExpiresAt, &i.UsedAt, &i.VoidedAt} {
			*at = instant(*at)
		}
		i.Proven, i.Demand.ACR = slices.Clone(i.Proven), slices.Clone(i.Demand.ACR)
		s.items.put(i.Hash, i)
		return nil
	})
}

func (t oneTime) Find(ctx context.Context, kind onetime.Kind, h onetime.Hash) (i onetime.Item, err error) {
	err = t.read(ctx, func(s *state) error {
		row, ok := s.items.rows[h]
		if !ok || row.Kind != kind {
			return fmt.Errorf("find one-time item: %w", outbound.ErrNotFound)
		}
		i = row
		i.Proven, i.Demand.ACR = slices.Clone(i.Proven), slices.Clone(i.Demand.ACR)
		return nil
	})
	return i, err
}

func (t oneTime) Use(ctx context.Context, kind onetime.Kind, h onetime.Hash, now time.Time) error {
	now = instant(now)
	return t.write(ctx, func(s *state) error {
		i, ok := s.items.rows[h]
		if !ok || i.Kind != kind || i.State(now) != onetime.Usable {
			return fmt.Errorf("use one-time item: %w", outbound.ErrStale)
		}
		i.UsedAt = now
		s.items.put(h, i)
		return nil
	})
}

func (t oneTime) Try(ctx context.Context, kind onetime.Kind, h onetime.Hash, now time.Time) error {
	now = instant(now)
	return t.write(ctx, func(s *state) error {
		i, ok := s.items.rows[h]
		if !ok || i.Kind != kind || i.State(now) != onetime.Usable || i.Spent() {
			return stale("try one-time item")
		}
		i.Tries++
		s.items.put(h, i)
		return nil
	})
}

func (t oneTime) Void(ctx context.Context, of principal.ID, kind onetime.Kind, keep string, now time.Time) error {
	now = instant(now)
	return t.write(ctx, func(s *state) error {
		for h, i := range s.items.rows {
			kept := keep != "" && i.Address.Normal() == keep
			if of != "" && i.Principal == of && i.Kind == kind && i.State(now) == onetime.Usable && !kept {
				i.VoidedAt = now
				s.items.put(h, i)
			}
		}
		return nil
	})
}

func (t oneTime) VoidEvery(ctx context.Context, now time.Time) (n int, err error) {
	now = instant(now)
	err = t.write(ctx, func(s *state) error {
		for h, i := range s.items.rows {
			if i.State(now) == onetime.Usable {
				i.VoidedAt = now
				s.items.put(h, i)
				n++
			}
		}
		return nil
	})
	return n, err
}

func (t oneTime) Purge(ctx context.Context, before time.Time, limit int) (n int, err error) {
	before = instant(before)
	err = t.write(ctx, func(s *state) error {
		n = s.items.purge(limit, func(_ onetime.Hash, i onetime.Item) bool { return i.ExpiresAt.Before(before) })
		return nil
	})
	return n, err
}
