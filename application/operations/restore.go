package operations

import (
	"context"
	"fmt"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.DeclareRestore, inbound.Restored] = (*RestoreDeclarer)(nil)

// RestoreDeclarerDeps are what a [RestoreDeclarer] works with. All are
// required.
type RestoreDeclarerDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
}

// RestoreDeclarer answers [inbound.DeclareRestore]. Token caches are not told:
// what they hold is of a database that is gone, so they are emptied with it.
type RestoreDeclarer struct{ d RestoreDeclarerDeps }

// NewRestoreDeclarer returns a RestoreDeclarer.
func NewRestoreDeclarer(d RestoreDeclarerDeps) *RestoreDeclarer { return &RestoreDeclarer{d} }

// Do implements [inbound.UseCase].
func (r *RestoreDeclarer) Do(ctx context.Context, cmd inbound.DeclareRestore) (done inbound.Restored, err error) {
	now := r.d.Now()
	err = r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		stored, err := s.Restores.Epoch(ctx)
		if err != nil {
			return err
		}
		to := cmd.Epoch
		if cmd.Again {
			to = max(to, stored+1)
		}
		done = inbound.Restored{Epoch: max(to, stored)}
		if to <= stored {
			return nil
		}
		if done.Raised, err = s.Restores.Raise(ctx, to); err != nil || !done.Raised {
			return err
		}
		return r.revoke(ctx, s, &done, now)
	})
	if err != nil {
		return inbound.Restored{}, fmt.Errorf("declare restore: %w", err)
	}
	return done, nil
}

// worthless is why mails are dropped whose link no longer works.
const worthless = "restored"

// revoke ends whatever may have ended before, and is back.
func (r *RestoreDeclarer) revoke(ctx context.Context, s outbound.Stores, done *inbound.Restored, now time.Time) (err error) {
	if done.Sessions, err = s.Sessions.EndEvery(ctx, session.Restored, now); err != nil {
		return err
	}
	if done.Links, err = s.OneTime.VoidEvery(ctx, now); err != nil {
		return err
	}
	done.Mails, err = s.Outbox.Drop(ctx, notice.LinkKinds(), worthless, now)
	return err
}
