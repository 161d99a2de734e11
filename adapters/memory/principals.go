package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type principals struct{ data }

func (t principals) ByID(ctx context.Context, id principal.ID) (p *principal.Principal, err error) {
	err = t.read(ctx, func(s *state) error {
		p, err = s.principal(id)
		return err
	})
	return p, err
}

func (t principals) ByEmail(ctx context.Context, normal string) (p *principal.Principal, err error) {
	err = t.read(ctx, func(s *state) error {
		id, ok := s.addresses.rows[normal]
		if !ok {
			return fmt.Errorf("load principal by address: %w", outbound.ErrNotFound)
		}
		p, err = s.principal(id)
		return err
	})
	return p, err
}

func (t principals) Add(ctx context.Context, p *principal.Principal) error {
	return t.write(ctx, func(s *state) error {
		row := p.Snapshot()
		if _, taken := s.principals.rows[row.ID]; taken {
			return fmt.Errorf("add principal %s: %w", row.ID, outbound.ErrTaken)
		}
		return s.save(row, "")
	})
}

func (t principals) Save(ctx context.Context, p *principal.Principal) error {
	return t.write(ctx, func(s *state) error {
		row := p.Snapshot()
		stored, ok := s.principals.rows[row.ID]
		if !ok || stored.Version != row.Version {
			return fmt.Errorf("save principal %s: %w", row.ID, outbound.ErrStale)
		}
		row.Version++
		return s.save(row, stored.Email.Normal())
	})
}

// save writes row, whose address was replaced if that was another one.
func (s *state) save(row principal.Snapshot, replaced string) error {
	address := row.Email.Normal()
	if owner, ok := s.addresses.rows[address]; ok && owner != row.ID {
		return fmt.Errorf("save principal %s: address: %w", row.ID, outbound.ErrTaken)
	}
	for _, key := range row.Groups {
		if _, ok := s.groups.rows[key]; !ok {
			return fault.New(fault.DatabaseFailure).Because(fmt.Errorf("there is no group %q", key))
		}
	}
	if replaced != "" && replaced != address {
		s.addresses.drop(replaced)
	}
	if address != "" {
		s.addresses.put(address, row.ID)
	}
	row.CreatedAt, row.LastActive = instant(row.CreatedAt), instant(row.LastActive)
	if !row.Avatar.IsZero() {
		row.Avatar.CreatedAt, row.Avatar.UpdatedAt = instant(row.Avatar.CreatedAt), instant(row.Avatar.UpdatedAt)
	}
	s.principals.put(row.ID, row)
	return nil
}

func (t principals) Users(ctx context.Context, after principal.ID, limit int) (out []*principal.Principal, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, id := range slices.Sorted(maps.Keys(s.principals.rows)) {
			if id <= after || s.principals.rows[id].Kind != principal.User || len(out) >= limit {
				continue
			}
			p, err := s.principal(id)
			if err != nil {
				return err
			}
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

func (t principals) Page(ctx context.Context, f principal.Filter, r page.Request) (p page.Page[*principal.Principal], err error) {
	err = t.read(ctx, func(s *state) error {
		var all []*principal.Principal
		for _, row := range s.principals.rows {
			one, err := restored(row)
			if err != nil {
				return err
			}
			if f.Matches(one) {
				all = append(all, one)
			}
		}
		slices.SortFunc(all, func(a, b *principal.Principal) int { return compareUsers(a, b, r.Sort) })
		from := min(r.Offset(), len(all))
		p = page.Page[*principal.Principal]{Request: r, Content: all[from:min(from+r.Size, len(all))], Total: len(all)}
		return nil
	})
	return p, err
}

func compareUsers(a, b *principal.Principal, by []page.Sort) int {
	for _, s := range by {
		var order int
		switch s.By {
		case "createdAt":
			order = a.CreatedAt().Compare(b.CreatedAt())
		case "lastActive":
			order = a.LastActive().Compare(b.LastActive())
		default:
			order = cmp.Compare(a.ID(), b.ID())
		}
		if s.Descending {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(a.ID(), b.ID())
}

func (t principals) EnabledAdmins(ctx context.Context) (ids []principal.ID, err error) {
	err = t.read(ctx, func(s *state) error {
		for id, p := range s.principals.rows {
			if p.Admin && !p.Disabled {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		return nil
	})
	return ids, err
}

func (s *state) principal(id principal.ID) (*principal.Principal, error) {
	row, ok := s.principals.rows[id]
	if !ok {
		return nil, fmt.Errorf("load principal %s: %w", id, outbound.ErrNotFound)
	}
	return restored(row)
}

func restored(row principal.Snapshot) (*principal.Principal, error) {
	row.Identities, row.Groups = slices.Clone(row.Identities), slices.Clone(row.Groups)
	p, err := principal.Restore(row)
	if err != nil {
		return nil, fault.New(fault.InvalidPrincipalDocument).Because(fmt.Errorf("principal %s: %w", row.ID, err))
	}
	return p, nil
}
