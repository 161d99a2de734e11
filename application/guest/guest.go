// Package guest lets people in who have no account. What guests may do is
// decided where they do it.
package guest

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/grant"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.CreateGuest, inbound.SignedIn] = (*Creator)(nil)

// CreatorDeps are what a [Creator] works with. All are required.
type CreatorDeps struct {
	Work   outbound.UnitOfWork
	Issuer *grant.Issuer
	Locate func(client.Address) *client.Location // nil when it cannot tell
	NewID  func() string
	Now    func() time.Time
}

// Creator answers [inbound.CreateGuest].
type Creator struct{ d CreatorDeps }

// NewCreator returns a Creator.
func NewCreator(d CreatorDeps) *Creator { return &Creator{d} }

// Do implements [inbound.UseCase].
func (c *Creator) Do(ctx context.Context, cmd inbound.CreateGuest) (inbound.SignedIn, error) {
	name, broken := principal.ParseName(cmd.Name)
	if broken != nil {
		return inbound.SignedIn{}, fault.Invalid("name", broken...)
	}
	now, from := c.d.Now(), cmd.From
	from.Location = c.d.Locate(from.Address)
	p := principal.NewGuest(principal.ID(c.d.NewID()), name, now)
	in, err := c.d.Issuer.Admit(p, session.Proven{session.AsGuest}, grant.Purpose{From: from}, now)
	if err != nil {
		return inbound.SignedIn{}, err
	}
	err = c.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
		if err := st.Principals.Add(ctx, p); err != nil {
			return fmt.Errorf("add guest: %w", err)
		}
		if err := st.Sessions.Add(ctx, in.SignIn.Session); err != nil {
			return fmt.Errorf("add session: %w", err)
		}
		return nil
	})
	if err != nil {
		return inbound.SignedIn{}, err
	}
	return inbound.SignedIn{Principal: p, SessionID: in.SignIn.Session.ID, Tokens: in.SignIn.Tokens, Location: from.Location}, nil
}
