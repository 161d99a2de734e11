package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/grant"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.CheckChallenge, onetime.Item] = (*ChallengeChecker)(nil)

// ChallengeCheckerDeps are what a [ChallengeChecker] works with. All are
// required.
type ChallengeCheckerDeps struct {
	Work     outbound.UnitOfWork
	Verifier outbound.Verifier
	Now      func() time.Time
}

// ChallengeChecker answers [inbound.CheckChallenge].
type ChallengeChecker struct{ d ChallengeCheckerDeps }

// NewChallengeChecker returns a ChallengeChecker.
func NewChallengeChecker(d ChallengeCheckerDeps) *ChallengeChecker { return &ChallengeChecker{d} }

// Do implements [inbound.UseCase].
func (k *ChallengeChecker) Do(ctx context.Context, q inbound.CheckChallenge) (onetime.Item, error) {
	if q.Token.Missing() {
		return onetime.Item{}, fault.New(fault.TwoFactorAuthenticationTokenMissing)
	}
	now := k.d.Now()
	c, err := k.d.Verifier.Verify(q.Token, token.TwoFactor, now)
	switch {
	case errors.Is(err, outbound.ErrTokenExpired):
		return onetime.Item{}, fault.New(fault.TwoFactorAuthenticationTokenExpired).Because(err)
	case err != nil:
		return onetime.Item{}, invalid(err)
	case !answerable(c, q):
		return onetime.Item{}, invalid(errors.New("of another purpose, user or session"))
	}
	i, err := k.d.Work.Single().OneTime.Find(ctx, onetime.Challenge, grant.ChallengeHash(c))
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return onetime.Item{}, invalid(err)
	case err != nil:
		return onetime.Item{}, fmt.Errorf("find challenge: %w", err)
	case i.State(now) != onetime.Usable, i.Spent():
		return onetime.Item{}, invalid(errors.New("used, void or spent"))
	case i.Principal != c.Subject, i.Session != c.Session, i.Purpose != c.Purpose:
		return onetime.Item{}, invalid(errors.New("the token and the stored challenge differ"))
	}
	return i, k.goesOn(ctx, i, q.Caller, now)
}

func invalid(why error) error {
	return fault.New(fault.TwoFactorAuthenticationTokenInvalid).Because(why)
}

// answerable reports whether a token is of the purpose that is asked for, and of
// the caller and their session if there is one.
func answerable(c token.Claims, q inbound.CheckChallenge) bool {
	switch {
	case q.Purpose != "" && q.Purpose != c.Purpose:
		return false
	case q.Caller.IsNobody():
		return true
	}
	return c.Subject == q.Caller.PrincipalID && (c.Purpose == session.ForSignIn || c.Session == q.Caller.SessionID)
}

// goesOn refuses a challenge whose session has ended: it ends with it (contract
// §5.6). That of the caller has been checked already.
func (k *ChallengeChecker) goesOn(ctx context.Context, i onetime.Item, by session.Caller, now time.Time) error {
	if i.Session == "" || i.Session == by.SessionID {
		return nil
	}
	a, err := k.d.Work.Single().Sessions.Access(ctx, i.Session)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return invalid(err)
	case err != nil:
		return fmt.Errorf("read session: %w", err)
	case !a.Session.Live(now), a.Disabled:
		return invalid(errors.New("its session has ended"))
	}
	return nil
}
