package trail_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/trail"
	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

// tampered is a trail whose entry at a position does not hold, or is hidden with
// all that follow; whose ends are forged, or change when they are read again.
type tampered struct {
	outbound.Trail
	at, until int
	forged    bool
	onCheck   func()
}

func (t *tampered) Ends(ctx context.Context) (audit.Ends, error) {
	ends, err := t.Trail.Ends(ctx)
	if t.forged {
		return audit.Ends{}, fmt.Errorf("ends: %w", outbound.ErrForged)
	}
	return ends, err
}

func (t *tampered) Check(ctx context.Context, after audit.Head, limit int) (audit.Checked, error) {
	if t.onCheck != nil {
		t.onCheck()
		t.onCheck = nil
	}
	if t.until > 0 {
		limit = min(limit, t.until-after.Position)
		if limit == 0 {
			return audit.Checked{Good: after}, nil
		}
	}
	c, err := t.Trail.Check(ctx, after, limit)
	if t.at > after.Position && t.at <= c.Good.Position {
		c, err = t.Trail.Check(ctx, after, t.at-1-after.Position)
		c.Seen, c.Broken = c.Seen+1, true
	}
	return c, err
}

type tamperedWork struct {
	*memory.Store
	t *tampered
}

func (w tamperedWork) Single() outbound.Stores {
	s := w.Store.Single()
	w.t.Trail, s.Trail = s.Trail, w.t
	return s
}

// chain stores n entries, a minute apart, and returns where it ended after each.
func chain(t *testing.T, s *memory.Store, n int) []audit.Head {
	t.Helper()
	heads := []audit.Head{{}}
	for i := range n {
		h, err := s.Single().Trail.Append(t.Context(), audit.Entry{ID: fmt.Sprint("e", i), At: noon.Add(time.Duration(i) * time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, h)
	}
	return heads
}

func purge(t *testing.T, s *memory.Store, n int) {
	t.Helper()
	if got, err := s.Single().Trail.Purge(t.Context(), noon.Add(time.Hour), n); err != nil || got != n {
		t.Fatalf("Purge = %d, %v", got, err)
	}
}

func TestVerify(t *testing.T) {
	for name, tc := range map[string]struct {
		purged int
		trail  tampered
		noted  func(heads []audit.Head) audit.Head
		want   func(heads []audit.Head) inbound.AuditVerdict
	}{
		"holds": {want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Head: h[9], Entries: 9}
		}},
		"holds after a purge": {purged: 4, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{From: h[4], Head: h[9], Entries: 5}
		}},
		"an entry was changed": {trail: tampered{at: 6}, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Head: h[5], Entries: 5, At: 6, Why: inbound.EntryChanged}
		}},
		"the first one was changed": {trail: tampered{at: 1}, want: func([]audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{At: 1, Why: inbound.EntryChanged}
		}},
		"the last ones are gone": {trail: tampered{until: 7}, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Head: h[7], Entries: 7, At: 8, Why: inbound.EntryChanged}
		}},
		"the ends are forged": {trail: tampered{forged: true}, want: func([]audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Why: inbound.EndsForged}
		}},
		"a head was noted": {noted: func(h []audit.Head) audit.Head { return h[5] }, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Head: h[9], Entries: 9, Noted: inbound.NotedFound}
		}},
		"the last head was noted": {noted: func(h []audit.Head) audit.Head { return h[9] }, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Head: h[9], Entries: 9, Noted: inbound.NotedFound}
		}},
		"the anchor was noted": {purged: 4, noted: func(h []audit.Head) audit.Head { return h[4] }, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{From: h[4], Head: h[9], Entries: 5, Noted: inbound.NotedFound}
		}},
		"a head was noted that is purged": {purged: 4, noted: func(h []audit.Head) audit.Head { return h[3] }, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{From: h[4], Head: h[9], Entries: 5, Noted: inbound.NotedPurged}
		}},
		"a head was noted that is cut off": {noted: func(h []audit.Head) audit.Head { return audit.Head{Position: 12, Hash: h[9].Hash} }, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Head: h[9], Entries: 9, At: 10, Why: inbound.NotedMissing}
		}},
		"another head was noted": {noted: func(h []audit.Head) audit.Head { return audit.Head{Position: 5, Hash: h[9].Hash} }, want: func(h []audit.Head) inbound.AuditVerdict {
			return inbound.AuditVerdict{Head: h[5], Entries: 5, At: 5, Why: inbound.NotedDiffers}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := memory.New()
			heads := chain(t, s, 9)
			if tc.purged > 0 {
				purge(t, s, tc.purged)
			}
			var q inbound.VerifyAudit
			if tc.noted != nil {
				q.Noted = new(tc.noted(heads))
			}
			got, err := trail.NewVerifier(trail.VerifierDeps{Work: tamperedWork{s, &tc.trail}}).Do(t.Context(), q)
			if want := tc.want(heads); err != nil || got != want {
				t.Errorf("Do = %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

// Who purges while somebody looks takes nothing away that is looked for.
func TestAPurgeWhileVerifyingIsNoFlaw(t *testing.T) {
	s := memory.New()
	heads := chain(t, s, 9)
	for _, noted := range []*audit.Head{nil, &heads[2]} {
		purged := 3
		if noted != nil {
			purged = 1
		}
		w := tamperedWork{s, &tampered{onCheck: func() { purge(t, s, purged) }}}
		got, err := trail.NewVerifier(trail.VerifierDeps{Work: w}).Do(t.Context(), inbound.VerifyAudit{Noted: noted})
		if err != nil || got.Why != "" || got.Head != heads[9] {
			t.Errorf("Do = %+v, %v", got, err)
		}
	}
}

func TestAPurgeOfEverythingWhileVerifyingIsNoFlaw(t *testing.T) {
	s := memory.New()
	heads := chain(t, s, 9)
	w := tamperedWork{s, &tampered{onCheck: func() { purge(t, s, 9) }}}
	got, err := trail.NewVerifier(trail.VerifierDeps{Work: w}).Do(t.Context(), inbound.VerifyAudit{})
	if want := (inbound.AuditVerdict{From: heads[9], Head: heads[9]}); err != nil || got != want {
		t.Errorf("Do = %+v, %v", got, err)
	}
}

func TestMoreEntriesThanABatchAreVerified(t *testing.T) {
	s := memory.New()
	var all []audit.Entry
	for i := range 1201 {
		all = append(all, audit.Entry{ID: fmt.Sprint(i), At: noon})
	}
	if _, err := s.Single().Trail.Append(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	got, err := trail.NewVerifier(trail.VerifierDeps{Work: s}).Do(t.Context(), inbound.VerifyAudit{})
	if err != nil || got.Entries != 1201 || got.Why != "" {
		t.Errorf("Do = %+v, %v", got, err)
	}
}

func TestOnlyAdminsRead(t *testing.T) {
	s := memory.New()
	chain(t, s, 3)
	read := trail.NewReader(trail.ReaderDeps{Work: s})
	q := inbound.ReadAudit{Page: page.Request{Size: 2}}
	if got, err := read.Do(t.Context(), q); !errors.Is(err, fault.RoleRequired) || got.Content != nil {
		t.Errorf("Do by nobody = %+v, %v", got, err)
	}
	q.Caller = session.Caller{PrincipalID: "ada", Roles: []principal.Role{principal.RoleAdmin}}
	if got, err := read.Do(t.Context(), q); err != nil || got.Total != 3 || len(got.Content) != 2 {
		t.Errorf("Do by an admin = %+v, %v", got, err)
	}
}
