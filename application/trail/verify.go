package trail

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/domain/audit"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.VerifyAudit, inbound.AuditVerdict] = (*Verifier)(nil)

// VerifierDeps are what a [Verifier] works with. All are required.
type VerifierDeps struct{ Work outbound.UnitOfWork }

// Verifier answers [inbound.VerifyAudit].
type Verifier struct{ d VerifierDeps }

// NewVerifier returns a Verifier.
func NewVerifier(d VerifierDeps) *Verifier { return &Verifier{d} }

// Do implements [inbound.UseCase]. Others may append and purge meanwhile: what
// is there when it begins is looked at, unless it is purged before.
func (v *Verifier) Do(ctx context.Context, q inbound.VerifyAudit) (inbound.AuditVerdict, error) {
	ends, err := v.d.Work.Single().Trail.Ends(ctx)
	if errors.Is(err, outbound.ErrForged) {
		return inbound.AuditVerdict{Why: inbound.EndsForged}, nil
	}
	if err != nil {
		return inbound.AuditVerdict{}, fmt.Errorf("read ends: %w", err)
	}
	w := &walk{trail: v.d.Work.Single().Trail, noted: q.Noted, good: ends.Anchor}
	w.out.From = ends.Anchor
	if q.Noted != nil && q.Noted.Position < ends.Anchor.Position {
		w.out.Noted = inbound.NotedPurged
		w.noted = nil
	}
	err = w.to(ctx, ends.Head)
	w.out.Head, w.out.Entries = w.good, w.good.Position-w.out.From.Position
	return w.out, err
}

// walk is a way through the chain, up to the last entry that holds.
type walk struct {
	trail outbound.Trail
	noted *audit.Head // still to be met, nil when nobody has noted one
	good  audit.Head
	out   inbound.AuditVerdict
}

// to walks until after the last entry. What the chain says is its end must be
// there, and nothing behind it that is not of the chain.
func (w *walk) to(ctx context.Context, head audit.Head) error {
	for {
		if w.meet(); w.out.Why != "" {
			return nil
		}
		limit := batch
		if w.noted != nil && w.noted.Position > w.good.Position {
			limit = min(limit, w.noted.Position-w.good.Position)
		}
		c, err := w.trail.Check(ctx, w.good, limit)
		if err != nil {
			return fmt.Errorf("check after %d: %w", w.good.Position, err)
		}
		w.good = c.Good
		flawed := c.Broken || c.Seen == 0 && w.good.Position < head.Position
		switch {
		case flawed:
			purged, err := w.purged(ctx)
			if err != nil {
				return err
			}
			if purged {
				continue
			}
			w.fail(w.good.Position+1, inbound.EntryChanged)
		case c.Seen > 0:
			continue
		case w.noted != nil:
			w.fail(w.good.Position+1, inbound.NotedMissing)
		}
		return nil
	}
}

// meet compares with the head that was noted, when it is there.
func (w *walk) meet() {
	if w.noted == nil || w.good.Position != w.noted.Position {
		return
	}
	if w.good != *w.noted {
		w.fail(w.noted.Position, inbound.NotedDiffers)
		return
	}
	w.out.Noted, w.noted = inbound.NotedFound, nil
}

func (w *walk) fail(at int, why inbound.AuditFlaw) { w.out.At, w.out.Why = at, why }

// purged reports whether what is missing was purged since, and goes on behind.
func (w *walk) purged(ctx context.Context) (bool, error) {
	ends, err := w.trail.Ends(ctx)
	if errors.Is(err, outbound.ErrForged) {
		return false, nil
	}
	if err != nil || ends.Anchor.Position <= w.good.Position {
		return false, err
	}
	if w.noted != nil && w.noted.Position < ends.Anchor.Position {
		w.out.Noted, w.noted = inbound.NotedPurged, nil
	}
	w.good, w.out.From = ends.Anchor, ends.Anchor
	return true, nil
}
