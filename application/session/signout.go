package session

import (
	"context"
	"errors"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.SignOut, inbound.SignedOut] = (*SignerOut)(nil)

// SignerOutDeps are what a [SignerOut] works with. All are required.
type SignerOutDeps struct {
	Work        outbound.UnitOfWork
	Verifier    outbound.Verifier
	Revocations outbound.Revocations
	Now         func() time.Time
}

// SignerOut answers [inbound.SignOut].
type SignerOut struct{ d SignerOutDeps }

// NewSignerOut returns a SignerOut.
func NewSignerOut(d SignerOutDeps) *SignerOut { return &SignerOut{d} }

// Do implements [inbound.UseCase].
func (s *SignerOut) Do(ctx context.Context, cmd inbound.SignOut) (inbound.SignedOut, error) {
	now := s.d.Now()
	named, ok := s.read(cmd.AccessToken, token.Access, now)
	if !ok {
		named, ok = s.read(cmd.RefreshToken, token.Refresh, now)
	}
	if !ok {
		return inbound.SignedOut{}, nil
	}
	what := outbound.Revocation{Principal: named.Subject, Session: named.Session}
	return inbound.SignedOut{Of: named.Subject, Session: named.Session}, account.Revoke(ctx, s.d.Revocations, what, func() (bool, error) {
		return true, s.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
			_, err := end(ctx, st, named.Subject, named.Session, session.SignedOut, now)
			return err
		})
	})
}

// read returns what a token says that we signed, even one past its end.
func (s *SignerOut) read(t secret.Text, k token.Kind, now time.Time) (token.Claims, bool) {
	if t.Missing() {
		return token.Claims{}, false
	}
	c, err := s.d.Verifier.Verify(t, k, now)
	return c, err == nil || errors.Is(err, outbound.ErrTokenExpired)
}
