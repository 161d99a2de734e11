package memory

import (
	"context"
	"errors"

	"gatehouse/domain/principal"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// entry does in steps, inside one write, what the other stores do.
type entry struct{ data }

func (t entry) Look(ctx context.Context, of throttle.Subject) (st throttle.State, p *principal.Principal, err error) {
	err = t.read(ctx, func(s *state) error {
		st = s.attempts(of)
		if id, ok := s.addresses.rows[of.Account]; ok {
			p, err = s.principal(id)
		}
		return err
	})
	return st, p, err
}

func (t entry) SignIn(ctx context.Context, in outbound.SignIn) (outbound.Effect, error) {
	return t.do(ctx, func(s *state) (out outbound.Effect, err error) {
		judged := in.Judged.Snapshot()
		row, ok := s.principals.rows[judged.ID]
		if !ok || row.Version != judged.Version || row.Disabled {
			return out, nil
		}
		if now := instant(in.Session.LastActive); row.LastActive.Before(now) {
			row.LastActive = now
		}
		if !in.Renewed.IsZero() {
			row.Hash = in.Renewed
		}
		s.principals.put(row.ID, row)
		if in.Reset != nil {
			st := s.attempts(*in.Reset)
			st.Network.Failures, st.Account.Failures = 0, 0
			s.setAttempts(*in.Reset, st)
		}
		out.Done = true
		out.Owes, err = s.enter(ctx, in)
		return out, err
	})
}

// do answers with what fn has done, unless it failed.
func (t entry) do(ctx context.Context, fn func(*state) (outbound.Effect, error)) (out outbound.Effect, err error) {
	err = t.write(ctx, func(s *state) error {
		out, err = fn(s)
		return err
	})
	if err != nil {
		return outbound.Effect{}, err
	}
	return out, nil
}

func (s *state) enter(ctx context.Context, in outbound.SignIn) (owes bool, err error) {
	all := stores(inside{s})
	if err := all.Sessions.Add(ctx, in.Session); err != nil {
		return false, err
	}
	known, ever, err := all.Devices.Mark(ctx, in.Judged.ID(), in.Device, in.Session.LastActive, in.Since)
	if err != nil || known || !ever || in.Alert == nil {
		return false, err
	}
	return true, all.Outbox.Add(ctx, *in.Alert)
}

func (t entry) Register(ctx context.Context, r outbound.Registration) (outbound.Effect, error) {
	return t.do(ctx, func(s *state) (out outbound.Effect, err error) {
		all := stores(inside{s})
		err = all.Principals.Add(ctx, r.User)
		if errors.Is(err, outbound.ErrTaken) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out.Done = true
		out.Owes, err = promise(ctx, all, r.Mail)
		return out, err
	})
}

func (t entry) TurnAway(ctx context.Context, c outbound.Collision) (outbound.Effect, error) {
	return t.do(ctx, func(s *state) (out outbound.Effect, err error) {
		owner := c.Owner.Snapshot()
		row, ok := s.principals.rows[owner.ID]
		if out.Done = ok && row.Version == owner.Version; !out.Done {
			return out, nil
		}
		all := stores(inside{s})
		if c.Cooldown != nil {
			if _, err := begin(ctx, all, *c.Cooldown); err != nil {
				return out, err
			}
		}
		out.Owes, err = promise(ctx, all, c.Alert)
		return out, err
	})
}

func begin(ctx context.Context, all outbound.Stores, c outbound.Cooldown) (began bool, err error) {
	left, err := all.Cooldowns.Start(ctx, c.Kind, c.Normal, c.Begin, c.Length)
	return left == 0, err
}

func promise(ctx context.Context, all outbound.Stores, m *outbound.Mailing) (owes bool, err error) {
	if m == nil {
		return false, nil
	}
	began, err := begin(ctx, all, m.Cooldown)
	if err != nil || !began {
		return false, err
	}
	if m.Link != nil {
		if err := all.OneTime.Add(ctx, *m.Link); err != nil {
			return false, err
		}
	}
	return true, all.Outbox.Add(ctx, m.Notice)
}
