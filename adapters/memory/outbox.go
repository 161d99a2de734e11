package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// parcel is a notice with what became of it.
type parcel struct {
	notice          notice.Notice
	state           parcelState
	due, leaseUntil time.Time
	owner           string
	fence, attempts int
	settledAt       time.Time
}

type parcelState int

const (
	queued parcelState = iota
	leased
	sent
	dead
)

type outbox struct{ data }

func (t outbox) Add(ctx context.Context, n notice.Notice) error {
	return t.write(ctx, func(s *state) error {
		if n.Principal != "" {
			if err := s.needs(n.Principal); err != nil {
				return err
			}
		}
		if _, taken := s.outbox.rows[n.ID]; taken {
			return fmt.Errorf("add notice %s: %w", n.ID, outbound.ErrTaken)
		}
		n.CreatedAt, n.ExpiresAt, n.From = instant(n.CreatedAt), instant(n.ExpiresAt), cloned(n.From)
		s.outbox.put(n.ID, parcel{notice: n, due: n.CreatedAt})
		return nil
	})
}

func (t outbox) Claim(ctx context.Context, owner string, now, until time.Time, limit int) (out []outbound.Claim, err error) {
	now = instant(now)
	err = t.write(ctx, func(s *state) error {
		var due []parcel
		for _, p := range s.outbox.rows {
			free := p.state == queued || (p.state == leased && !now.Before(p.leaseUntil))
			if free && !p.due.After(now) {
				due = append(due, p)
			}
		}
		slices.SortFunc(due, func(a, b parcel) int {
			return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.notice.ID, b.notice.ID))
		})
		for _, p := range due[:min(limit, len(due))] {
			p.state, p.owner, p.leaseUntil = leased, owner, instant(until)
			p.fence++
			p.attempts++
			s.outbox.put(p.notice.ID, p)
			n := p.notice
			n.From = cloned(n.From)
			out = append(out, outbound.Claim{Notice: n, Owner: owner, Fence: p.fence, Attempts: p.attempts})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (t outbox) Settle(ctx context.Context, c outbound.Claim, o outbound.Outcome) error {
	return t.write(ctx, func(s *state) error {
		p, ok := s.outbox.rows[c.Notice.ID]
		if !ok || p.state != leased || p.owner != c.Owner || p.fence != c.Fence {
			return fmt.Errorf("settle notice %s: %w", c.Notice.ID, outbound.ErrStale)
		}
		p.owner = ""
		if !o.Dead && !o.RetryAt.IsZero() {
			p.state, p.due = queued, instant(o.RetryAt)
		} else {
			p.finish(sent, o.At)
			if o.Dead {
				p.state = dead
			}
		}
		s.outbox.put(p.notice.ID, p)
		return nil
	})
}

// finish wipes what nobody needs any more.
func (p *parcel) finish(as parcelState, now time.Time) {
	p.state, p.settledAt = as, instant(now)
	p.notice.To, p.notice.Name, p.notice.Token, p.notice.From = email.Address{}, "", secret.Text{}, client.Info{}
}

func (t outbox) Drop(ctx context.Context, kinds []notice.Kind, _ string, now time.Time) (n int, err error) {
	err = t.write(ctx, func(s *state) error {
		for id, p := range s.outbox.rows {
			if (p.state == queued || p.state == leased) && slices.Contains(kinds, p.notice.Kind) {
				p.finish(dead, now)
				s.outbox.put(id, p)
				n++
			}
		}
		return nil
	})
	return n, err
}

func (t outbox) Release(ctx context.Context, owner string, now time.Time) error {
	now = instant(now)
	return t.write(ctx, func(s *state) error {
		for id, p := range s.outbox.rows {
			if p.state == leased && (owner == "" || p.owner == owner) {
				p.state, p.owner = queued, ""
				if p.due.After(now) {
					p.due = now
				}
				s.outbox.put(id, p)
			}
		}
		return nil
	})
}

func (t outbox) Backlog(ctx context.Context) (b outbound.Backlog, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, p := range s.outbox.rows {
			switch p.state {
			case queued, leased:
				b.Queued++
				if b.Oldest.IsZero() || p.notice.CreatedAt.Before(b.Oldest) {
					b.Oldest = p.notice.CreatedAt
				}
			case dead:
				b.Dead++
			case sent:
			}
		}
		return nil
	})
	return b, err
}

func (t outbox) Purge(ctx context.Context, deliveredBefore, deadBefore time.Time, limit int) (n int, err error) {
	deliveredBefore, deadBefore = instant(deliveredBefore), instant(deadBefore)
	err = t.write(ctx, func(s *state) error {
		n = s.outbox.purge(limit, func(_ string, p parcel) bool {
			return (p.state == sent && p.settledAt.Before(deliveredBefore)) ||
				(p.state == dead && p.settledAt.Before(deadBefore))
		})
		return nil
	})
	return n, err
}
