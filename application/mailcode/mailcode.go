// Package mailcode mails the codes of second factors: one at a time to each
// user, kept apart by a cooldown (contract §7.4, §8). How they are judged is
// decided by whoever takes them.
package mailcode

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/letter"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// Deps are what a [Sender] works with. All are required.
type Deps struct {
	Work     outbound.UnitOfWork
	MailOn   bool
	Cooldown time.Duration // between two codes to one address
	TTL      time.Duration // of a code
	NewCode  func() factor.Code
	NewID    func() string
	Now      func() time.Time
}

// Sender mails codes, and answers [inbound.MailCode].
type Sender struct{ d Deps }

// New returns a Sender.
func New(d Deps) *Sender { return &Sender{d} }

var _ inbound.UseCase[inbound.MailCode, inbound.MailSent] = (*Sender)(nil)

// Do implements [inbound.UseCase].
func (s *Sender) Do(ctx context.Context, cmd inbound.MailCode) (inbound.MailSent, error) {
	err := s.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
		p, err := account.User(st.Principals.ByID(ctx, cmd.To))
		switch {
		case err != nil:
			return err
		case !p.HasPassword():
			return fault.New(fault.NoPasswordProvider)
		case !s.d.MailOn:
			return letter.Off()
		}
		now := s.d.Now()
		if err := letter.Ask(ctx, st, notice.EmailAuthentication, p.Email().Normal(), now, s.d.Cooldown); err != nil {
			return err
		}
		return s.mail(ctx, st, p, cmd.Context, now)
	})
	if err != nil {
		return inbound.MailSent{}, err
	}
	return inbound.MailSent{Cooldown: s.d.Cooldown}, nil
}

// Prepare mails a code to who prefers that, in the transaction of what asks for
// it. While a cooldown runs, the code that was mailed is as good.
func (s *Sender) Prepare(ctx context.Context, st outbound.Stores, p *principal.Principal, by inbound.Context) error {
	if !s.d.MailOn || p.Factors().Preferred != factor.Email {
		return nil
	}
	now := s.d.Now()
	free, err := letter.Cool(ctx, st, notice.EmailAuthentication, p.Email().Normal(), now, s.d.Cooldown)
	if err != nil || !free {
		return err
	}
	return s.mail(ctx, st, p, by, now)
}

func (s *Sender) mail(ctx context.Context, st outbound.Stores, p *principal.Principal, by inbound.Context, now time.Time) error {
	code := s.d.NewCode()
	if err := st.MailedCodes.Put(ctx, p.ID(), factor.MailedCode{Code: code, CreatedAt: now, ExpiresAt: now.Add(s.d.TTL)}); err != nil {
		return fmt.Errorf("keep mailed code: %w", err)
	}
	n := notice.To(p, notice.EmailAuthentication, s.d.NewID(), by.Locale, now).Carrying(code.Text, s.d.TTL).CausedBy(by.From)
	return letter.Queue(ctx, st, n)
}
