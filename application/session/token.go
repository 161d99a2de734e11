package session

import (
	"context"
	"time"

	"gatehouse/application/grant"
	"gatehouse/ports/inbound"
)

var _ inbound.UseCase[inbound.CreateSessionToken, inbound.SessionToken] = (*TokenCreator)(nil)

// TokenCreatorDeps are what a [TokenCreator] works with. All are required.
type TokenCreatorDeps struct {
	Issuer *grant.Issuer
	Now    func() time.Time
}

// TokenCreator answers [inbound.CreateSessionToken].
type TokenCreator struct{ d TokenCreatorDeps }

// NewTokenCreator returns a TokenCreator.
func NewTokenCreator(d TokenCreatorDeps) *TokenCreator { return &TokenCreator{d} }

// Do implements [inbound.UseCase].
func (c *TokenCreator) Do(_ context.Context, q inbound.CreateSessionToken) (inbound.SessionToken, error) {
	t, end, err := c.d.Issuer.Session(q.From.Device, q.Locale, c.d.Now())
	if err != nil {
		return inbound.SessionToken{}, err
	}
	return inbound.SessionToken{Token: t, ExpiresAt: end}, nil
}
