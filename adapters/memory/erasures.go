package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

type erasures struct{ data }

func (t erasures) Add(ctx context.Context, e principal.Erasure) error {
	return t.write(ctx, func(s *state) error {
		if _, there := s.erasures.rows[e.ID]; !there {
			s.erasures.put(e.ID, instant(e.At))
		}
		return nil
	})
}

func (t erasures) Has(ctx context.Context, id principal.ID) (has bool, err error) {
	err = t.read(ctx, func(s *state) error {
		_, has = s.erasures.rows[id]
		return nil
	})
	return has, err
}

func (t erasures) After(ctx context.Context, id principal.ID, limit int) (out []principal.Erasure, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, of := range slices.Sorted(maps.Keys(s.erasures.rows)) {
			if of > id && len(out) < limit {
				out = append(out, principal.Erasure{ID: of, At: s.erasures.rows[of]})
			}
		}
		return nil
	})
	return out, err
}

func (t principals) Delete(ctx context.Context, id principal.ID) error {
	return t.write(ctx, func(s *state) error {
		if _, ok := s.principals.rows[id]; !ok {
			return fmt.Errorf("delete principal %s: %w", id, outbound.ErrNotFound)
		}
		s.delete(id)
		return nil
	})
}

func (t principals) PurgeGuests(ctx context.Context, before time.Time, limit int) (n int, err error) {
	before = instant(before)
	err = t.write(ctx, func(s *state) error {
		for id, p := range s.principals.rows {
			if n < limit && p.Kind == principal.Guest && p.LastActive.Before(before) {
				s.delete(id)
				n++
			}
		}
		return nil
	})
	return n, err
}

// delete stands for foreign keys too.
func (s *state) delete(id principal.ID) {
	s.addresses.purge(len(s.addresses.rows), func(_ string, of principal.ID) bool { return of == id })
	s.items.purge(len(s.items.rows), func(_ onetime.Hash, i onetime.Item) bool { return i.Principal == id })
	s.passkeys.purge(len(s.passkeys.rows), func(_ passkey.ID, k passkey.Passkey) bool { return k.Principal == id })
	s.devices.purge(len(s.devices.rows), func(k deviceKey, _ time.Time) bool { return k.of == id })
	s.graces.purge(len(s.graces.rows), func(k graceKey, _ grace) bool { return s.sessions.rows[k.session].PrincipalID == id })
	s.sessions.purge(len(s.sessions.rows), func(_ session.ID, row session.Session) bool { return row.PrincipalID == id })
	s.apps.drop(id)
	s.setups.drop(id)
	s.recovery.drop(id)
	s.mailed.drop(id)
	s.orphan(id)
	s.dropReasons()
	s.principals.drop(id)
}

func (t attempts) Forget(ctx context.Context, of throttle.Subject) error {
	return t.write(ctx, func(s *state) error {
		network, account := countersOf(of)
		s.counters.drop(network)
		s.counters.drop(account)
		return nil
	})
}

func (t outbox) Disown(ctx context.Context, of principal.ID, worthless []notice.Kind, _ string, now time.Time) error {
	return t.write(ctx, func(s *state) error {
		for id, p := range s.outbox.rows {
			if p.notice.Principal != of || (p.state != queued && p.state != leased) {
				continue
			}
			if slices.Contains(worthless, p.notice.Kind) {
				p.finish(dead, now)
			} else {
				p.notice.Principal = ""
			}
			s.outbox.put(id, p)
		}
		return nil
	})
}
