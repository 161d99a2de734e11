// Package directory holds what people may know of each other. What they may
// know of themselves is in package profile.
package directory

import (
	"context"

	"gatehouse/application/account"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ViewUser, inbound.Overview] = (*Viewer)(nil)

// ViewerDeps are what a [Viewer] works with. All are required.
type ViewerDeps struct{ Work outbound.UnitOfWork }

// Viewer answers [inbound.ViewUser].
type Viewer struct{ d ViewerDeps }

// NewViewer returns a Viewer.
func NewViewer(d ViewerDeps) *Viewer { return &Viewer{d} }

// Do implements [inbound.UseCase].
func (v *Viewer) Do(ctx context.Context, q inbound.ViewUser) (inbound.Overview, error) {
	p, err := account.UserByID(q.ID)(ctx, v.d.Work.Single())
	if err != nil {
		return inbound.Overview{}, err
	}
	o := inbound.Overview{ID: p.ID(), Name: p.Name(), Roles: p.Roles()}
	if q.Caller.RequireAdmin() == nil {
		o.Disabled = new(p.IsDisabled())
	}
	return o, nil
}
