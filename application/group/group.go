// Package group holds what admins ask about groups and who is in them. How a
// group is told in a language, and what a text may be, are rules of the domain.
package group

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.CreateGroup, group.Delivered]  = (*Creator)(nil)
	_ inbound.UseCase[inbound.ListGroups, inbound.GroupPage] = (*Lister)(nil)
	_ inbound.UseCase[inbound.ShowGroup, group.Delivered]    = (*Shower)(nil)
	_ inbound.UseCase[inbound.UpdateGroup, group.Delivered]  = (*Updater)(nil)
)

// Deps are what use cases that tell a group work with. All are required.
type Deps struct {
	Work      outbound.UnitOfWork
	Canonical group.Canonical
	Service   string // canonical tag of the language that every group has a text in
}

// Creator answers [inbound.CreateGroup].
type Creator struct{ d Deps }

// NewCreator returns a Creator.
func NewCreator(d Deps) *Creator { return &Creator{d} }

// Do implements [inbound.UseCase].
func (c *Creator) Do(ctx context.Context, cmd inbound.CreateGroup) (out group.Delivered, err error) {
	if err := cmd.Caller.RequireAdmin(); err != nil {
		return out, err
	}
	f := fault.New(fault.InvalidRequest)
	if !group.ValidKey(cmd.Key) {
		f = f.On("key", fault.RulePattern)
	}
	texts, f := group.Read(cmd.Texts, "translations", c.d.Canonical, f)
	if len(f.Broken()) > 0 {
		return out, f
	}
	g, err := group.New(cmd.Key, texts, c.d.Service)
	if err != nil {
		return out, err
	}
	err = c.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return s.Groups.Add(ctx, g) })
	switch {
	case errors.Is(err, outbound.ErrTaken):
		return out, fault.New(fault.GroupKeyExists).Because(err)
	case err != nil:
		return out, fmt.Errorf("add group: %w", err)
	}
	return g.In(cmd.Locale, c.d.Service), nil
}

// Lister answers [inbound.ListGroups].
type Lister struct{ d Deps }

// NewLister returns a Lister.
func NewLister(d Deps) *Lister { return &Lister{d} }

// Do implements [inbound.UseCase].
func (l *Lister) Do(ctx context.Context, q inbound.ListGroups) (out inbound.GroupPage, err error) {
	if err := q.Caller.RequireAdmin(); err != nil {
		return out, err
	}
	var p page.Page[group.Delivered]
	err = l.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err = s.Groups.Page(ctx, q.Locale, l.d.Service, q.Page)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("list groups: %w", err)
	}
	return inbound.GroupPage{Page: p}, nil
}

// Shower answers [inbound.ShowGroup].
type Shower struct{ d Deps }

// NewShower returns a Shower.
func NewShower(d Deps) *Shower { return &Shower{d} }

// Do implements [inbound.UseCase].
func (sh *Shower) Do(ctx context.Context, q inbound.ShowGroup) (out group.Delivered, err error) {
	if err := q.Caller.RequireAdmin(); err != nil {
		return out, err
	}
	g, err := load(ctx, sh.d.Work.Single(), q.Key)
	if err != nil {
		return out, err
	}
	return g.In(q.Locale, sh.d.Service), nil
}

// Updater answers [inbound.UpdateGroup].
type Updater struct{ d Deps }

// NewUpdater returns an Updater.
func NewUpdater(d Deps) *Updater { return &Updater{d} }

// Do implements [inbound.UseCase].
func (u *Updater) Do(ctx context.Context, cmd inbound.UpdateGroup) (out group.Delivered, err error) {
	if err := cmd.Caller.RequireAdmin(); err != nil {
		return out, err
	}
	texts, f := group.Read(cmd.Texts, "translations", u.d.Canonical, fault.New(fault.InvalidRequest))
	without, f := group.ReadLocales(cmd.Without, "translationsToDelete", u.d.Canonical, f)
	if len(f.Broken()) > 0 {
		return out, f
	}
	var g group.Group
	err = u.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if g, err = load(ctx, s, cmd.Key); err != nil {
			return err
		}
		if g, err = g.Rewrite(without, texts, u.d.Service); err != nil {
			return err
		}
		if err := s.Groups.Save(ctx, g); err != nil {
			return fmt.Errorf("save group: %w", err)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	return g.In(cmd.Locale, u.d.Service), nil
}

// load refuses with DATABASE_ENTITY_NOT_FOUND. What cannot be a key is none: it
// may be a text that no database takes.
func load(ctx context.Context, s outbound.Stores, key string) (group.Group, error) {
	if !group.ValidKey(key) {
		return group.Group{}, fault.New(fault.DatabaseEntityNotFound)
	}
	g, err := s.Groups.ByKey(ctx, key)
	return g, unlessMissing("load group", err, fault.DatabaseEntityNotFound)
}

func unlessMissing(op string, err error, missing fault.Code) error {
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return fault.New(missing).Because(err)
	case err != nil:
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}
