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
		for _, o := range s.keys.rows {
			rivals := o.Purpose == k.Purpose && o.State == key.Current && k.State == key.Current
			if o.ID == k.ID || rivals {
				return fmt.Errorf("add key %s: %w", k.ID, outbound.ErrTaken)
			}
		}
		k.CreatedAt, k.Material = instant(k.CreatedAt), slices.Clone(k.Material)
		s.keys.put(k.ID, k)
		return nil
	})
}
