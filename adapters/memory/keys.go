package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

type keys struct{ data }

func (t keys) All(ctx context.Context) (out []key.Wrapped, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, k := range s.keys.rows {
			k.Material = slices.Clone(k.Material)
			out = append(out, k)
		}
		slices.SortFunc(out, func(a, b key.Wrapped) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
		return nil
	})
	return out, err
}

func (t keys) Add(ctx context.Context, k key.Wrapped) error {
	return t.write(ctx, func(s *state) error {
		if _, taken := s.keys.rows[k.ID]; taken || s.rivals(k.Key) {
			return fmt.Errorf("add key %s: %w", k.ID, outbound.ErrTaken)
		}
		s.putKey(k)
		return nil
	})
}

// rivals reports whether another key is what k wants to be.
func (s *state) rivals(k key.Key) bool {
	for _, o := range s.keys.rows {
		office := o.Purpose == k.Purpose && o.State == k.State && k.State != key.Retired
		slot := o.Slot == k.Slot && k.Slot != key.NoSlot
		if o.ID != k.ID && (office || slot) {
			return true
		}
	}
	return false
}

func (s *state) putKey(k key.Wrapped) {
	k.CreatedAt, k.DueAt, k.RetiredAt = instant(k.CreatedAt), instant(k.DueAt), instant(k.RetiredAt)
	k.Material = slices.Clone(k.Material)
	s.keys.put(k.ID, k)
}

func (t keys) Change(ctx context.Context, k key.Key, from key.State) error {
	return t.write(ctx, func(s *state) error {
		stored, ok := s.keys.rows[k.ID]
		switch {
		case !ok || stored.State != from:
			return fmt.Errorf("change key %s: %w", k.ID, outbound.ErrStale)
		case s.rivals(k):
			return fmt.Errorf("change key %s: %w", k.ID, outbound.ErrTaken)
		}
		stored.State, stored.Slot, stored.DueAt, stored.RetiredAt = k.State, k.Slot, k.DueAt, k.RetiredAt
		s.putKey(stored)
		return nil
	})
}

func (t keys) Rewrap(ctx context.Context, old, anew key.Wrapped) error {
	return t.write(ctx, func(s *state) error {
		stored, ok := s.keys.rows[old.ID]
		if !ok || stored.WrapperID != old.WrapperID || !slices.Equal(stored.Material, old.Material) {
			return fmt.Errorf("rewrap key %s: %w", old.ID, outbound.ErrStale)
		}
		stored.Material, stored.WrapperID = anew.Material, anew.WrapperID
		s.putKey(stored)
		return nil
	})
}

func (t keys) Remove(ctx context.Context, id string) error {
	return t.write(ctx, func(s *state) error {
		if _, ok := s.keys.rows[id]; !ok {
			return fmt.Errorf("remove key %s: %w", id, outbound.ErrNotFound)
		}
		s.keys.drop(id)
		return nil
	})
}
