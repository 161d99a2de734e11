package inbound

import (
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/avatar"
	"gatehouse/domain/dossier"
	"gatehouse/domain/page"
	"gatehouse/domain/passkey"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
)

// FindUsers asks, as an admin, for a page of the users a filter matches
// (contract U1). It is refused with ROLE_REQUIRED.
type FindUsers struct {
	Context
	Filter principal.Filter
	Page   page.Request // by createdAt, lastActive or id
}

// UserPage is the answer to [FindUsers].
type UserPage struct{ page.Page[Overview] }

// ViewUser asks what others may know of a user (contract U2). It is refused
// with USER_NOT_FOUND, guests alike.
type ViewUser struct {
	Context
	ID principal.ID
}

// Overview is what others may know of a user.
type Overview struct {
	ID       principal.ID
	Name     string
	Avatar   avatar.Avatar // the zero one for none
	Roles    []principal.Role
	Disabled *bool // for admins alone, nil for others
}

// DisableAccount asks to shut an account, as an admin (contract U4): its
// sessions end, links and challenges are void. It is refused with
// ROLE_REQUIRED, STEP_UP_TOKEN_…, USER_NOT_FOUND, AT_LEAST_ONE_ADMIN_REQUIRED or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type DisableAccount struct {
	Context
	ID principal.ID
}

// Aim says whose account it is, for the record.
func (c DisableAccount) Aim() audit.Target { return audit.Target{Principal: c.ID} }

// EnableAccount asks to open an account again, as an admin (contract U5). What
// was revoked stays so. It is refused with ROLE_REQUIRED, STEP_UP_TOKEN_… or
// USER_NOT_FOUND.
type EnableAccount struct {
	Context
	ID principal.ID
}

// Aim says whose account it is, for the record.
func (c EnableAccount) Aim() audit.Target { return audit.Target{Principal: c.ID} }

// GrantAdmin asks to make a user an admin, as an admin (contract D1). Their
// access tokens go stale. It is refused with ROLE_REQUIRED, STEP_UP_TOKEN_…,
// PRINCIPAL_NOT_FOUND, GUEST_CANNOT_PERFORM_THIS_ACTION or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type GrantAdmin struct {
	Context
	ID principal.ID
}

// Aim says whose account it is, for the record.
func (c GrantAdmin) Aim() audit.Target { return audit.Target{Principal: c.ID} }

// RevokeAdmin asks to take the role ADMIN from a user, perhaps oneself, as an
// admin (contract D2). Their access tokens go stale. It is refused with
// ROLE_REQUIRED, STEP_UP_TOKEN_…, USER_NOT_FOUND, AT_LEAST_ONE_ADMIN_REQUIRED or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type RevokeAdmin struct {
	Context
	ID principal.ID
}

// Aim says whose account it is, for the record.
func (c RevokeAdmin) Aim() audit.Target { return audit.Target{Principal: c.ID} }

// ExportSelf asks for everything that is stored about the caller, user or guest,
// as of one moment (contract X1). It is refused with STEP_UP_TOKEN_… or
// PRINCIPAL_NOT_FOUND.
type ExportSelf struct{ Context }

// Export is the answer to [ExportSelf].
type Export struct {
	At        time.Time
	Principal *principal.Principal
	dossier.Dossier
	Passkeys []passkey.Passkey // oldest first
	Events   []audit.Entry     // as the principal may see them, oldest first
}

// DeleteSelf asks to delete the caller's account, user or guest, with all that
// is theirs (contract P3). What outlives it, an id and an instant, is kept for
// whoever puts an older database back. Mails that tell of what has happened
// still go out.
//
// It is refused with STEP_UP_TOKEN_…, PRINCIPAL_NOT_FOUND,
// DATABASE_ENTITY_NOT_FOUND, AT_LEAST_ONE_ADMIN_REQUIRED or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the account is gone).
type DeleteSelf struct{ Context }

// DeleteAccount asks to delete a user as [DeleteSelf] does, as an admin (contract
// U3). It is refused with ROLE_REQUIRED, STEP_UP_TOKEN_…, USER_NOT_FOUND,
// DATABASE_ENTITY_NOT_FOUND, AT_LEAST_ONE_ADMIN_REQUIRED or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the account is gone).
type DeleteAccount struct {
	Context
	ID principal.ID
}

// Aim says whose account it is, for the record.
func (c DeleteAccount) Aim() audit.Target { return audit.Target{Principal: c.ID} }

// ReconcileErasures asks that the database and the ledger beside it know of the
// same erasures: whom the ledger says to be deleted, and an older database
// brought back, is deleted again.
type ReconcileErasures struct{ Operator }

// Reconciled is the answer to [ReconcileErasures].
type Reconciled struct{ Erased int } // who were back

// ConvertGuest asks to make the calling guest a user with a password (contract
// G2): the same id, name and sessions. Access tokens go stale, and the calling
// session gets a new pair; the device that is stated replaces the stored one. Of
// any number of calls at once one converts.
//
// It is refused with INVALID_REQUEST on email and password, GUEST_NOT_FOUND,
// GUEST_IS_ALREADY_USER, GUEST_EMAIL_TAKEN, ACCESS_TOKEN_EXPIRED (the session
// ended meanwhile), HASH_FAILURE, TOKEN_CREATION_FAILURE or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands, and is answered).
type ConvertGuest struct {
	Context  // From.Device: members left empty keep their stored value
	Email    string
	Password password.Plain
}
