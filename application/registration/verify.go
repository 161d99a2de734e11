package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/letter"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.VerifyEmail, inbound.Self] = (*Verifier)(nil)

// VerifierDeps are what a [Verifier] works with. All are required.
type VerifierDeps struct {
	Work        outbound.UnitOfWork
	Mail        Mail
	Revocations outbound.Revocations
	Now         func() time.Time
	NewID       func() string
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
	u := use{cmd: cmd, alert: v.d.Mail.On && v.d.Mail.AlertMoved, now: v.d.Now(), hash: onetime.HashOf(cmd.Token), noticeID: v.d.NewID()}
	// Whoever guesses tokens must not queue for the right to write.
	i, err := find(ctx, v.d.Work.Single(), u.hash, u.now)
	switch {
	case err != nil:
		return nil, err
	case i.Principal == "": // caches would forget everybody
		return nil, fault.New(fault.UserNotFound)
	}
	what := outbound.Revocation{Principal: i.Principal, Kept: i.Session}
	err = account.Revoke(ctx, v.d.Revocations, what, func() (moved bool, err error) {
		err = v.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			p, moved, err = u.settle(ctx, s)
			return err
		})
		return moved, err
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

// use is one use of a link, with all that was decided before the transaction.
type use struct {
	cmd      inbound.VerifyEmail
	alert    bool
	now      time.Time
	hash     onetime.Hash
	noticeID string
}

// settle returns the account, and whether its address is another one now.
func (u use) settle(ctx context.Context, s outbound.Stores) (p *principal.Principal, moved bool, err error) {
	i, err := find(ctx, s, u.hash, u.now)
	if err != nil {
		return nil, false, err
	}
	if p, err = account.User(s.Principals.ByID(ctx, i.Principal)); err != nil {
		return nil, false, err
	}
	if p.EmailVerified() && i.Address.Normal() == p.Email().Normal() {
		return nil, false, fault.New(fault.EmailAlreadyVerified)
	}
	if err := u.up(ctx, s); err != nil {
		return nil, false, err
	}
	n := notice.To(p, notice.EmailChanged, u.noticeID, u.cmd.Locale, u.now).CausedBy(u.cmd.From) // to the old address
	moved = p.VerifyEmail(i.Address)
	if err := saveMoved(ctx, s, p); err != nil {
		return nil, false, err
	}
	if err := voidLinks(ctx, s, p.ID(), u.now); err != nil || !moved {
		return p, false, err
	}
	if err := leaveBehind(ctx, s, p.ID(), i.Session, u.now); err != nil {
		return nil, false, err
	}
	if u.alert {
		err = letter.Queue(ctx, s, n)
	}
	return p, true, err
}

// up uses the link up.
func (u use) up(ctx context.Context, s outbound.Stores) error {
	err := s.OneTime.Use(ctx, onetime.EmailVerification, u.hash, u.now)
	switch {
	case errors.Is(err, outbound.ErrStale): // used, or voided since it was found
		return fault.New(fault.EmailVerificationTokenInvalid).Because(err)
	case err != nil:
		return fmt.Errorf("use verification link: %w", err)
	}
	return nil
}
