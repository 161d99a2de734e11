package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/ports/outbound"
)

func stale(op string) error { return fmt.Errorf("%s: %w", op, outbound.ErrStale) }

type apps struct{ data }

func (t apps) Of(ctx context.Context, of principal.ID) (a factor.App, err error) {
	err = t.read(ctx, func(s *state) error {
		row, ok := s.apps.rows[of]
		if !ok {
			return fmt.Errorf("load app: %w", outbound.ErrNotFound)
		}
		a = row
		return nil
	})
	return a, err
}

func (t apps) Put(ctx context.Context, of principal.ID, a factor.App) error {
	return t.write(ctx, func(s *state) error {
		s.apps.put(of, a)
		return s.needs(of)
	})
}

func (t apps) Accept(ctx context.Context, of principal.ID, step int64) error {
	return t.write(ctx, func(s *state) error {
		a, ok := s.apps.rows[of]
		if !ok || a.LastStep >= step {
			return stale("accept code of an app")
		}
		a.LastStep = step
		s.apps.put(of, a)
		return nil
	})
}

func (t apps) Erase(ctx context.Context, of principal.ID) error {
	return t.write(ctx, func(s *state) error {
		s.apps.drop(of)
		return nil
	})
}

type setups struct{ data }

func (t setups) Of(ctx context.Context, of principal.ID) (out factor.Setup, err error) {
	err = t.read(ctx, func(s *state) error {
		row, ok := s.setups.rows[of]
		if !ok {
			return fmt.Errorf("load setup: %w", outbound.ErrNotFound)
		}
		row.RecoveryCodes = slices.Clone(row.RecoveryCodes)
		out = row
		return nil
	})
	return out, err
}

func (t setups) Put(ctx context.Context, of principal.ID, n factor.Setup) error {
	n.CreatedAt, n.ExpiresAt = instant(n.CreatedAt), instant(n.ExpiresAt)
	n.RecoveryCodes = slices.Clone(n.RecoveryCodes)
	return t.write(ctx, func(s *state) error {
		s.setups.put(of, n)
		return s.needs(of)
	})
}

func (t setups) Try(ctx context.Context, of principal.ID, id string, now time.Time) error {
	return t.write(ctx, func(s *state) error {
		row, ok := s.setups.rows[of]
		if !ok || row.ID != id || !instant(now).Before(row.ExpiresAt) || row.Tries >= factor.MaxTries {
			return stale("try setup")
		}
		row.Tries++
		s.setups.put(of, row)
		return nil
	})
}

func (t setups) Use(ctx context.Context, of principal.ID, id string, now time.Time) error {
	return t.write(ctx, func(s *state) error {
		row, ok := s.setups.rows[of]
		if !ok || row.ID != id || !instant(now).Before(row.ExpiresAt) {
			return stale("use setup")
		}
		s.setups.drop(of)
		return nil
	})
}

func (t setups) Void(ctx context.Context, of principal.ID) error {
	return t.write(ctx, func(s *state) error {
		s.setups.drop(of)
		return nil
	})
}

func (t setups) Purge(ctx context.Context, before time.Time, limit int) (n int, err error) {
	before = instant(before)
	err = t.write(ctx, func(s *state) error {
		n = s.setups.purge(limit, func(_ principal.ID, row factor.Setup) bool { return row.ExpiresAt.Before(before) })
		return nil
	})
	return n, err
}

type recoveryCodes struct{ data }

func (t recoveryCodes) Of(ctx context.Context, of principal.ID) (all recovery.Set, err error) {
	err = t.read(ctx, func(s *state) error {
		all = slices.Clone(s.recovery.rows[of])
		return nil
	})
	return all, err
}

func (t recoveryCodes) Replace(ctx context.Context, of principal.ID, all recovery.Set) error {
	return t.write(ctx, func(s *state) error {
		s.recovery.put(of, slices.Clone(all))
		return s.needs(of)
	})
}

func (t recoveryCodes) Use(ctx context.Context, of principal.ID, h password.Hash) error {
	return t.write(ctx, func(s *state) error {
		rest, found := s.recovery.rows[of].Without(h)
		if !found {
			return stale("use recovery code")
		}
		s.recovery.put(of, rest)
		return nil
	})
}

// mailed is a code with the guesses at it.
type mailed struct {
	factor.MailedCode

	tries int
}

type mailedCodes struct{ data }

func (t mailedCodes) Put(ctx context.Context, of principal.ID, c factor.MailedCode) error {
	c.CreatedAt, c.ExpiresAt = instant(c.CreatedAt), instant(c.ExpiresAt)
	return t.write(ctx, func(s *state) error {
		s.mailed.put(of, mailed{MailedCode: c})
		return s.needs(of)
	})
}

func (t mailedCodes) Try(ctx context.Context, of principal.ID, now time.Time) error {
	return t.write(ctx, func(s *state) error {
		row, ok := s.mailed.rows[of]
		if !ok || !instant(now).Before(row.ExpiresAt) || row.tries >= factor.MaxTries {
			return stale("try mailed code")
		}
		row.tries++
		s.mailed.put(of, row)
		return nil
	})
}

func (t mailedCodes) Use(ctx context.Context, of principal.ID, code factor.Code, now time.Time) error {
	return t.write(ctx, func(s *state) error {
		row, ok := s.mailed.rows[of]
		if !ok || !instant(now).Before(row.ExpiresAt) || !row.Code.Equal(code.Text) {
			return stale("use mailed code")
		}
		s.mailed.drop(of)
		return nil
	})
}

func (t mailedCodes) Void(ctx context.Context, of principal.ID) error {
	return t.write(ctx, func(s *state) error {
		s.mailed.drop(of)
		return nil
	})
}

func (t mailedCodes) Purge(ctx context.Context, before time.Time, limit int) (n int, err error) {
	before = instant(before)
	err = t.write(ctx, func(s *state) error {
		n = s.mailed.purge(limit, func(_ principal.ID, row mailed) bool { return row.ExpiresAt.Before(before) })
		return nil
	})
	return n, err
}
