// Package erasure deletes people for good: their account with all that is
// theirs, and again when a backup brings them back. What a deletion needs of
// proof is decided here; that sealed data of theirs opens no more is the
// stores' doing.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.DeleteSelf, inbound.Done]    = (*SelfDeleter)(nil)
	_ inbound.UseCase[inbound.DeleteAccount, inbound.Done] = (*AccountDeleter)(nil)
)

// Deps are what deletions work with. All are required.
type Deps struct {
	Work        outbound.UnitOfWork
	Revocations outbound.Revocations
	Ledger      outbound.Ledger
	Now         func() time.Time
	Log         *slog.Logger
}

// SelfDeleter answers [inbound.DeleteSelf].
type SelfDeleter struct{ d Deps }

// NewSelfDeleter returns a SelfDeleter.
func NewSelfDeleter(d Deps) *SelfDeleter { return &SelfDeleter{d} }

// Do implements [inbound.UseCase].
func (u *SelfDeleter) Do(ctx context.Context, cmd inbound.DeleteSelf) (inbound.Done, error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return inbound.Done{}, err
	}
	who := cmd.Caller.PrincipalID
	if _, err := account.Self(u.d.Work.Single().Principals.ByID(ctx, who)); err != nil {
		return inbound.Done{}, err
	}
	return inbound.Done{}, u.d.erase(ctx, who, cmd.From.Address)
}

// AccountDeleter answers [inbound.DeleteAccount].
type AccountDeleter struct{ d Deps }

// NewAccountDeleter returns an AccountDeleter.
func NewAccountDeleter(d Deps) *AccountDeleter { return &AccountDeleter{d} }

// Do implements [inbound.UseCase].
func (u *AccountDeleter) Do(ctx context.Context, cmd inbound.DeleteAccount) (inbound.Done, error) {
	if err := cmd.Caller.RequireAdmin(); err != nil {
		return inbound.Done{}, err
	}
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return inbound.Done{}, err
	}
	if _, err := account.UserByID(cmd.ID)(ctx, u.d.Work.Single()); err != nil {
		return inbound.Done{}, err
	}
	return inbound.Done{}, u.d.erase(ctx, cmd.ID, cmd.From.Address)
}

// erase deletes who was found a moment ago, unless they are the last admin. It
// refuses with DATABASE_ENTITY_NOT_FOUND when somebody was faster.
func (d Deps) erase(ctx context.Context, who principal.ID, from client.Address) error {
	e := principal.Erasure{ID: who, At: d.Now()}
	load := account.ButTheLastAdmin(func(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
		p, err := s.Principals.ByID(ctx, who)
		return p, vanished(err)
	})
	return account.Revoke(ctx, d.Revocations, outbound.Revocation{Principal: who}, func() (bool, error) {
		err := d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			p, err := load(ctx, s)
			if err != nil {
				return err
			}
			return vanished(forget(ctx, s, p, e, from))
		})
		if err == nil {
			d.note(context.WithoutCancel(ctx), e)
		}
		return err == nil, err
	})
}

func vanished(err error) error {
	if errors.Is(err, outbound.ErrNotFound) {
		return fault.New(fault.DatabaseEntityNotFound).Because(err)
	}
	return err
}

// gone is why mails are dropped whose link or code leads nowhere any more.
const gone = "account_deleted"

// forget deletes a principal and whatever else is theirs. Mails that tell of
// what has happened go out all the same, to where they were meant to go (faults
// F86).
func forget(ctx context.Context, s outbound.Stores, p *principal.Principal, e principal.Erasure, from client.Address) error {
	if err := s.Outbox.Disown(ctx, p.ID(), notice.SecretKinds(), gone, e.At); err != nil {
		return fmt.Errorf("disown mails: %w", err)
	}
	if !p.IsGuest() {
		if err := s.Attempts.Forget(ctx, attempt.Subject(p.Email().Typed(), from)); err != nil {
			return fmt.Errorf("forget attempts: %w", err)
		}
	}
	if err := s.Principals.Delete(ctx, p.ID()); err != nil {
		return fmt.Errorf("delete principal: %w", err)
	}
	if err := s.Erasures.Add(ctx, e); err != nil {
		return fmt.Errorf("add erasure: %w", err)
	}
	return nil
}

// note keeps what is done outside of the database too. Nobody can undo it, so a
// failure is the operator's to hear of; the next start will try again.
func (d Deps) note(ctx context.Context, all ...principal.Erasure) {
	if err := d.Ledger.Add(ctx, all...); err != nil {
		d.Log.ErrorContext(ctx, "erasures not kept outside of the database", "erasures", len(all), "err", err)
	}
}
