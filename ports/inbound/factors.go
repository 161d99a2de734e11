package inbound

import (
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
)

// PreferFactor asks to make a second factor the preferred one (contract T3):
// for it a sign-in prepares a code, while every one that is on still counts.
//
// It is refused with INVALID_REQUEST on method, STEP_UP_TOKEN_…,
// USER_NOT_FOUND, ACCESS_TOKEN_EXPIRED (the session ended meanwhile, as in all
// of these), NO_PASSWORD_PROVIDER or 2FA_DISABLED.
type PreferFactor struct {
	Context
	Method string
}

// BeginTOTP asks for the secret of an authenticator app and for recovery codes
// (contract T4). They have no effect until a code of the app confirms them, and
// whatever was begun before can be confirmed no more.
//
// It is refused with STEP_UP_TOKEN_…, USER_NOT_FOUND, NO_PASSWORD_PROVIDER,
// TWO_FACTOR_METHOD_ALREADY_ENABLED, TOKEN_CREATION_FAILURE or
// TOTP_CODE_VALIDATION_FAILURE.
type BeginTOTP struct{ Context }

// TOTPSetup is the answer to [BeginTOTP], and the only one that ever shows these.
type TOTPSetup struct {
	Secret, URL   secret.Text // Base32, and what apps read
	QRCode        secret.Text // a PNG of URL
	RecoveryCodes []recovery.Code
	Token         secret.Text // for [EnableTOTP]
}

// EnableTOTP asks to switch an authenticator app on, with a code of it
// (contract T5). Done, the app is the preferred factor and its recovery codes
// work, the caller's other sessions have ended, challenges are void, and a mail
// is owed.
//
// It is refused with INVALID_REQUEST on code, STEP_UP_TOKEN_…, USER_NOT_FOUND,
// NO_PASSWORD_PROVIDER, TWO_FACTOR_METHOD_ALREADY_ENABLED,
// TOTP_SETUP_TOKEN_EXPIRED, TOTP_SETUP_TOKEN_INVALID, TOO_MANY_ATTEMPTS,
// WRONG_TWO_FACTOR_CODE (the fifth of a setup ends it), HASH_FAILURE,
// TOTP_CODE_VALIDATION_FAILURE or POST_COMMIT_SIDE_EFFECT_FAILURE (the change
// stands).
type EnableTOTP struct {
	Context
	Token, Code secret.Text
}

// DisableTOTP asks to switch the authenticator app off (contract T6). Done, its
// secret and the recovery codes are gone, the caller's other sessions have
// ended, challenges are void, and a mail is owed.
//
// It is refused with STEP_UP_TOKEN_…, USER_NOT_FOUND,
// TWO_FACTOR_METHOD_ALREADY_DISABLED, CANNOT_DISABLE_ONLY_TWO_FACTOR_METHOD or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type DisableTOTP struct{ Context }

// EnableEmail asks to switch mailed codes on, with one that was mailed
// (contract T9). Done, that is used up, the caller's other sessions have ended,
// and a mail is owed.
//
// It is refused with INVALID_REQUEST on code, STEP_UP_TOKEN_…, USER_NOT_FOUND,
// NO_PASSWORD_PROVIDER, TWO_FACTOR_METHOD_ALREADY_ENABLED, TOO_MANY_ATTEMPTS,
// TWO_FACTOR_CODE_EXPIRED, WRONG_TWO_FACTOR_CODE or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type EnableEmail struct {
	Context
	Code secret.Text
}

// DisableEmail asks to switch mailed codes off (contract T10). Done, a code
// that is under way is void, and the rest is as in [DisableTOTP].
type DisableEmail struct{ Context }

// ReplaceRecoveryCodes asks for new recovery codes in place of those there are
// (contract T12). Done, a mail is owed, and nothing is revoked.
//
// It is refused with STEP_UP_TOKEN_…, USER_NOT_FOUND,
// TWO_FACTOR_METHOD_DISABLED or HASH_FAILURE.
type ReplaceRecoveryCodes struct{ Context }

// RecoveryCodes is the answer to [ReplaceRecoveryCodes], and the only one that
// ever shows these.
type RecoveryCodes []recovery.Code

// FactorCooldown asks how long no code can be mailed to a user (contract T11),
// who is the caller or the one a challenge is about. It is refused with
// USER_NOT_FOUND or CACHE_OPERATION_FAILURE.
type FactorCooldown struct{ Of principal.ID }
