package passkey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/letter"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.ListPasskeys, inbound.Passkeys]  = (*Lister)(nil)
	_ inbound.UseCase[inbound.RenamePasskey, passkey.Passkey]  = (*Renamer)(nil)
	_ inbound.UseCase[inbound.DeletePasskey, inbound.Passkeys] = (*Deleter)(nil)
)

// ListDeps are what a [Lister] and a [Renamer] work with. All are required.
type ListDeps struct{ Work outbound.UnitOfWork }

// Lister answers [inbound.ListPasskeys].
type Lister struct{ d ListDeps }

// NewLister returns a Lister.
func NewLister(d ListDeps) *Lister { return &Lister{d} }

// Do implements [inbound.UseCase].
func (l *Lister) Do(ctx context.Context, q inbound.ListPasskeys) (list inbound.Passkeys, err error) {
	err = l.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, q.Caller.PrincipalID))
		if err != nil {
			return err
		}
		list, err = all(ctx, s, p.ID())
		return err
	})
	return list, err
}

// Renamer answers [inbound.RenamePasskey].
type Renamer struct{ d ListDeps }

// NewRenamer returns a Renamer.
func NewRenamer(d ListDeps) *Renamer { return &Renamer{d} }

// Do implements [inbound.UseCase].
func (r *Renamer) Do(ctx context.Context, cmd inbound.RenamePasskey) (renamed passkey.Passkey, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return renamed, err
	}
	name, err := parseName(cmd.Name)
	if err != nil {
		return renamed, err
	}
	err = r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, cmd.Caller.PrincipalID))
		if err != nil {
			return err
		}
		if err := found(s.Passkeys.Rename(ctx, p.ID(), cmd.ID, name)); err != nil {
			return fmt.Errorf("rename passkey: %w", err)
		}
		list, err := all(ctx, s, p.ID())
		for _, k := range list {
			if k.ID == cmd.ID {
				renamed = k
			}
		}
		return err
	})
	return renamed, err
}

// found says what it means that somebody has no such passkey.
func found(err error) error {
	if errors.Is(err, outbound.ErrNotFound) {
		return fault.New(fault.PasskeyNotFound).Because(err)
	}
	return err
}

// Deleter answers [inbound.DeletePasskey].
type Deleter struct{ d ChangeDeps }

// NewDeleter returns a Deleter.
func NewDeleter(d ChangeDeps) *Deleter { return &Deleter{d} }

// Do implements [inbound.UseCase].
func (r *Deleter) Do(ctx context.Context, cmd inbound.DeletePasskey) (rest inbound.Passkeys, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	mail := told{notice.TwoFactorRemoved, r.d.AlertRemoved}
	err = r.d.change(ctx, cmd.Context, mail, r.d.Now(), func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if err := found(s.Passkeys.Delete(ctx, p.ID(), cmd.ID)); err != nil {
			return fmt.Errorf("delete passkey: %w", err)
		}
		if rest, err = all(ctx, s, p.ID()); err != nil || len(rest) > 0 {
			return err
		}
		p.DisableFactor(factor.Passkey)
		if r.d.Mandatory && !p.Factors().Any() {
			return fault.New(fault.CannotDisableOnlyTwoFactorMethod)
		}
		return nil
	})
	if !account.Stands(err) {
		return nil, err
	}
	return rest, err
}

// told is the mail that a change owes, unless it is off.
type told struct {
	kind notice.Kind
	on   bool
}

// change makes a change of the caller's passkeys, with all that it means
// besides: other sessions end, challenges are void, and the caller is told
// (contract §12, as T5 and T6).
func (d ChangeDeps) change(ctx context.Context, by inbound.Context, mail told, now time.Time,
	edit func(context.Context, outbound.Stores, *principal.Principal) error,
) error {
	id, noticeID := by.Caller.PrincipalID, d.NewID()
	what := outbound.Revocation{Principal: id, Kept: by.Caller.SessionID}
	return account.Revoke(ctx, d.Revocations, what, func() (bool, error) {
		return true, d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			p, err := account.User(s.Principals.ByID(ctx, id))
			if err != nil {
				return err
			}
			if err := edit(ctx, s, p); err != nil {
				return err
			}
			if err := account.Save(ctx, s, p); err != nil {
				return err
			}
			if err := s.Sessions.EndAll(ctx, id, by.Caller.SessionID, session.FactorsChanged, now); err != nil {
				return fmt.Errorf("end other sessions: %w", err)
			}
			if err := s.OneTime.Void(ctx, id, onetime.Challenge, "", now); err != nil {
				return fmt.Errorf("void challenges: %w", err)
			}
			if !mail.on {
				return nil
			}
			n := notice.To(p, mail.kind, noticeID, by.Locale, now).CausedBy(by.From)
			n.Factor = notice.Passkey
			return letter.Queue(ctx, s, n)
		})
	})
}
