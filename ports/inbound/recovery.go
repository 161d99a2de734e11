package inbound

import (
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
)

// RequestPasswordReset asks for a link to a new password (contract A12). A
// known and an unknown address get the same answer for the same work; who owns
// the address learns more by mail. Older links are void from then on.
//
// It is refused with INVALID_REQUEST on email, EMAIL_DISABLED,
// EMAIL_COOLDOWN_ACTIVE or CACHE_OPERATION_FAILURE.
type RequestPasswordReset struct {
	Context
	Email string
}

// ResetRequested is the answer to [RequestPasswordReset]. Whose address it is,
// is not for who asked.
type ResetRequested struct {
	MailSent
	Account principal.ID // "" when nobody has the address
}

// Aim says whose address it is, for the record.
func (r ResetRequested) Aim() audit.Target { return audit.Target{Principal: r.Account} }

// PasswordResetCooldown asks how long no such link can be asked for
// (contract A11). Email may be any text, and whether anybody has it is not
// looked at. It is refused with INVALID_REQUEST on email or
// CACHE_OPERATION_FAILURE.
type PasswordResetCooldown struct{ Email string }

// VerificationCooldown asks how long the caller can ask for no verification
// link (contract A8). It reads nothing of the account but what the access check
// did. It is refused with USER_NOT_FOUND or CACHE_OPERATION_FAILURE.
type VerificationCooldown struct {
	Context
	Access Access
}

// Cooldown is what is left of a cooldown, 0 when none runs.
type Cooldown time.Duration

// ResetPassword asks for a new password on the strength of a mailed link, or
// for the first one of an account that has none (contract A10). Done, it has
// ended every session of the account, voided other reset links, challenges and
// a pending change of address, verified the address, and owes a mail. Whoever
// calls is of no interest.
//
// It is refused with INVALID_REQUEST on token and newPassword,
// PASSWORD_RESET_TOKEN_EXPIRED, PASSWORD_RESET_TOKEN_INVALID, USER_NOT_FOUND,
// HASH_FAILURE or POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands). A
// refusal leaves the link as good as it was.
type ResetPassword struct {
	Context
	Token secret.Text
	New   password.Plain
}

// PasswordReset is the answer to [ResetPassword].
type PasswordReset struct{ Of principal.ID }

// Whom says whose password it is.
func (r PasswordReset) Whom() (principal.ID, session.ID) { return r.Of, "" }

// ChangeEmail asks to give the caller's account another address (contract P4).
// With mail on nothing changes until somebody posts the link that is mailed to
// the new address, see [VerifyEmail]; the present address is told. With mail
// off the address is stored at once, and the caller's other sessions end.
//
// It is refused with INVALID_REQUEST on newEmail, STEP_UP_TOKEN_…,
// USER_NOT_FOUND, ACCESS_TOKEN_EXPIRED (the session ended meanwhile),
// EMAIL_TAKEN, EMAIL_COOLDOWN_ACTIVE, CACHE_OPERATION_FAILURE or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type ChangeEmail struct {
	Context
	NewEmail string
}

// EmailChange is the answer to [ChangeEmail]: what remains to be done.
type EmailChange struct {
	VerificationRequired bool
	Cooldown             time.Duration // until another link can be asked for
}
