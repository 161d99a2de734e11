package inbound

import (
	"gatehouse/domain/audit"
	"gatehouse/domain/onetime"
	"gatehouse/domain/passkey"
)

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

// Aim says which passkey it is, for the record.
func (c RenamePasskey) Aim() audit.Target { return audit.Target{Thing: string(c.ID)} }

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

// Aim says which passkey it is, for the record.
func (c DeletePasskey) Aim() audit.Target { return audit.Target{Thing: string(c.ID)} }

// BeginPasskeySignIn asks for what a browser needs to sign in with a passkey
// that its user chooses (Y6). What it answers is good once, within
// [passkey.Patience]. It fails with DATABASE_FAILURE alone.
type BeginPasskeySignIn struct{ Context }

// SignInWithPasskey asks for a session by a passkey, which names whose it is
// (Y7). It has verified its user, so that it is two factors. Nobody can guess
// it, so that failures are not counted, and nobody is locked out.
//
// It is refused with PASSKEY_INVALID, PASSKEY_NOT_FOUND, PASSKEY_CLONED,
// PASSKEY_CHALLENGE_EXPIRED, USER_DISABLED (after a right proof only),
// INVALID_PRINCIPAL_DOCUMENT or TOKEN_CREATION_FAILURE.
type SignInWithPasskey struct {
	Context
	Answer passkey.Document
}

// BeginPasskeySecond asks for what a browser needs to answer the challenge of a
// sign-in with a passkey (Y8). It is refused with USER_NOT_FOUND or 2FA_DISABLED.
type BeginPasskeySecond struct {
	Context
	Challenge onetime.Item // as [CheckChallenge] found it
}

// CompleteSignInWithPasskey asks for the session that a challenge stands before
// (Y9). Done, the challenge is used up.
//
// It is refused as [SignInWithPasskey] and, instead of USER_DISABLED, with
// USER_NOT_FOUND, 2FA_DISABLED or TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID.
type CompleteSignInWithPasskey struct {
	Context
	Challenge onetime.Item
	Answer    passkey.Document
}

// CompleteStepUpWithPasskey asks for the step-up token that a challenge stands
// before (Y10). It is as [CompleteSignInWithPasskey], with what
// [BeginPasskeyStepUp] answered.
type CompleteStepUpWithPasskey struct {
	Context
	Challenge onetime.Item
	Answer    passkey.Document
}

// BeginPasskeyStepUp asks for what a browser needs to prove the caller again
// (Y11). It is refused with USER_NOT_FOUND or 2FA_DISABLED.
type BeginPasskeyStepUp struct{ Context }

// StepUpWithPasskey asks for a step-up token by a passkey alone (Y12). It is
// refused with USER_NOT_FOUND, SESSION_EXPIRED, TOKEN_CREATION_FAILURE and as
// [SignInWithPasskey], but for USER_DISABLED.
type StepUpWithPasskey struct {
	Context
	Answer passkey.Document
}
