package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

type graceKey struct {
	session   session.ID
	presented string
}

type grace struct {
	until time.Time
	pair  session.Pair
}

type sessions struct{ data }

func (t sessions) Add(ctx context.Context, n session.Session) error {
	return t.write(ctx, func(s *state) error {
		if err := s.needs(n.PrincipalID); err != nil {
			return err
		}
		if _, taken := s.sessions.rows[n.ID]; taken {
			return fmt.Errorf("add session %s: %w", n.ID, outbound.ErrTaken)
		}
		n.Proven, n.Client = slices.Clone(n.Proven), cloned(n.Client)
		for _, at := range []*time.Time{&n.StartedAt, &n.LastActive, &n.ExpiresAt, &n.Until, &n.EndedAt} {
			*at = instant(*at)
		}
		s.sessions.put(n.ID, n)
		return nil
	})
}

func (t sessions) Access(ctx context.Context, id session.ID) (a outbound.Access, err error) {
	err = t.read(ctx, func(s *state) error {
		a, err = s.access(id)
		return err
	})
	return a, err
}

func (s *state) access(id session.ID) (outbound.Access, error) {
	row, ok := s.sessions.rows[id]
	if !ok {
		return outbound.Access{}, fmt.Errorf("read session %s: %w", id, outbound.ErrNotFound)
	}
	row.Client, row.Proven = client.Info{}, slices.Clone(row.Proven)
	p := s.principals.rows[row.PrincipalID]
	return outbound.Access{
		Session: row, Guest: p.Kind == principal.Guest, Disabled: p.Disabled, TokenGen: p.TokenGen,
		Open: func() (*principal.Principal, error) { return restored(p) },
	}, nil
}

func (t sessions) Refreshable(ctx context.Context, id session.ID, presented string, now time.Time) (a outbound.Access, pair *session.Pair, err error) {
	now = instant(now)
	err = t.read(ctx, func(s *state) error {
		if a, err = s.access(id); err != nil {
			return err
		}
		if g, ok := s.graces.rows[graceKey{id, presented}]; ok && now.Before(g.until) {
			pair = &g.pair
		}
		return nil
	})
	return a, pair, err
}

func (t sessions) Rotate(ctx context.Context, r session.Rotation) (done bool, err error) {
	at := instant(r.At)
	err = t.write(ctx, func(s *state) error {
		row, ok := s.sessions.rows[r.SessionID]
		if !ok || row.PrincipalID != r.PrincipalID || row.RefreshID != r.Presented || !row.Live(at) {
			return nil
		}
		device := r.Client.Device.Or(row.Client.Device)
		row.Client = cloned(r.Client)
		row.Client.Device = device
		row.RefreshID, row.LastActive, row.ExpiresAt = r.Next, at, instant(r.ExpiresAt)
		s.sessions.put(row.ID, row)
		pair := r.Pair
		pair.AccessExpires, pair.RefreshExpires = instant(pair.AccessExpires), instant(pair.RefreshExpires)
		s.graces.put(graceKey{row.ID, r.Presented}, grace{instant(r.GraceUntil), pair})
		if p := s.principals.rows[row.PrincipalID]; p.LastActive.Before(at) {
			p.LastActive = at
			s.principals.put(p.ID, p)
		}
		done = true
		return nil
	})
	return done && err == nil, err
}

func (t sessions) Of(ctx context.Context, id principal.ID, now time.Time) (out []session.Session, err error) {
	now = instant(now)
	err = t.read(ctx, func(s *state) error {
		for _, row := range s.sessions.rows {
			if row.PrincipalID == id && row.Live(now) {
				row.Proven, row.Client = slices.Clone(row.Proven), cloned(row.Client)
				out = append(out, row)
			}
		}
		slices.SortFunc(out, func(a, b session.Session) int {
			return cmp.Or(b.LastActive.Compare(a.LastActive), cmp.Compare(a.ID, b.ID))
		})
		return nil
	})
	return out, err
}

func (t sessions) End(ctx context.Context, of principal.ID, id session.ID, why session.EndReason, now time.Time) (ended bool, err error) {
	now = instant(now)
	err = t.write(ctx, func(s *state) error {
		ended = s.end(why, now, func(row session.Session) bool {
			return row.ID == id && row.PrincipalID == of && row.Live(now)
		}) > 0
		return nil
	})
	return ended && err == nil, err
}

func (t sessions) EndAll(ctx context.Context, of principal.ID, keep session.ID, why session.EndReason, now time.Time) error {
	return t.write(ctx, func(s *state) error {
		s.end(why, now, func(row session.Session) bool { return row.PrincipalID == of && row.ID != keep })
		return nil
	})
}

func (t sessions) EndEvery(ctx context.Context, why session.EndReason, now time.Time) (n int, err error) {
	err = t.write(ctx, func(s *state) error {
		n = s.end(why, now, func(session.Session) bool { return true })
		return nil
	})
	return n, err
}

func (s *state) end(why session.EndReason, now time.Time, which func(session.Session) bool) (n int) {
	for id, row := range s.sessions.rows {
		if row.EndedAt.IsZero() && which(row) {
			row.EndedAt = instant(now)
			s.sessions.put(id, row)
			s.reasons.put(id, why)
			n++
		}
	}
	return n
}

func (t sessions) Purge(ctx context.Context, now, before time.Time, limit int) (n int, err error) {
	now, before = instant(now), instant(before)
	err = t.write(ctx, func(s *state) error {
		n = s.graces.purge(limit, func(_ graceKey, g grace) bool { return !now.Before(g.until) })
		n += s.sessions.purge(limit, func(_ session.ID, row session.Session) bool {
			ended := !row.EndedAt.IsZero() && row.EndedAt.Before(before)
			return ended || row.ExpiresAt.Before(before) || row.Until.Before(before)
		})
		s.dropReasons()
		for k := range s.graces.rows {
			if _, ok := s.sessions.rows[k.session]; !ok {
				s.graces.drop(k)
			}
		}
		return nil
	})
	return n, err
}

// dropReasons drops those of sessions that are gone.
func (s *state) dropReasons() {
	s.reasons.purge(len(s.reasons.rows), func(id session.ID, _ session.EndReason) bool {
		_, there := s.sessions.rows[id]
		return !there
	})
}

func cloned(i client.Info) client.Info {
	if i.Location == nil {
		return i
	}
	l := *i.Location
	l.Latitude, l.Longitude = clonedDegrees(l.Latitude), clonedDegrees(l.Longitude)
	i.Location = &l
	return i
}

func clonedDegrees(d *float64) *float64 {
	if d == nil {
		return nil
	}
	return new(*d)
}
