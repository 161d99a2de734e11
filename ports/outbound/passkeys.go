package outbound

import (
	"context"

	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
)

// Passkeys stores passkeys. Their names are unreadable at rest; keys are public.
// Whether somebody has any is part of the principal as well: whoever adds or
// deletes one saves the other in the same transaction.
type Passkeys interface {
	// Add returns ErrTaken when the id or the credential is in use, whoever has
	// it: of any number of callers at once, one has it.
	Add(ctx context.Context, p passkey.Passkey) error
	// Of lists the passkeys of a principal, oldest first, ties by id. Nothing is
	// locked. One statement.
	Of(ctx context.Context, of principal.ID) ([]passkey.Passkey, error)
	// ByCredential returns ErrNotFound when nobody has a passkey of that name.
	// Nothing is locked. One statement.
	ByCredential(ctx context.Context, credential []byte) (passkey.Passkey, error)
	// Rename returns ErrNotFound unless the principal has that passkey.
	Rename(ctx context.Context, of principal.ID, id passkey.ID, name string) error
	// Use stores a use: the counter, whether there are copies, and when. It
	// returns ErrStale if the passkey is gone, or if its stored counter is not
	// before: of any number of callers that have read the same, one wins, unless
	// the authenticator does not count.
	Use(ctx context.Context, used passkey.Passkey, before uint32) error
	// Delete returns ErrNotFound unless the principal has that passkey.
	Delete(ctx context.Context, of principal.ID, id passkey.ID) error
}
