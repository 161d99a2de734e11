package inbound

import (
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/client"
	"gatehouse/domain/factor"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
)

// SignIn asks for a session by password (contract A2). The attempt is counted,
// and the count committed, before it is judged; what an unknown address, a
// wrong password and an account without password cost and answer is the same.
//
// With a second factor on, the answer is a challenge: a code is mailed to who
// prefers that, unless the cooldown runs.
//
// It is refused with TOO_MANY_ATTEMPTS, INVALID_CREDENTIALS, USER_DISABLED
// (after right credentials only), HASH_FAILURE, INVALID_PRINCIPAL_DOCUMENT or
// TOKEN_CREATION_FAILURE.
type SignIn struct {
	Context
	Email    string // as typed; no format is asked for
	Password password.Plain
}

// SignedIn is a session that has just begun, or goes on with new tokens; or,
// where a sign-in asks for a second factor, a challenge and nothing else.
type SignedIn struct {
	Principal *principal.Principal
	SessionID session.ID
	Tokens    session.Pair
	Location  *client.Location
	Challenge *Challenge

	// About is whose account a refusal is about, for the record alone: "" when
	// nobody is known, or nothing was refused. SessionID is then "", but for a
	// session that ended because of it.
	About principal.ID
}

// Whom says whose session or challenge it is, "" when it is nobody's, and which
// session, "" when there is none.
func (s SignedIn) Whom() (principal.ID, session.ID) {
	switch {
	case s.Challenge != nil:
		return s.Challenge.Of, ""
	case s.Principal == nil:
		return s.About, s.SessionID
	}
	return s.Principal.ID(), s.SessionID
}

// Challenge asks for a second factor (contract §5.6).
type Challenge struct {
	Of        principal.ID
	Token     secret.Text
	ExpiresAt time.Time
	Factors   factor.Set // that may answer it
}

// SignOut asks to end the session that a correctly signed access token names,
// even one past its end, else the refresh token (contract A3). Without a
// usable token there is nothing to end, which is no error. It fails with
// DATABASE_FAILURE or POST_COMMIT_SIDE_EFFECT_FAILURE.
type SignOut struct {
	Context
	AccessToken, RefreshToken secret.Text
}

// SignedOut is the answer to [SignOut], also when that fails.
type SignedOut struct {
	Of      principal.ID // "" when nothing was to be ended
	Session session.ID
}

// Whom says whose session it was.
func (s SignedOut) Whom() (principal.ID, session.ID) { return s.Of, s.Session }

// Refresh asks for the next pair of tokens (contract A4, §5.5). A token that
// was rotated within the grace window gets the identical pair again and
// nothing is written. One rotated longer ago ends the session, and its owner
// is told; that is committed although the request is refused.
//
// It is refused with REFRESH_TOKEN_MISSING, REFRESH_TOKEN_EXPIRED,
// REFRESH_TOKEN_INVALID or TOKEN_CREATION_FAILURE; a failing database is never
// reported as an invalid token.
type Refresh struct {
	Context      // From.Device: members left empty keep their stored value
	RefreshToken secret.Text
}

// CheckRefreshToken asks whether a refresh token is worth reading a request
// for: it is ours and not past its end. It asks no store. It is refused with
// REFRESH_TOKEN_MISSING, REFRESH_TOKEN_EXPIRED or REFRESH_TOKEN_INVALID.
type CheckRefreshToken struct{ RefreshToken secret.Text }

// StepUp asks for a step-up token (contract A5): users prove their password,
// guests are believed within a window after their creation. With a second
// factor on, the answer is a challenge, as in [SignIn].
//
// It is refused with PRINCIPAL_NOT_FOUND, SESSION_EXPIRED,
// STEP_UP_TOKEN_CREATION_FORBIDDEN, NO_PASSWORD_PROVIDER,
// MISSING_PASSWORD_PARAMETER, TOO_MANY_ATTEMPTS, INVALID_CREDENTIALS,
// HASH_FAILURE, TOKEN_CREATION_FAILURE, or UNMET_AUTHENTICATION_REQUIREMENTS
// (no class of authentication that will do is within reach).
type StepUp struct {
	Context
	Password password.Plain // Missing when none was sent
	Demand   session.Demand // which a challenge keeps
}

// SteppedUp is the answer to [StepUp].
type SteppedUp struct {
	Token     secret.Text
	ExpiresAt time.Time
	Bound     session.Bound // what alone the token is good for
	Challenge *Challenge    // set, and nothing else, where a second factor is asked for
}

// RedeemStepUp asks, for a service that was shown a step-up token which is good
// for one thing alone, whether that is this thing, and uses the token up. Of any
// number of callers at once, one is told so. Whoever has the token may ask.
//
// It is refused with STEP_UP_TOKEN_EXPIRED, or STEP_UP_TOKEN_INVALID: it is not
// ours, good for nothing or something else, was redeemed before, or its session
// is over.
type RedeemStepUp struct {
	Context
	Token secret.Text
	For   session.Bound
}

// Approval is the answer to [RedeemStepUp]: who approved of it, and how they
// proved to be who they are.
type Approval struct {
	PrincipalID principal.ID
	SessionID   session.ID
	Bound       session.Bound
	AMR         []string
	ACR         string
	AuthTime    time.Time
}

// Whom says who approved.
func (a Approval) Whom() (principal.ID, session.ID) { return a.PrincipalID, a.SessionID }

// CreateSessionToken asks for a token that carries the caller's device and
// language through a sign-in at a provider (contract S2). It proves nothing, and
// nothing is stored. It is refused with TOKEN_CREATION_FAILURE.
type CreateSessionToken struct{ Context }

// SessionToken is the answer to [CreateSessionToken].
type SessionToken struct {
	Token     secret.Text
	ExpiresAt time.Time
}

// ListSessions asks for the caller's live sessions, the calling one first,
// then the most recently active (contract S1). It is refused with
// PRINCIPAL_NOT_FOUND.
type ListSessions struct{ Context }

// Sessions is a list of sessions.
type Sessions []session.Session

// EndSession asks to end one of the caller's sessions and answers with the
// remaining ones (contract S3). An id that is no session of the caller changes
// nothing. It is refused with PRINCIPAL_NOT_FOUND or
// POST_COMMIT_SIDE_EFFECT_FAILURE.
type EndSession struct {
	Context
	SessionID session.ID
}

// Aim says which session it is, for the record.
func (c EndSession) Aim() audit.Target { return audit.Target{Thing: string(c.SessionID)} }

// EndAllSessions asks to end all sessions of the caller, the calling one
// included (contract S4). It is refused with PRINCIPAL_NOT_FOUND or
// POST_COMMIT_SIDE_EFFECT_FAILURE.
type EndAllSessions struct{ Context }
