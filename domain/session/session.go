// Package session holds signed-in devices: how they begin, are refreshed and
// end, and what was proven when they began.
package session

import (
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/principal"
)

// ID identifies a session (UUIDv7).
type ID string

// Session is one signed-in device of one principal.
type Session struct {
	ID          ID
	PrincipalID principal.ID
	RefreshID   string // jti of the current refresh token
	Proven      Proven
	Client      client.Info // of the latest sign-in or refresh
	StartedAt   time.Time   // the sign-in: auth_time (OpenID Connect Core §2)
	LastActive  time.Time   // latest sign-in or refresh
	ExpiresAt   time.Time   // end of the current refresh token
	Until       time.Time   // no refresh leads past this
	EndedAt     time.Time   // zero while it goes on
}

// Live reports whether the session still counts at now.
func (s Session) Live(now time.Time) bool {
	return s.EndedAt.IsZero() && now.Before(s.ExpiresAt) && now.Before(s.Until)
}

// EndReason says why a session ended, for the record.
type EndReason string

// The reasons.
const (
	SignedOut       EndReason = "signed_out"
	EndedByOwner    EndReason = "ended_by_owner"
	RefreshReused   EndReason = "refresh_token_reused"
	PasswordChanged EndReason = "password_changed"
	PasswordReset   EndReason = "password_reset"
	EmailChanged    EndReason = "email_changed"
	FactorsChanged  EndReason = "factors_changed" // a second factor was switched on or off
	Disabled        EndReason = "disabled"
	EndedByOperator EndReason = "ended_by_operator"
	Restored        EndReason = "restored" // the database was put back to an earlier state
)

// Lifetimes says how long a session lasts.
type Lifetimes struct {
	Refresh      time.Duration // a user's session without a refresh
	GuestRefresh time.Duration // a guest's
	Max          time.Duration // after the sign-in, whatever is refreshed
	ReuseGrace   time.Duration // a rotated refresh token still gets the same answer
}

// Start returns a new session that p begins now.
func (l Lifetimes) Start(id ID, p *principal.Principal, proven Proven, from client.Info, refreshID string, now time.Time) Session {
	s := Session{
		ID: id, PrincipalID: p.ID(), RefreshID: refreshID, Proven: proven, Client: from,
		StartedAt: now, LastActive: now, Until: now.Add(l.Max),
	}
	s.ExpiresAt = l.end(p.IsGuest(), s.Until, now)
	return s
}

// Rotation is the exchange of a session's refresh token for the next one.
type Rotation struct {
	SessionID   ID
	PrincipalID principal.ID
	Presented   string      // jti of the token that was presented
	Next        string      // jti of its successor
	Client      client.Info // device members left empty keep their stored value
	At          time.Time
	ExpiresAt   time.Time // of the session from now on
	GraceUntil  time.Time // Pair answers repetitions until then
	Pair        Pair
}

// Rotate returns the rotation of s from its current refresh token to next.
// Pair is left to whoever mints it.
func (l Lifetimes) Rotate(s Session, guest bool, next string, from client.Info, now time.Time) Rotation {
	return Rotation{
		SessionID: s.ID, PrincipalID: s.PrincipalID, Presented: s.RefreshID, Next: next, Client: from,
		At: now, ExpiresAt: l.end(guest, s.Until, now), GraceUntil: now.Add(l.ReuseGrace),
	}
}

func (l Lifetimes) end(guest bool, until, now time.Time) time.Time {
	ttl := l.Refresh
	if guest {
		ttl = l.GuestRefresh
	}
	if end := now.Add(ttl); end.Before(until) {
		return end
	}
	return until
}
