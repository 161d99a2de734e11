package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.VerifyEmail, inbound.Self] = (*Verifier)(nil)

// VerifierDeps are what a [Verifier] works with. All are required.
type VerifierDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
}

// Verifier answers [inbound.VerifyEmail].
type Verifier struct{ d VerifierDeps }

// NewVerifier returns a Verifier.
func NewVerifier(d VerifierDeps) *Verifier { return &Verifier{d} }

// Do implements [inbound.UseCase].
func (v *Verifier) Do(ctx context.Context, cmd inbound.VerifyEmail) (p inbound.Self, err error) {
	if cmd.Token.Reveal() == "" {
		return nil, fault.Invalid("token", fault.RuleRequired)
	}
	now, h := v.d.Now(), onetime.HashOf(cmd.Token)
	// Whoever guesses tokens must not queue for the right to write.
	if _, err := find(ctx, v.d.Work.Single(), h, now); err != nil {
		return nil, err
	}
	err = v.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err = verify(ctx, s, h, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// find refuses what has expired, was voided or never issued. What is used is
// found: how it is refused depends on its account.
func find(ctx context.Context, s outbound.Stores, h onetime.Hash, now time.Time) (onetime.Item, error) {
	i, err := s.OneTime.Find(ctx, onetime.EmailVerification, h)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return i, fault.New(fault.EmailVerificationTokenInvalid).Because(err)
	case err != nil:
		return i, fmt.Errorf("find verification link: %w", err)
	}
	switch i.State(now) {
	case onetime.Voided:
		return i, fault.New(fault.EmailVerificationTokenInvalid)
	case onetime.Expired:
		return i, fault.New(fault.EmailVerificationTokenExpired)
	case onetime.Usable, onetime.Used:
	}
	return i, nil
}

func verify(ctx context.Context, s outbound.Stores, h onetime.Hash, now time.Time) (*principal.Principal, error) {
	i, err := find(ctx, s, h, now)
	if err != nil {
		return nil, err
	}
	p, err := account.User(s.Principals.ByID(ctx, i.Principal))
	if err != nil {
		return nil, err
	}
	switch same := i.Address.Normal() == p.Email().Normal(); {
	case same && p.EmailVerified():
		return nil, fault.New(fault.EmailAlreadyVerified)
	case !same:
		return nil, fault.New(fault.EmailVerificationTokenInvalid)
	}
	if err := use(ctx, s, h, now); err != nil {
		return nil, err
	}
	p.VerifyEmail(i.Address)
	if err := s.Principals.Save(ctx, p); err != nil {
		return nil, fmt.Errorf("save user: %w", err)
	}
	return p, voidLinks(ctx, s, p.ID(), now)
}

func use(ctx context.Context, s outbound.Stores, h onetime.Hash, now time.Time) error {
	err := s.OneTime.Use(ctx, onetime.EmailVerification, h, now)
	switch {
	case errors.Is(err, outbound.ErrStale): // used, or voided since it was found
		return fault.New(fault.EmailVerificationTokenInvalid).Because(err)
	case err != nil:
		return fmt.Errorf("use verification link: %w", err)
	}
	return nil
}
