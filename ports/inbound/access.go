package inbound

import (
	"gatehouse/domain/factor"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
)

// Authenticate asks who a request comes from. It is one statement on the
// database and writes nothing.
//
// It is refused with AUTHENTICATION_REQUIRED (no access token),
// ACCESS_TOKEN_INVALID, ACCESS_TOKEN_EXPIRED (past its end, or revoked) or
// ACCESS_TOKEN_ALLOWLIST_READING_FAILURE (nobody can tell). A step-up token
// that is not good is no refusal here: the caller has [session.StepUp] of
// another value, and whoever needs a proof refuses.
type Authenticate struct {
	AccessToken, StepUpToken secret.Text
	Self                     bool // [Access.Self] will be asked, so one statement reads all there is to know
}

// Access is the answer to [Authenticate].
type Access struct {
	Caller session.Caller
	// Self opens the caller's record. If that was asked for, it was read with
	// the access check, so that who-am-I costs no second statement. It fails as
	// a store would.
	Self func() (*principal.Principal, error)
}

// PublicKeys asks for the published key set (RFC 7517).
type PublicKeys struct{}

// PublicKeySet is the answer to [PublicKeys]: current, next, and old keys
// until every token they signed has expired.
type PublicKeySet []token.PublicKey

// Status asks what the tokens of a request are worth (contract A6), which the
// checks of tokens have found out: tokens that are not good counted as absent
// there, so that Access may be nobody's, and Challenge nil.
type Status struct {
	Access    Access
	Challenge *onetime.Item
}

// StatusReport is the answer to [Status].
type StatusReport struct {
	Authenticated bool
	StepUp        bool       // and the step-up token belongs to the session
	EmailVerified *bool      // nil for guests and for nobody
	SessionID     session.ID // "" for nobody
	Challenged    bool       // there is a good challenge
	Factors       factor.Set // of whom the tokens are about
}
