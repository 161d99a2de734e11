package outbound

import (
	"context"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
)

// Apps stores the authenticator apps that are on. Secrets are unreadable at
// rest. Whether one is on is part of the principal as well: whoever changes one
// saves the other in the same transaction.
type Apps interface {
	// Of returns ErrNotFound when a principal has none. Nothing is locked. One
	// statement.
	Of(ctx context.Context, of principal.ID) (factor.App, error)
	// Put stores the app of a principal in place of whatever there was.
	Put(ctx context.Context, of principal.ID, a factor.App) error
	// Accept notes that the code of a time step was accepted. It returns ErrStale
	// unless that is later than the latest one, or if there is no app: of any
	// number of callers with one code, one wins.
	Accept(ctx context.Context, of principal.ID, step int64) error
	// Erase removes the app of a principal, if there is one.
	Erase(ctx context.Context, of principal.ID) error
}

// Setups stores authenticator apps that wait to be confirmed, one for each
// principal at most. Secrets and recovery codes are unreadable at rest.
type Setups interface {
	// Of returns what is pending, whatever it is worth, or ErrNotFound. Nothing
	// is locked. One statement.
	Of(ctx context.Context, of principal.ID) (factor.Setup, error)
	// Put stores a setup in place of whatever there was.
	Put(ctx context.Context, of principal.ID, s factor.Setup) error
	// Try counts a guess. It returns ErrStale unless the setup with this id is
	// pending, before its end, and was tried less than [factor.MaxTries] times.
	// Commit it before the guess is judged.
	Try(ctx context.Context, of principal.ID, id string, now time.Time) error
	// Use removes a setup that was confirmed. It returns ErrStale unless the one
	// with this id is pending and before its end: of any number of callers, one
	// wins.
	Use(ctx context.Context, of principal.ID, id string, now time.Time) error
	// Void removes what is pending, if anything is.
	Void(ctx context.Context, of principal.ID) error
	// Purge removes at most limit setups that expired before, and returns how
	// many went.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}

// RecoveryCodes stores what is left of the recovery codes of principals.
type RecoveryCodes interface {
	// Of returns the unused ones, in no order; none is no error. Nothing is
	// locked. One statement.
	Of(ctx context.Context, of principal.ID) (recovery.Set, error)
	// Replace stores a set in place of whatever there was. An empty one erases.
	Replace(ctx context.Context, of principal.ID, s recovery.Set) error
	// Use removes one. It returns ErrStale unless it is there: of any number of
	// callers with one code, one wins.
	Use(ctx context.Context, of principal.ID, h password.Hash) error
}

// MailedCodes stores the code that was last mailed to a principal, as a keyed
// hash, in which nothing can be recognised without the key.
type MailedCodes interface {
	// Put stores a code in place of whatever there was.
	Put(ctx context.Context, of principal.ID, c factor.MailedCode) error
	// Try counts a guess. It returns ErrStale unless there is a code that is
	// before its end and was tried less than [factor.MaxTries] times. Commit it
	// before the guess is judged.
	Try(ctx context.Context, of principal.ID, now time.Time) error
	// Use removes the code. It returns ErrStale unless it is this one and before
	// its end: of any number of callers, one wins. It judges a guess, which has to
	// be counted before.
	Use(ctx context.Context, of principal.ID, code factor.Code, now time.Time) error
	// Void removes the code, if there is one.
	Void(ctx context.Context, of principal.ID) error
	// Purge removes at most limit codes that expired before, and returns how many
	// went.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}
