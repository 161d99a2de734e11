package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/application/grant"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.SignIn, inbound.SignedIn] = (*SignerIn)(nil)

// SignerInDeps are what a [SignerIn] works with. All are required.
type SignerInDeps struct {
	Work     outbound.UnitOfWork
	Attempts *attempt.Taker
	Issuer   *grant.Issuer
	Locate   Locate
	Alerts   Alerts
	MailOn   bool
	NewID    func() string
	Now      func() time.Time
}

// SignerIn answers [inbound.SignIn].
type SignerIn struct{ d SignerInDeps }

// NewSignerIn returns a SignerIn.
func NewSignerIn(d SignerInDeps) *SignerIn { return &SignerIn{d} }

// Do implements [inbound.UseCase].
func (s *SignerIn) Do(ctx context.Context, cmd inbound.SignIn) (inbound.SignedIn, error) {
	return again(func() (inbound.SignedIn, error) { return s.try(ctx, cmd) })
}

func (s *SignerIn) try(ctx context.Context, cmd inbound.SignIn) (inbound.SignedIn, error) {
	subject := attempt.Subject(cmd.Email, cmd.From.Address)
	known, err := s.look(ctx, subject)
	if err != nil {
		return inbound.SignedIn{}, err
	}
	right, err := prove(ctx, s.d.Attempts, cmd.Password, known, subject)
	if err != nil {
		return inbound.SignedIn{}, err
	}
	in, err := s.begin(ctx, cmd, right)
	if err != nil {
		return inbound.SignedIn{}, right.failed(ctx, s.d.Attempts, err)
	}
	return in, nil
}

// look returns who has the address, nil for nobody, unless the subject has to
// wait.
func (s *SignerIn) look(ctx context.Context, subject throttle.Subject) (p *principal.Principal, err error) {
	err = s.d.Work.View(ctx, func(ctx context.Context, st outbound.Stores) error {
		if err := s.d.Attempts.Allowed(ctx, st, subject); err != nil {
			return err
		}
		p, err = st.Principals.ByEmail(ctx, subject.Account)
		switch {
		case errors.Is(err, outbound.ErrNotFound):
			p = nil
		case err != nil:
			return fmt.Errorf("load principal: %w", err)
		}
		return nil
	})
	return p, err
}

// begin stores the session, and everything a sign-in means besides
// (contract §5.8), unless the password was changed while it was judged.
func (s *SignerIn) begin(ctx context.Context, cmd inbound.SignIn, right proof) (in inbound.SignedIn, err error) {
	now, from := s.d.Now(), located(cmd.From, s.d.Locate)
	err = s.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
		p, err := right.stands(ctx, st)
		if err != nil {
			return err
		}
		if p.IsDisabled() {
			return fault.New(fault.UserDisabled)
		}
		p.MarkActive(now)
		right.renew(p)
		if err := account.Save(ctx, st, p); err != nil {
			return err
		}
		if err := s.d.Attempts.Reset(ctx, st, right.subject); err != nil {
			return err
		}
		n, tokens, err := s.d.Issuer.Begin(p, session.Proven{session.Password}, from, now)
		if err != nil {
			return err
		}
		if err := st.Sessions.Add(ctx, n); err != nil {
			return fmt.Errorf("add session: %w", err)
		}
		in = inbound.SignedIn{Principal: p, SessionID: n.ID, Tokens: tokens, Location: from.Location}
		return s.alert(ctx, st, p, from, cmd.Locale, now)
	})
	return in, err
}

// alert owes p a mail if the device is unseen, but for the very first one.
func (s *SignerIn) alert(ctx context.Context, st outbound.Stores, p *principal.Principal, from client.Info, locale string, now time.Time) error {
	known, others, err := st.Devices.Mark(ctx, p.ID(), device(from), now, now.Add(-client.Remembered))
	if err != nil {
		return fmt.Errorf("mark device: %w", err)
	}
	if known || !others || !s.d.Alerts.Login || !s.d.MailOn {
		return nil
	}
	n := notice.To(p, notice.LoginAlert, s.d.NewID(), locale, now).CausedBy(from)
	if err := st.Outbox.Add(ctx, n); err != nil {
		return fmt.Errorf("owe login alert: %w", err)
	}
	return nil
}

// device names what a sign-in came from, as far as alerts tell devices apart.
// No label can hold the separator, which is a control character.
func device(from client.Info) string {
	return strings.Join([]string{from.Device.Browser, from.Device.OS, from.Address.Neighbourhood()}, "\x00")
}
