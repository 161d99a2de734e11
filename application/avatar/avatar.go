// Package avatar holds what users show of themselves: how a picture becomes
// theirs, how its files are read, and how those nobody shows any more are
// removed. How a picture is made is a port's business.
package avatar

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/avatar"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.SetAvatar, inbound.Self]    = (*Setter)(nil)
	_ inbound.UseCase[inbound.RemoveAvatar, inbound.Self] = (*Remover)(nil)
)

// staged is how long files are kept for a change that was begun: longer than
// any takes.
const staged = time.Hour

// failed says that it is the files' fault. A database that asks for another
// try is still recognised.
func failed(doing string, err error) error {
	return fault.New(fault.FileFailure).Because(fmt.Errorf("%s: %w", doing, err))
}

// SetterDeps are what a [Setter] works with. All are required.
type SetterDeps struct {
	Work    outbound.UnitOfWork
	Storage outbound.Storage
	Painter outbound.Painter
	Now     func() time.Time
	NewID   func() string
	NewKey  func() string // random, and a part of the keys of files
	Wake    func()        // the [Cleaner]
}

// Setter answers [inbound.SetAvatar].
type Setter struct{ d SetterDeps }

// NewSetter returns a Setter.
func NewSetter(d SetterDeps) *Setter { return &Setter{d} }

// Do implements [inbound.UseCase]. The files of the new picture are there before
// anybody is told of them, and those of the old one until nobody is any more.
func (u *Setter) Do(ctx context.Context, cmd inbound.SetAvatar) (inbound.Self, error) {
	caller := account.UserByID(cmd.Caller.PrincipalID)
	if _, err := caller(ctx, u.d.Work.Single()); err != nil {
		return nil, err
	}
	picture, err := u.d.Painter.Paint(ctx, cmd.Picture)
	if err != nil {
		return nil, fmt.Errorf("make renditions: %w", err)
	}
	a := avatar.New(u.d.NewID(), u.d.NewKey(), picture, u.d.Now())
	if err := u.store(ctx, a, picture); err != nil {
		return nil, err
	}
	p, err := swap(ctx, u.d.Work, caller, u.d.Now(), func(p *principal.Principal) avatar.Avatar {
		if old := p.Avatar(); !old.IsZero() {
			return old.Show(a.Key, picture, a.UpdatedAt)
		}
		return a
	})
	if err == nil {
		u.d.Wake()
	}
	return p, err
}

// store notes the files before it stores them, or a process that dies would
// leave some of which nobody knows.
func (u *Setter) store(ctx context.Context, a avatar.Avatar, p avatar.Picture) error {
	if err := u.d.Work.Single().Files.Stage(ctx, u.d.Now().Add(staged), a.Files()...); err != nil {
		return failed("stage files", err)
	}
	for _, s := range avatar.Sizes() {
		if err := u.d.Storage.Put(ctx, a.FileKey(s), string(a.Type), p.Renditions[s].Content); err != nil {
			return failed("store "+s.String(), err)
		}
	}
	return nil
}

// swap gives a user another avatar, and its files, in one transaction.
func swap(
	ctx context.Context, work outbound.UnitOfWork, find account.Find, now time.Time, next func(*principal.Principal) avatar.Avatar,
) (p *principal.Principal, err error) {
	err = work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if p, err = find(ctx, s); err != nil {
			return err
		}
		a := next(p)
		if a == p.Avatar() {
			return nil
		}
		p.SetAvatar(a)
		if err := account.Save(ctx, s, p); err != nil {
			return err
		}
		if err := s.Files.Swap(ctx, p.ID(), now, keysOf(a)...); err != nil {
			return failed("swap files", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func keysOf(a avatar.Avatar) (keys []string) {
	if a.IsZero() {
		return nil
	}
	for _, s := range avatar.Sizes() {
		keys = append(keys, a.FileKey(s))
	}
	return keys
}

// RemoverDeps are what a [Remover] works with. All are required.
type RemoverDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
	Wake func() // the [Cleaner]
}

// Remover answers [inbound.RemoveAvatar].
type Remover struct{ d RemoverDeps }

// NewRemover returns a Remover.
func NewRemover(d RemoverDeps) *Remover { return &Remover{d} }

// Do implements [inbound.UseCase]. The files are removed by the [Cleaner].
func (u *Remover) Do(ctx context.Context, cmd inbound.RemoveAvatar) (inbound.Self, error) {
	p, err := swap(ctx, u.d.Work, account.UserByID(cmd.Caller.PrincipalID), u.d.Now(),
		func(*principal.Principal) avatar.Avatar { return avatar.Avatar{} })
	if err == nil {
		u.d.Wake()
	}
	return p, err
}
