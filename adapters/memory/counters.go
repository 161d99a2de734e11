package memory

import (
	"context"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/throttle"
)

type counterKey struct {
	of   throttle.Subject
	wide bool // from everywhere; then there is no network in of
}

func countersOf(s throttle.Subject) (network, account counterKey) {
	return counterKey{of: s}, counterKey{of: throttle.Subject{Account: s.Account}, wide: true}
}

type attempts struct{ data }

func (t attempts) State(ctx context.Context, of throttle.Subject) (out throttle.State, err error) {
	err = t.read(ctx, func(s *state) error {
		out = s.attempts(of)
		return nil
	})
	return out, err
}

func (s *state) attempts(of throttle.Subject) throttle.State {
	network, account := countersOf(of)
	return throttle.State{Network: s.counters.rows[network], Account: s.counters.rows[account]}
}

func (t attempts) Swap(ctx context.Context, of throttle.Subject, old, next throttle.State) (done bool, err error) {
	err = t.write(ctx, func(s *state) error {
		if done = sameCounters(s.attempts(of), old); done {
			s.setAttempts(of, next)
		}
		return nil
	})
	return done && err == nil, err
}

func sameCounters(a, b throttle.State) bool {
	return sameCounter(a.Network, b.Network) && sameCounter(a.Account, b.Account)
}

func sameCounter(a, b throttle.Counter) bool {
	return a.Failures == b.Failures && a.Last.Equal(instant(b.Last))
}

func (t attempts) Save(ctx context.Context, of throttle.Subject, next throttle.State) error {
	return t.write(ctx, func(s *state) error {
		s.setAttempts(of, next)
		return nil
	})
}

func (s *state) setAttempts(of throttle.Subject, next throttle.State) {
	network, account := countersOf(of)
	s.counters.put(network, throttle.Counter{Failures: next.Network.Failures, Last: instant(next.Network.Last)})
	s.counters.put(account, throttle.Counter{Failures: next.Account.Failures, Last: instant(next.Account.Last)})
}

func (t attempts) Purge(ctx context.Context, before time.Time, limit int) (n int, err error) {
	before = instant(before)
	err = t.write(ctx, func(s *state) error {
		n = s.counters.purge(limit, func(_ counterKey, c throttle.Counter) bool { return c.Last.Before(before) })
		return nil
	})
	return n, err
}

type cooldownKey struct {
	kind   notice.Kind
	normal string
}

type cooldowns struct{ data }

func (t cooldowns) Start(ctx context.Context, kind notice.Kind, normal string, now time.Time, ttl time.Duration) (left time.Duration, err error) {
	now = instant(now)
	k := cooldownKey{kind, normal}
	err = t.write(ctx, func(s *state) error {
		if left = s.cooldowns.rows[k].Sub(now); left <= 0 {
			left = 0
			s.cooldowns.put(k, instant(now.Add(ttl)))
		}
		return nil
	})
	return left, err
}

func (t cooldowns) Left(ctx context.Context, kind notice.Kind, normal string, now time.Time) (left time.Duration, err error) {
	err = t.read(ctx, func(s *state) error {
		left = max(0, s.cooldowns.rows[cooldownKey{kind, normal}].Sub(instant(now)))
		return nil
	})
	return left, err
}

func (t cooldowns) End(ctx context.Context, kind notice.Kind, normal string) error {
	return t.write(ctx, func(s *state) error {
		s.cooldowns.drop(cooldownKey{kind, normal})
		return nil
	})
}

func (t cooldowns) Purge(ctx context.Context, now time.Time, limit int) (n int, err error) {
	now = instant(now)
	err = t.write(ctx, func(s *state) error {
		n = s.cooldowns.purge(limit, func(_ cooldownKey, until time.Time) bool { return until.Before(now) })
		return nil
	})
	return n, err
}

type deviceKey struct {
	of     principal.ID
	device string
}

type devices struct{ data }

func (t devices) Mark(ctx context.Context, of principal.ID, device string, now, since time.Time) (known, ever bool, err error) {
	now, since = instant(now), instant(since)
	err = t.write(ctx, func(s *state) error {
		if err := s.needs(of); err != nil {
			return err
		}
		this := deviceKey{of, device}
		for k, last := range s.devices.rows {
			ever = ever || k.of == of
			known = known || (k == this && !last.Before(since))
		}
		s.devices.put(this, now)
		return nil
	})
	return known, ever, err
}

func (t devices) Purge(ctx context.Context, before time.Time, limit int) (n int, err error) {
	before = instant(before)
	err = t.write(ctx, func(s *state) error {
		latest := map[principal.ID]deviceKey{}
		for k, last := range s.devices.rows {
			if l, ok := latest[k.of]; !ok || last.After(s.devices.rows[l]) {
				latest[k.of] = k
			}
		}
		n = s.devices.purge(limit, func(k deviceKey, last time.Time) bool { return last.Before(before) && k != latest[k.of] })
		return nil
	})
	return n, err
}
