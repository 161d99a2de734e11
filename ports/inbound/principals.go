package inbound

import (
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
)

// WhoAmI asks for the caller's own record (contract P1). It reads nothing more
// than the access check did. It is refused with PRINCIPAL_NOT_FOUND.
type WhoAmI struct {
	Context
	Access Access
}

// UpdateSelf asks to change the caller's name (contract P2); nil leaves it. It
// is refused with INVALID_REQUEST on name or PRINCIPAL_NOT_FOUND.
type UpdateSelf struct {
	Context
	Name *string
}

// ChangePassword asks to replace the caller's password (contract P5, §9.1).
// Done, it has ended the caller's other sessions, voided reset links,
// challenges and a pending change of address, and owes the caller a mail.
//
// It is refused with INVALID_REQUEST on newPassword, STEP_UP_TOKEN_…,
// USER_NOT_FOUND, NO_PASSWORD_PROVIDER, TOO_MANY_ATTEMPTS,
// INVALID_CREDENTIALS, INVALID_PRINCIPAL_DOCUMENT, HASH_FAILURE or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type ChangePassword struct {
	Context
	Old, New password.Plain
}

// CreateGuest asks for a guest with a session (contract G1). It is refused
// with INVALID_REQUEST on name or TOKEN_CREATION_FAILURE.
type CreateGuest struct {
	Context
	Name string
}

// Self is an answer that shows a principal to themselves.
type Self = *principal.Principal
