package inbound

import (
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
)

// CheckChallenge asks which challenge a request answers (contract §5.2, 2T).
// Purpose "" takes any; a caller is bound to their own ones.
//
// It is refused with TWO_FACTOR_AUTHENTICATION_TOKEN_MISSING, _INVALID (also
// when it was used, voided, spent, or its session has ended) or _EXPIRED. What
// it answers is judged again by whoever uses it up.
type CheckChallenge struct {
	Token   secret.Text
	Purpose session.Purpose
	Caller  session.Caller
}

// CompleteSignIn asks for the session that a challenge stands before, with a
// code of any second factor that is on (contract T1). The guess is counted, for
// the challenge, the account and a mailed code, and the count committed, before
// it is judged. Done, the challenge and the code are used up.
//
// It is refused with INVALID_REQUEST on totp and email, USER_NOT_FOUND,
// NO_PASSWORD_PROVIDER, 2FA_DISABLED, NO_2FA_CODE_PROVIDED, TOO_MANY_ATTEMPTS,
// TWO_FACTOR_CODE_EXPIRED, WRONG_TWO_FACTOR_CODE,
// TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID (somebody was faster),
// INVALID_USER_DOCUMENT, TOTP_CODE_VALIDATION_FAILURE or TOKEN_CREATION_FAILURE.
type CompleteSignIn struct {
	Context
	Challenge onetime.Item // as [CheckChallenge] found it
	Codes
}

// Codes are of second factors, as typed, missing where none was sent. The one of
// an authenticator app counts first.
type Codes struct{ TOTP, Email secret.Text }

// CompleteStepUp asks for the step-up token that a challenge stands before
// (contract T2). It is as [CompleteSignIn] in everything else.
type CompleteStepUp struct {
	Context
	Challenge onetime.Item
	Codes
}

// Recover asks for the session that a challenge stands before, with a recovery
// code, and for a step-up token along with it, so that a lost authenticator app
// can be switched off (contract T7). Done, the code is used up as well, and its
// owner is told.
//
// It is refused with USER_NOT_FOUND, TWO_FACTOR_METHOD_DISABLED,
// TOO_MANY_ATTEMPTS, WRONG_TOTP_RECOVERY_CODE,
// TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID, HASH_FAILURE or
// TOKEN_CREATION_FAILURE.
type Recover struct {
	Context
	Challenge onetime.Item
	Code      secret.Text // as typed
}

// Recovered is the answer to [Recover].
type Recovered struct {
	SignedIn
	StepUp SteppedUp
}

// MailCode asks to mail a code to a user, who is the caller or the one a
// challenge is about (contract T8). Done, it replaces the one before.
//
// It is refused with USER_NOT_FOUND, NO_PASSWORD_PROVIDER, EMAIL_DISABLED,
// EMAIL_COOLDOWN_ACTIVE or CACHE_OPERATION_FAILURE.
type MailCode struct {
	Context
	To principal.ID
}
