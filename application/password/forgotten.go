package password

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/application/letter"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.RequestPasswordReset, inbound.ResetRequested] = (*ResetRequester)(nil)
	_ inbound.UseCase[inbound.PasswordResetCooldown, inbound.Cooldown]      = (*ResetCooldown)(nil)
)

// ResetMail is what the operator has decided about the mails of who forgot a
// password.
type ResetMail struct {
	On           bool
	Cooldown     time.Duration // between two links to an address
	InfoCooldown time.Duration // between two mails to an address without an account
	TTL          time.Duration // of a link
}

// ResetRequesterDeps are what a [ResetRequester] works with. All are required.
type ResetRequesterDeps struct {
	Work      outbound.UnitOfWork
	Mail      ResetMail
	Now       func() time.Time
	NewID     func() string
	NewSecret func() secret.Text // 256 random bits
}

// ResetRequester answers [inbound.RequestPasswordReset].
type ResetRequester struct{ d ResetRequesterDeps }

// NewResetRequester returns a ResetRequester.
func NewResetRequester(d ResetRequesterDeps) *ResetRequester { return &ResetRequester{d} }

// Do implements [inbound.UseCase].
func (r *ResetRequester) Do(ctx context.Context, cmd inbound.RequestPasswordReset) (inbound.ResetRequested, error) {
	to, broken := email.Parse(cmd.Email)
	switch {
	case len(broken) > 0:
		return inbound.ResetRequested{}, fault.Invalid("email", broken...)
	case !r.d.Mail.On:
		return inbound.ResetRequested{}, letter.Off()
	}
	var of principal.ID
	w := wish{cmd: cmd, to: to, mail: r.d.Mail, now: r.d.Now(), noticeID: r.d.NewID(), token: r.d.NewSecret()}
	err := r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) (err error) {
		of, err = w.settle(ctx, s)
		return err
	})
	if err != nil {
		return inbound.ResetRequested{}, err
	}
	return inbound.ResetRequested{MailSent: inbound.MailSent{Cooldown: r.d.Mail.Cooldown}, Account: of}, nil
}

// wish is one request with all that was decided before the transaction.
type wish struct {
	cmd      inbound.RequestPasswordReset
	to       email.Address
	mail     ResetMail
	now      time.Time
	noticeID string
	token    secret.Text
}

// settle takes the same steps whether or not somebody has the address (faults
// F34): without an owner the link is nobody's, and is told to nobody. It returns
// whose it is.
func (w wish) settle(ctx context.Context, s outbound.Stores) (of principal.ID, err error) {
	if err := letter.Ask(ctx, s, notice.PasswordReset, w.to.Normal(), w.now, w.mail.Cooldown); err != nil {
		return "", err
	}
	p, err := s.Principals.ByEmail(ctx, w.to.Normal())
	if err != nil && !errors.Is(err, outbound.ErrNotFound) {
		return "", fmt.Errorf("look for address: %w", err)
	}
	if p != nil {
		of = p.ID()
	}
	if err := w.link(ctx, s, of); err != nil {
		return "", err
	}
	n, due, err := w.notice(ctx, s, p)
	if err != nil || !due {
		return of, err
	}
	return of, letter.Queue(ctx, s, n)
}

// link makes a link of a principal, and every older one worthless.
func (w wish) link(ctx context.Context, s outbound.Stores, of principal.ID) error {
	if err := s.OneTime.Void(ctx, of, onetime.PasswordReset, "", w.now); err != nil {
		return fmt.Errorf("void reset links: %w", err)
	}
	err := s.OneTime.Add(ctx, onetime.Item{
		Hash: onetime.HashOf(w.token), Kind: onetime.PasswordReset, Principal: of,
		CreatedAt: w.now, ExpiresAt: w.now.Add(w.mail.TTL),
	})
	if err != nil {
		return fmt.Errorf("add reset link: %w", err)
	}
	return nil
}

// notice returns what the address is told, and whether it is. Both ways ask for
// the same cooldown, which only mails to strangers begin.
func (w wish) notice(ctx context.Context, s outbound.Stores, p *principal.Principal) (n notice.Notice, due bool, err error) {
	if p == nil {
		if due, err = letter.Cool(ctx, s, notice.NoAccountInfo, w.to.Normal(), w.now, w.mail.InfoCooldown); err != nil {
			err = fault.New(fault.CacheOperationFailure).Because(err)
		}
		n = notice.ToStranger(w.to, notice.NoAccountInfo, w.noticeID, w.cmd.Locale, w.now)
		return n.CausedBy(w.cmd.From), due, err
	}
	_, err = letter.Left(ctx, s, notice.NoAccountInfo, w.to.Normal(), w.now)
	n = notice.To(p, notice.PasswordReset, w.noticeID, w.cmd.Locale, w.now).Linking(w.token, w.mail.TTL)
	return n.CausedBy(w.cmd.From), !p.IsDisabled(), err
}

// ResetCooldownDeps are what a [ResetCooldown] works with. All are required.
type ResetCooldownDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
}

// ResetCooldown answers [inbound.PasswordResetCooldown].
type ResetCooldown struct{ d ResetCooldownDeps }

// NewResetCooldown returns a ResetCooldown.
func NewResetCooldown(d ResetCooldownDeps) *ResetCooldown { return &ResetCooldown{d} }

// Do implements [inbound.UseCase].
func (r *ResetCooldown) Do(ctx context.Context, q inbound.PasswordResetCooldown) (inbound.Cooldown, error) {
	if strings.TrimSpace(q.Email) == "" {
		return 0, fault.Invalid("email", fault.RuleNotBlank)
	}
	left, err := letter.Left(ctx, r.d.Work.Single(), notice.PasswordReset, email.Normal(q.Email), r.d.Now())
	return inbound.Cooldown(left), err
}
