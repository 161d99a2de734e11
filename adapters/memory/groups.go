package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type groups struct{ data }

func (t groups) Add(ctx context.Context, g group.Group) error {
	return t.write(ctx, func(s *state) error {
		if _, taken := s.groups.rows[g.Key()]; taken {
			return fmt.Errorf("add group %s: %w", g.Key(), outbound.ErrTaken)
		}
		s.groups.put(g.Key(), g)
		return nil
	})
}

func (t groups) ByKey(ctx context.Context, key string) (g group.Group, err error) {
	err = t.read(ctx, func(s *state) error {
		g, err = s.group(key)
		return err
	})
	return g, err
}

func (t groups) Save(ctx context.Context, g group.Group) error {
	return t.write(ctx, func(s *state) error {
		if _, err := s.group(g.Key()); err != nil {
			return err
		}
		s.groups.put(g.Key(), g)
		return nil
	})
}

// Hold has nothing to do: transactions take turns.
func (t groups) Hold(ctx context.Context, key string) error {
	_, err := t.ByKey(ctx, key)
	return err
}

func (t groups) Empty(ctx context.Context, key string) (members int, err error) {
	err = t.write(ctx, func(s *state) error {
		if _, err := s.group(key); err != nil {
			return err
		}
		members = 0
		for _, id := range s.members(key) {
			p, err := s.principal(id)
			if err != nil {
				return err
			}
			p.Leave(key)
			row := p.Snapshot()
			row.Version++
			s.principals.put(id, row)
			members++
		}
		return nil
	})
	return members, err
}

func (t groups) Delete(ctx context.Context, key string) error {
	return t.write(ctx, func(s *state) error {
		if _, err := s.group(key); err != nil {
			return err
		}
		if len(s.members(key)) > 0 {
			return fault.New(fault.DatabaseFailure).Because(fmt.Errorf("group %q has members", key))
		}
		s.groups.drop(key)
		return nil
	})
}

func (t groups) Page(ctx context.Context, wanted, service string, r page.Request) (p page.Page[group.Delivered], err error) {
	err = t.read(ctx, func(s *state) error {
		all := make([]group.Delivered, 0, len(s.groups.rows))
		for _, g := range s.groups.rows {
			all = append(all, g.In(wanted, service))
		}
		slices.SortFunc(all, func(a, b group.Delivered) int { return compare(a, b, r.Sort) })
		from := min(r.Offset(), len(all))
		p = page.Page[group.Delivered]{Request: r, Content: all[from:min(from+r.Size, len(all))], Total: len(all)}
		return nil
	})
	return p, err
}

func compare(a, b group.Delivered, by []page.Sort) int {
	for _, s := range by {
		order := cmp.Compare(property(a, s.By), property(b, s.By))
		if s.Descending {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(a.Key, b.Key)
}

func property(d group.Delivered, name string) string {
	switch name {
	case "name":
		return d.Name
	case "description":
		return d.Description
	}
	return d.Key
}

func (s *state) group(key string) (group.Group, error) {
	g, ok := s.groups.rows[key]
	if !ok {
		return group.Group{}, fmt.Errorf("load group %s: %w", key, outbound.ErrNotFound)
	}
	return g, nil
}

func (s *state) members(key string) (ids []principal.ID) {
	for _, id := range slices.Sorted(maps.Keys(s.principals.rows)) {
		if slices.Contains(s.principals.rows[id].Groups, key) {
			ids = append(ids, id)
		}
	}
	return ids
}
