package memory

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// chain is the trail. Its entries are never changed in place.
type chain struct {
	audit.Ends

	entries []link // those after the anchor
}

type link struct {
	audit.Entry

	hash audit.Hash
}

type trail struct{ data }

var _ outbound.Trail = trail{}

// hashOf needs no key, since nobody can change what is in memory.
func hashOf(e audit.Entry, before audit.Hash) audit.Hash {
	l := audit.Link{Entry: e}
	if e.Network != "" {
		l.Sealed = []byte(e.Network)
	}
	return sha256.Sum256(l.Text(before))
}

func (t trail) Append(ctx context.Context, entries ...audit.Entry) (head audit.Head, err error) {
	err = t.write(ctx, func(s *state) error {
		kept := slices.Clone(s.trail.entries)
		for _, e := range entries {
			if slices.ContainsFunc(kept, func(k link) bool { return k.ID == e.ID }) {
				continue
			}
			if _, ok := s.principals.rows[e.Owner()]; !ok && e.Owner() != "" {
				e.Network = ""
			}
			e.At, e.Position = instant(e.At), s.trail.Head.Position+1
			s.trail.Head = audit.Head{Position: e.Position, Hash: hashOf(e, s.trail.Head.Hash)}
			kept = append(kept, link{e, s.trail.Head.Hash})
		}
		s.trail.entries, head = kept, s.trail.Head
		return nil
	})
	return head, err
}

// seen is e as it can be read now: with its owner goes the network.
func (s *state) seen(e audit.Entry) audit.Entry {
	if _, ok := s.principals.rows[e.Owner()]; !ok && e.Owner() != "" {
		e.Network = ""
	}
	return e
}

func (t trail) Page(ctx context.Context, f audit.Filter, r page.Request) (p page.Page[audit.Entry], err error) {
	err = t.read(ctx, func(s *state) error {
		var all []audit.Entry
		for _, e := range s.trail.entries {
			if f.Matches(e.Entry) {
				all = append(all, s.seen(e.Entry))
			}
		}
		slices.SortStableFunc(all, func(a, b audit.Entry) int { return a.At.Compare(b.At) })
		if len(r.Sort) > 0 && r.Sort[0].Descending {
			slices.Reverse(all)
		}
		from := min(r.Offset(), len(all))
		p = page.Page[audit.Entry]{Request: r, Content: all[from:min(from+r.Size, len(all))], Total: len(all)}
		return nil
	})
	return p, err
}

func (t trail) Of(ctx context.Context, id principal.ID, after, limit int) (out []audit.Entry, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, e := range s.trail.entries {
			if id != "" && (e.Principal == id || e.Target.Principal == id) && e.Position > after && len(out) < limit {
				out = append(out, s.seen(e.Entry))
			}
		}
		return nil
	})
	return out, err
}

func (t trail) Ends(ctx context.Context) (ends audit.Ends, err error) {
	err = t.read(ctx, func(s *state) error {
		ends = s.trail.Ends
		return nil
	})
	return ends, err
}

func (t trail) Check(ctx context.Context, after audit.Head, limit int) (checked audit.Checked, err error) {
	checked.Good = after
	err = t.read(ctx, func(s *state) error {
		for _, e := range s.trail.entries {
			if e.Position <= after.Position || checked.Seen == limit || checked.Broken {
				continue
			}
			checked.Seen++
			checked.Broken = e.Position != checked.Good.Position+1 || e.hash != hashOf(e.Entry, checked.Good.Hash)
			if !checked.Broken {
				checked.Good = audit.Head{Position: e.Position, Hash: e.hash}
			}
		}
		return nil
	})
	return checked, err
}

func (t trail) Purge(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = t.write(ctx, func(s *state) error {
		for n < len(s.trail.entries) && n < limit && s.trail.entries[n].At.Before(instant(before)) {
			n++
		}
		if n == 0 {
			return nil
		}
		last := s.trail.entries[n-1]
		s.trail.Anchor, s.trail.entries = audit.Head{Position: last.Position, Hash: last.hash}, s.trail.entries[n:]
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("purge audit: %w", err)
	}
	return n, nil
}
