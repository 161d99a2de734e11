// Package access tells who a request comes from, and publishes the keys with
// which others can tell. How a token is signed and read is the verifier's
// business, when a session begins and ends that of package session.
package access

import (
	"context"
	"errors"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.Authenticate, inbound.Access] = (*Authenticator)(nil)

// AuthenticatorDeps are what an [Authenticator] works with. All are required.
type AuthenticatorDeps struct {
	Work     outbound.UnitOfWork
	Marks    outbound.Marks
	Verifier outbound.Verifier
	Now      func() time.Time
}

// Authenticator answers [inbound.Authenticate].
type Authenticator struct{ d AuthenticatorDeps }

// NewAuthenticator returns an Authenticator.
func NewAuthenticator(d AuthenticatorDeps) *Authenticator { return &Authenticator{d} }

// Do implements [inbound.UseCase].
func (a *Authenticator) Do(ctx context.Context, in inbound.Authenticate) (inbound.Access, error) {
	now := a.d.Now()
	c, read, err := a.allowed(ctx, in, now)
	if err != nil {
		return inbound.Access{}, err
	}
	return inbound.Access{Caller: a.caller(c, in.StepUpToken, now), Self: read.Open}, nil
}

// allowed judges an access token: first by itself, then by what has become of
// its session (faults §6.2).
func (a *Authenticator) allowed(ctx context.Context, in inbound.Authenticate, now time.Time) (token.Claims, outbound.Access, error) {
	c, err := a.verify(in.AccessToken, now)
	if err != nil {
		return c, outbound.Access{}, err
	}
	var ticket outbound.Ticket
	if !in.Self {
		recalled, t, ok := a.recall(ctx, c, now)
		if ok && counts(c, recalled, now) {
			return c, recalled, nil
		}
		ticket = t
	}
	read, err := a.d.Work.Single().Sessions.Access(ctx, c.Session)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return c, read, fault.New(fault.AccessTokenExpired).Because(err)
	case err != nil:
		return c, read, fault.New(fault.AccessTokenAllowlistReadingFailure).Because(err)
	case !counts(c, read, now):
		return c, read, fault.New(fault.AccessTokenExpired)
	}
	s := read.Session
	a.d.Marks.Remember(ctx, ticket, outbound.Mark{ExpiresAt: s.ExpiresAt, Until: s.Until, TokenGen: read.TokenGen})
	return c, read, nil
}

// recall returns what was read of a session moments ago. That is good enough to
// let somebody in, and not to refuse them: a session may have been prolonged
// since.
func (a *Authenticator) recall(ctx context.Context, c token.Claims, now time.Time) (outbound.Access, outbound.Ticket, bool) {
	m, ticket, ok := a.d.Marks.Recall(ctx, c.Subject, c.Session, now)
	return outbound.Access{
		Session:  session.Session{ID: c.Session, PrincipalID: c.Subject, ExpiresAt: m.ExpiresAt, Until: m.Until},
		TokenGen: m.TokenGen,
		Open:     func() (*principal.Principal, error) { return a.d.Work.Single().Principals.ByID(ctx, c.Subject) },
	}, ticket, ok
}

func (a *Authenticator) verify(t secret.Text, now time.Time) (token.Claims, error) {
	if t.Missing() {
		return token.Claims{}, fault.New(fault.AuthenticationRequired)
	}
	c, err := a.d.Verifier.Verify(t, token.Access, now)
	switch {
	case errors.Is(err, outbound.ErrTokenExpired):
		return c, fault.New(fault.AccessTokenExpired).Because(err)
	case err != nil:
		return c, fault.New(fault.AccessTokenInvalid).Because(err)
	}
	return c, nil
}

// counts reports whether nothing has revoked a good token. Generations decide
// by being equal: instants tie, and replicas disagree about them.
func counts(c token.Claims, read outbound.Access, now time.Time) bool {
	return read.Session.Live(now) && read.Session.PrincipalID == c.Subject && !read.Disabled && read.TokenGen == c.Gen
}

func (a *Authenticator) caller(c token.Claims, stepUp secret.Text, now time.Time) session.Caller {
	roles := make([]principal.Role, 0, len(c.Roles))
	for _, r := range c.Roles {
		roles = append(roles, principal.Role(r))
	}
	return session.Caller{
		PrincipalID: c.Subject, SessionID: c.Session, Roles: roles,
		StepUp: a.stepUp(stepUp, c, now),
	}
}

// stepUp judges a step-up token beside an access token that is good.
func (a *Authenticator) stepUp(t secret.Text, access token.Claims, now time.Time) session.StepUp {
	if t.Missing() {
		return session.StepUpMissing
	}
	c, err := a.d.Verifier.Verify(t, token.StepUp, now)
	expired := errors.Is(err, outbound.ErrTokenExpired)
	switch {
	case err != nil && !expired, c.Subject != access.Subject, c.Session != access.Session:
		return session.StepUpInvalid
	case expired:
		return session.StepUpExpired
	case !c.Bound.IsZero():
		return session.StepUpBound
	}
	return session.StepUpGranted
}
