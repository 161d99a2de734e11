// Package outbound declares what the application needs from the world.
// Application asks; driven adapters answer, and prove that they keep the
// promises made here with [gatehouse/ports/outbound/outboundtest].
package outbound

import (
	"context"
	"errors"
)

// Stores answer with these, wrapped or not, because what they mean depends on
// the use case. Everything else that goes wrong in a store, or in the
// transaction around it, is a fault: DATABASE_FAILURE when the database
// failed, DATABASE_ENCRYPTION_FAILURE when what it holds cannot be opened or
// sealed, INVALID_PRINCIPAL_DOCUMENT when it opens to no valid principal.
var (
	ErrNotFound = errors.New("not found")
	ErrTaken    = errors.New("already taken")
	ErrStale    = errors.New("changed by someone else since it was read")
	ErrForged   = errors.New("not what was stored by us")
)

// UnitOfWork makes several store calls succeed or fail together.
type UnitOfWork interface {
	// Within runs fn in one transaction: it commits when fn returns nil, else
	// rolls back and returns fn's error. It may run fn more than once
	// (serialization failures), so fn touches nothing but s and what it assigns
	// itself. After ErrTaken or a failure fn must return: the transaction may
	// be dead already. Within must not be called inside fn.
	Within(ctx context.Context, fn func(ctx context.Context, s Stores) error) error
	// View runs fn on one snapshot, without locks and beside any writer. What
	// fn writes is refused or thrown away.
	View(ctx context.Context, fn func(ctx context.Context, s Stores) error) error
	// Single returns stores outside of any transaction: each call on them is
	// atomic by itself and, where its comment says so, one statement. Nothing
	// is locked.
	Single() Stores
}

// Stores are the stores of one transaction, and die with it.
type Stores struct {
	Principals Principals
	Groups     Groups
	Sessions   Sessions
	OneTime    OneTime
	Outbox     Outbox
	Attempts   Attempts
	Cooldowns  Cooldowns
	Devices    Devices
	Keys       Keys
	Rotations  Rotations
	Rekeying   Rekeying
	Restores   Restores
	Erasures   Erasures
	Files      Files
	Dossiers   Dossiers
	Entry      Entry
	Trail      Trail

	Passkeys Passkeys
	// Of second factors.
	Apps          Apps
	Setups        Setups
	RecoveryCodes RecoveryCodes
	MailedCodes   MailedCodes
}
