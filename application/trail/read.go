package trail

import (
	"context"

	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ReadAudit, inbound.AuditPage] = (*Reader)(nil)

// ReaderDeps are what a [Reader] works with. All are required.
type ReaderDeps struct{ Work outbound.UnitOfWork }

// Reader answers [inbound.ReadAudit].
type Reader struct{ d ReaderDeps }

// NewReader returns a Reader.
func NewReader(d ReaderDeps) *Reader { return &Reader{d} }

// Do implements [inbound.UseCase].
func (r *Reader) Do(ctx context.Context, q inbound.ReadAudit) (out inbound.AuditPage, err error) {
	if err := q.Caller.RequireAdmin(); err != nil {
		return out, err
	}
	err = r.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) (err error) {
		out.Page, err = s.Trail.Page(ctx, q.Filter, q.Page)
		return err
	})
	return out, err
}
