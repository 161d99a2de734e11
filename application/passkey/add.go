package passkey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/twofactor"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.BeginPasskey, passkey.Document] = (*Beginner)(nil)
	_ inbound.UseCase[inbound.AddPasskey, passkey.Passkey]    = (*Adder)(nil)
)

// BeginnerDeps are what a [Beginner] works with. All are required.
type BeginnerDeps struct {
	Work           outbound.UnitOfWork
	Authenticators outbound.Authenticators
	NewSecret      func() secret.Text // 256 random bits in base64url
	Now            func() time.Time
}

// Beginner answers [inbound.BeginPasskey].
type Beginner struct{ d BeginnerDeps }

// NewBeginner returns a Beginner.
func NewBeginner(d BeginnerDeps) *Beginner { return &Beginner{d} }

// Do implements [inbound.UseCase].
func (b *Beginner) Do(ctx context.Context, cmd inbound.BeginPasskey) (question passkey.Document, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	challenge := b.d.NewSecret()
	err = b.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, cmd.Caller.PrincipalID))
		if err != nil {
			return err
		}
		theirs, err := withRoom(ctx, s, p.ID())
		if err != nil {
			return err
		}
		if question, err = b.d.Authenticators.Create(challenge, p, theirs); err != nil {
			return err
		}
		return registration(cmd.Caller).begin(ctx, s, challenge, b.d.Now())
	})
	if err != nil {
		return nil, err
	}
	return question, nil
}

// withRoom lists the passkeys of a principal if they may have another one, and
// refuses with PASSKEY_LIMIT_REACHED else.
func withRoom(ctx context.Context, s outbound.Stores, of principal.ID) (inbound.Passkeys, error) {
	theirs, err := all(ctx, s, of)
	if err == nil && len(theirs) >= passkey.Most {
		err = fault.New(fault.PasskeyLimitReached)
	}
	return theirs, err
}

// ChangeDeps are what an [Adder] and a [Deleter] work with. All are required.
type ChangeDeps struct {
	Factors        twofactor.Deps
	Authenticators outbound.Authenticators
	Required       bool // an account that has a second factor keeps one
}

// Adder answers [inbound.AddPasskey].
type Adder struct{ d ChangeDeps }

// NewAdder returns an Adder.
func NewAdder(d ChangeDeps) *Adder { return &Adder{d} }

// Do implements [inbound.UseCase].
func (a *Adder) Do(ctx context.Context, cmd inbound.AddPasskey) (passkey.Passkey, error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return passkey.Passkey{}, err
	}
	name, err := parseName(cmd.Name)
	if err != nil {
		return passkey.Passkey{}, err
	}
	claim, err := a.d.Authenticators.Claimed(cmd.Answer)
	if err != nil {
		return passkey.Passkey{}, invalid(err)
	}
	key, err := a.d.Authenticators.Created(cmd.Answer, claim.Challenge)
	if err != nil {
		return passkey.Passkey{}, invalid(err)
	}
	now := a.d.Factors.Now()
	added := passkey.Passkey{
		Key: key, ID: passkey.ID(a.d.Factors.NewID()), Principal: cmd.Caller.PrincipalID, Name: name, CreatedAt: now,
	}
	err = a.d.Factors.Add(ctx, factor.Passkey, cmd.Context, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		if err := registration(cmd.Caller).end(ctx, s, claim.Challenge, now); err != nil {
			return err
		}
		if _, err := withRoom(ctx, s, p.ID()); err != nil {
			return err
		}
		p.EnableFactor(factor.Passkey)
		return add(ctx, s, added)
	})
	if !account.Stands(err) {
		return passkey.Passkey{}, err
	}
	return added, err
}

func add(ctx context.Context, s outbound.Stores, p passkey.Passkey) error {
	err := s.Passkeys.Add(ctx, p)
	switch {
	case errors.Is(err, outbound.ErrTaken):
		return fault.New(fault.PasskeyAlreadyRegistered).Because(err)
	case err != nil:
		return fmt.Errorf("add passkey: %w", err)
	}
	return nil
}
