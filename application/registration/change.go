package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/letter"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ChangeEmail, inbound.EmailChange] = (*EmailChanger)(nil)

// EmailChangerDeps are what an [EmailChanger] works with. All are required.
type EmailChangerDeps struct {
	Work        outbound.UnitOfWork
	Mail        Mail
	Revocations outbound.Revocations
	Now         func() time.Time
	NewID       func() string
	NewSecret   func() secret.Text // 256 random bits
}

// EmailChanger answers [inbound.ChangeEmail]. With mail on it only makes the
// link that a [Verifier] will take.
type EmailChanger struct{ d EmailChangerDeps }

// NewEmailChanger returns an EmailChanger.
func NewEmailChanger(d EmailChangerDeps) *EmailChanger { return &EmailChanger{d} }

// Do implements [inbound.UseCase].
func (c *EmailChanger) Do(ctx context.Context, cmd inbound.ChangeEmail) (inbound.EmailChange, error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return inbound.EmailChange{}, err
	}
	to, broken := email.Parse(cmd.NewEmail)
	if len(broken) > 0 {
		return inbound.EmailChange{}, fault.Invalid("newEmail", broken...)
	}
	m := move{cmd: cmd, to: to, mail: c.d.Mail, now: c.d.Now(), linkID: c.d.NewID(), alertID: c.d.NewID(), token: c.d.NewSecret()}
	if !c.d.Mail.On {
		what := outbound.Revocation{Principal: cmd.Caller.PrincipalID, Kept: cmd.Caller.SessionID}
		return inbound.EmailChange{}, account.Revoke(ctx, c.d.Revocations, what, func() (bool, error) {
			return true, c.d.Work.Within(ctx, m.settle)
		})
	}
	if err := c.d.Work.Within(ctx, m.settle); err != nil {
		return inbound.EmailChange{}, err
	}
	return inbound.EmailChange{VerificationRequired: true, Cooldown: c.d.Mail.Cooldown}, nil
}

// move is one request with all that was decided before the transaction.
type move struct {
	cmd             inbound.ChangeEmail
	to              email.Address
	mail            Mail
	now             time.Time
	linkID, alertID string
	token           secret.Text
}

func (m move) settle(ctx context.Context, s outbound.Stores) error {
	p, err := account.User(s.Principals.ByID(ctx, m.cmd.Caller.PrincipalID))
	if err != nil {
		return err
	}
	// Whatever ended the session meanwhile has voided pending changes, and
	// would miss this one (faults F66). The lock on p keeps it out from now on.
	if err := account.StillIn(ctx, s, m.cmd.Caller, m.now); err != nil {
		return err
	}
	if err := m.free(ctx, s); err != nil {
		return err
	}
	if m.mail.On {
		return m.promise(ctx, s, p)
	}
	return m.store(ctx, s, p)
}

// free refuses with EMAIL_TAKEN an address that an account has, the caller's
// own included.
func (m move) free(ctx context.Context, s outbound.Stores) error {
	_, err := s.Principals.ByEmail(ctx, m.to.Normal())
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look for address: %w", err)
	}
	return fault.New(fault.EmailTaken)
}

func (m move) promise(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
	if err := letter.Ask(ctx, s, notice.EmailVerification, m.to.Normal(), m.now, m.mail.Cooldown); err != nil {
		return err
	}
	if err := voidLinks(ctx, s, p.ID(), m.now); err != nil {
		return err
	}
	l := link{m.linkID, m.token, m.cmd.Locale, m.cmd.Caller.SessionID, m.now, m.mail.VerificationTTL}
	if err := l.promise(ctx, s, p, m.to); err != nil {
		return err
	}
	if !m.mail.AlertMoved {
		return nil
	}
	return letter.Queue(ctx, s, notice.To(p, notice.EmailChangeRequested, m.alertID, m.cmd.Locale, m.now).CausedBy(m.cmd.From))
}

func (m move) store(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
	p.ChangeEmail(m.to)
	if err := saveMoved(ctx, s, p); err != nil {
		return err
	}
	// A link that was mailed to another address would change it back.
	if err := s.OneTime.Void(ctx, p.ID(), onetime.EmailVerification, m.to.Normal(), m.now); err != nil {
		return fmt.Errorf("void verification links: %w", err)
	}
	return leaveBehind(ctx, s, p.ID(), m.cmd.Caller.SessionID, m.now)
}

// saveMoved stores p with its new address. It refuses with EMAIL_TAKEN when
// somebody was faster.
func saveMoved(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
	err := account.Save(ctx, s, p)
	if errors.Is(err, outbound.ErrTaken) {
		return fault.New(fault.EmailTaken).Because(err)
	}
	return err
}

// leaveBehind ends what began under the old address, but for one session.
func leaveBehind(ctx context.Context, s outbound.Stores, of principal.ID, keep session.ID, now time.Time) error {
	if err := s.OneTime.Void(ctx, of, onetime.PasswordReset, "", now); err != nil {
		return fmt.Errorf("void reset links: %w", err)
	}
	if err := s.MailedCodes.Void(ctx, of); err != nil {
		return fmt.Errorf("void mailed code: %w", err)
	}
	if err := s.Sessions.EndAll(ctx, of, keep, session.EmailChanged, now); err != nil {
		return fmt.Errorf("end other sessions: %w", err)
	}
	return nil
}
