// Package directory holds what people may know of each other. What they may
// know of themselves is in package profile.
package directory

import (
	"context"

	"gatehouse/application/account"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.ViewUser, inbound.Overview]  = (*Viewer)(nil)
	_ inbound.UseCase[inbound.FindUsers, inbound.UserPage] = (*Finder)(nil)
)

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
	return overview(p, q.Caller), nil
}

// overview is what a caller may know of p.
func overview(p *principal.Principal, by session.Caller) inbound.Overview {
	o := inbound.Overview{ID: p.ID(), Name: p.Name(), Avatar: p.Avatar(), Roles: p.Roles()}
	if by.RequireAdmin() == nil {
		o.Disabled = new(p.IsDisabled())
	}
	return o
}

// FinderDeps are what a [Finder] works with. All are required.
type FinderDeps struct{ Work outbound.UnitOfWork }

// Finder answers [inbound.FindUsers].
type Finder struct{ d FinderDeps }

// NewFinder returns a Finder.
func NewFinder(d FinderDeps) *Finder { return &Finder{d} }

// Do implements [inbound.UseCase].
func (f *Finder) Do(ctx context.Context, q inbound.FindUsers) (out inbound.UserPage, err error) {
	if err := q.Caller.RequireAdmin(); err != nil {
		return out, err
	}
	err = f.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		found, err := s.Principals.Page(ctx, q.Filter, q.Page)
		out.Page = page.Page[inbound.Overview]{Request: found.Request, Total: found.Total}
		for _, p := range found.Content {
			out.Content = append(out.Content, overview(p, q.Caller))
		}
		return err
	})
	if err != nil {
		return inbound.UserPage{}, err
	}
	return out, nil
}
