package session

import (
	"context"
	"errors"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.StepUp, inbound.SteppedUp] = (*StepperUp)(nil)

// StepperUpDeps are what a [StepperUp] works with. All are required.
type StepperUpDeps struct {
	Work        outbound.UnitOfWork
	Attempts    *attempt.Taker
	Entrance    *Entrance
	GuestWindow time.Duration // guests are believed so long after their creation
	Now         func() time.Time
}

// StepperUp answers [inbound.StepUp].
type StepperUp struct{ d StepperUpDeps }

// NewStepperUp returns a StepperUp.
func NewStepperUp(d StepperUpDeps) *StepperUp { return &StepperUp{d} }

// Do implements [inbound.UseCase].
func (s *StepperUp) Do(ctx context.Context, cmd inbound.StepUp) (inbound.SteppedUp, error) {
	return again(func() (inbound.SteppedUp, error) { return s.try(ctx, cmd) })
}

func (s *StepperUp) try(ctx context.Context, cmd inbound.StepUp) (inbound.SteppedUp, error) {
	who, err := s.mayTry(ctx, cmd)
	if err != nil {
		return inbound.SteppedUp{}, err
	}
	if who.of.IsGuest() {
		return s.trust(ctx, cmd, who.of)
	}
	right, err := prove(ctx, s.d.Attempts, cmd.Password, who)
	if err != nil {
		return inbound.SteppedUp{}, err
	}
	up, err := s.believe(ctx, cmd, right)
	if err != nil {
		return inbound.SteppedUp{}, right.failed(ctx, s.d.Attempts, err)
	}
	return up, nil
}

// trust believes a guest, who has nothing to prove.
func (s *StepperUp) trust(ctx context.Context, cmd inbound.StepUp, guest *principal.Principal) (inbound.SteppedUp, error) {
	return s.d.Entrance.StepUp(ctx, s.d.Work.Single(), guest, session.Proven{session.AsGuest}, cmd.Context, cmd.Demand)
}

// mayTry refuses whatever needs no look at the password, in the order of the
// contract.
func (s *StepperUp) mayTry(ctx context.Context, cmd inbound.StepUp) (who suspect, err error) {
	err = s.d.Work.View(ctx, func(ctx context.Context, st outbound.Stores) error {
		p, err := account.Self(st.Principals.ByID(ctx, cmd.Caller.PrincipalID))
		if err != nil {
			return err
		}
		who = suspect{of: p, subject: subjectOf(p, cmd.From.Address)}
		if err := stillIn(ctx, st, cmd.Caller, s.d.Now()); err != nil {
			return err
		}
		switch {
		case p.IsGuest():
			return s.stillNew(p)
		case !cmd.Demand.Accepts(session.Reach(p)):
			return fault.New(fault.UnmetAuthenticationRequirements)
		case !p.HasPassword():
			return fault.New(fault.NoPasswordProvider)
		case cmd.Password.Missing():
			return fault.New(fault.MissingPasswordParameter)
		}
		who.seen, err = s.d.Attempts.Allowed(ctx, st, who.subject)
		return err
	})
	return who, err
}

func (s *StepperUp) stillNew(guest *principal.Principal) error {
	if !s.d.Now().Before(guest.CreatedAt().Add(s.d.GuestWindow)) {
		return fault.New(fault.StepUpTokenCreationForbidden)
	}
	return nil
}

// stillIn refuses with SESSION_EXPIRED when the caller's session ended after
// the access check.
func stillIn(ctx context.Context, st outbound.Stores, c session.Caller, now time.Time) error {
	err := account.StillIn(ctx, st, c, now)
	if errors.Is(err, fault.AccessTokenExpired) {
		return fault.New(fault.SessionExpired).Because(err)
	}
	return err
}

// believe grants the token unless the password was changed, or the session
// ended, while the password was judged.
func (s *StepperUp) believe(ctx context.Context, cmd inbound.StepUp, right proof) (up inbound.SteppedUp, err error) {
	now := s.d.Now()
	err = s.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
		p, err := right.stands(ctx, st)
		if err != nil {
			return err
		}
		if err := stillIn(ctx, st, cmd.Caller, now); err != nil {
			return err
		}
		if err := right.save(ctx, st, p); err != nil {
			return err
		}
		up, err = s.d.Entrance.StepUp(ctx, st, p, session.Proven{session.Password}, cmd.Context, cmd.Demand)
		if err == nil && up.Challenge != nil {
			err = s.d.Attempts.ForgiveIn(ctx, st, right.subject)
		}
		return err
	})
	return up, err
}
