package inbound

import (
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
)

// Register asks for an account with a password (contract A1). A free and a
// taken address get the same answer for the same work; who owns the address
// learns more by mail. It is refused with INVALID_REQUEST on email, password
// and name (all broken rules at once) or HASH_FAILURE.
type Register struct {
	Context
	Email, Name string
	Password    password.Plain
	SendEmail   bool // mail a verification link
}

// Registered is the answer to [Register]. Nothing of it is for who asked.
type Registered struct {
	Account principal.ID // which has the address, since now or before
}

// Aim says whose address it is, for the record.
func (r Registered) Aim() audit.Target { return audit.Target{Principal: r.Account} }

// VerifyEmail asks to note that the caller, whoever that is, owns the address
// a link was mailed to (contract A7). It answers with the account.
//
// It is refused with INVALID_REQUEST on token (required), USER_NOT_FOUND,
// EMAIL_VERIFICATION_TOKEN_EXPIRED, EMAIL_VERIFICATION_TOKEN_INVALID,
// EMAIL_ALREADY_VERIFIED, EMAIL_TAKEN or POST_COMMIT_SIDE_EFFECT_FAILURE.
type VerifyEmail struct {
	Context
	Token secret.Text
}

// SendVerification asks for another verification link to the caller's stored
// address (contract A9). Older links are void from then on.
//
// It is refused with USER_NOT_FOUND, EMAIL_ALREADY_VERIFIED, EMAIL_DISABLED,
// EMAIL_COOLDOWN_ACTIVE or CACHE_OPERATION_FAILURE.
type SendVerification struct{ Context }

// MailSent is the answer to a request for a mail.
type MailSent struct{ Cooldown time.Duration }
