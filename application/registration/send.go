package registration

import (
	"context"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/letter"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.SendVerification, inbound.MailSent] = (*Sender)(nil)

// SenderDeps are what a [Sender] works with. All are required.
type SenderDeps struct {
	Work      outbound.UnitOfWork
	Mail      Mail
	Now       func() time.Time
	NewID     func() string
	NewSecret func() secret.Text // 256 random bits
}

// Sender answers [inbound.SendVerification].
type Sender struct{ d SenderDeps }

// NewSender returns a Sender.
func NewSender(d SenderDeps) *Sender { return &Sender{d} }

// Do implements [inbound.UseCase].
func (s *Sender) Do(ctx context.Context, cmd inbound.SendVerification) (inbound.MailSent, error) {
	l := link{
		noticeID: s.d.NewID(), token: s.d.NewSecret(), locale: cmd.Locale,
		session: cmd.Caller.SessionID, now: s.d.Now(), ttl: s.d.Mail.VerificationTTL,
	}
	err := s.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
		p, err := account.User(st.Principals.ByID(ctx, cmd.Caller.PrincipalID))
		switch {
		case err != nil:
			return err
		case p.EmailVerified():
			return fault.New(fault.EmailAlreadyVerified)
		case !s.d.Mail.On:
			return letter.Off()
		}
		if err := letter.Ask(ctx, st, notice.EmailVerification, p.Email().Normal(), l.now, s.d.Mail.Cooldown); err != nil {
			return err
		}
		if err := voidLinks(ctx, st, p.ID(), l.now); err != nil {
			return err
		}
		return l.promise(ctx, st, p, p.Email())
	})
	if err != nil {
		return inbound.MailSent{}, err
	}
	return inbound.MailSent{Cooldown: s.d.Mail.Cooldown}, nil
}
