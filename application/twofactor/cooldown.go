package twofactor

import (
	"context"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/letter"
	"gatehouse/domain/notice"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.FactorCooldown, inbound.Cooldown] = (*Cooldown)(nil)

// CooldownDeps are what a [Cooldown] works with. All are required.
type CooldownDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
}

// Cooldown answers [inbound.FactorCooldown].
type Cooldown struct{ d CooldownDeps }

// NewCooldown returns a Cooldown.
func NewCooldown(d CooldownDeps) *Cooldown { return &Cooldown{d} }

// Do implements [inbound.UseCase].
func (c *Cooldown) Do(ctx context.Context, q inbound.FactorCooldown) (inbound.Cooldown, error) {
	s := c.d.Work.Single()
	p, err := account.User(s.Principals.ByID(ctx, q.Of))
	if err != nil {
		return 0, err
	}
	left, err := letter.Left(ctx, s, notice.EmailAuthentication, p.Email().Normal(), c.d.Now())
	return inbound.Cooldown(left), err
}
