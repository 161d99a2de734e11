package inbound

import "gatehouse/domain/passkey"

// BeginPasskey asks for what a browser needs to make a passkey (Y1). What it
// makes can be added once, within [passkey.Patience], by the same session.
//
// It needs a step-up (STEP_UP_TOKEN_…) and is refused with USER_NOT_FOUND or
// PASSKEY_LIMIT_REACHED.
type BeginPasskey struct{ Context }

// AddPasskey asks to keep a passkey that was made (Y2). Done, it has ended the
// caller's other sessions, voided challenges, made the passkey a second factor,
// and owes the caller a mail.
//
// It needs a step-up (STEP_UP_TOKEN_…) and is refused with INVALID_REQUEST on
// name, USER_NOT_FOUND, PASSKEY_INVALID, PASSKEY_CHALLENGE_EXPIRED,
// PASSKEY_LIMIT_REACHED, PASSKEY_ALREADY_REGISTERED or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the passkey is kept).
type AddPasskey struct {
	Context
	Name   string
	Answer passkey.Document
}

// ListPasskeys asks for the caller's passkeys, oldest first (Y3). It is refused
// with USER_NOT_FOUND.
type ListPasskeys struct{ Context }

// Passkeys is a list of passkeys.
type Passkeys []passkey.Passkey

// RenamePasskey asks to change the name of one of the caller's passkeys (Y4).
//
// It needs a step-up (STEP_UP_TOKEN_…), or names could be exchanged before the
// wrong one is deleted, and is refused with INVALID_REQUEST on name,
// USER_NOT_FOUND or PASSKEY_NOT_FOUND.
type RenamePasskey struct {
	Context
	ID   passkey.ID
	Name string
}

// DeletePasskey asks to forget one of the caller's passkeys, and answers with
// the remaining ones (Y5). Done, it has ended the caller's other sessions,
// voided challenges, and owes the caller a mail.
//
// It needs a step-up (STEP_UP_TOKEN_…) and is refused with USER_NOT_FOUND,
// PASSKEY_NOT_FOUND, CANNOT_DISABLE_ONLY_TWO_FACTOR_METHOD or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the passkey is forgotten).
type DeletePasskey struct {
	Context
	ID passkey.ID
}
