// Package letter promises mails: rows of the outbox, kept apart by cooldowns
// (contract §8). It is called inside the transaction of whatever a mail tells.
// Which mail is owed, and to whom, is decided by the use cases.
package letter

import (
	"context"
	"fmt"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/ports/outbound"
)

// offFor is the wait that EMAIL_DISABLED names (contract §1.1): only an
// operator can end it.
const offFor = time.Hour

// Off refuses with EMAIL_DISABLED.
func Off() error { return fault.New(fault.EmailDisabled).RetryIn(offFor) }

// Queue promises n.
func Queue(ctx context.Context, s outbound.Stores, n notice.Notice) error {
	if err := s.Outbox.Add(ctx, n); err != nil {
		return fmt.Errorf("queue %s: %w", n.Kind, err)
	}
	return nil
}

// Cool begins the cooldown of a mail nobody asked for. While one runs it
// returns false, and the mail is to be left out.
func Cool(ctx context.Context, s outbound.Stores, kind notice.Kind, normal string, now time.Time, ttl time.Duration) (bool, error) {
	left, err := s.Cooldowns.Start(ctx, kind, normal, now, ttl)
	if err != nil {
		return false, fmt.Errorf("start cooldown of %s: %w", kind, err)
	}
	return left == 0, nil
}

// Ask begins the cooldown of a mail that was asked for. It refuses with
// EMAIL_COOLDOWN_ACTIVE while one runs, or with CACHE_OPERATION_FAILURE.
func Ask(ctx context.Context, s outbound.Stores, kind notice.Kind, normal string, now time.Time, ttl time.Duration) error {
	left, err := s.Cooldowns.Start(ctx, kind, normal, now, ttl)
	switch {
	case err != nil:
		return fault.New(fault.CacheOperationFailure).Because(fmt.Errorf("start cooldown of %s: %w", kind, err))
	case left > 0:
		return fault.New(fault.EmailCooldownActive).RetryIn(left)
	}
	return nil
}

// Left returns how long a cooldown still lasts, and begins none. It refuses
// with CACHE_OPERATION_FAILURE.
func Left(ctx context.Context, s outbound.Stores, kind notice.Kind, normal string, now time.Time) (time.Duration, error) {
	left, err := s.Cooldowns.Left(ctx, kind, normal, now)
	if err != nil {
		return 0, fault.New(fault.CacheOperationFailure).Because(fmt.Errorf("read cooldown of %s: %w", kind, err))
	}
	return left, nil
}
