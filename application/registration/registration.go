// Package registration holds the use cases by which an account comes to be and
// its address is proven: registering, verifying, asking for another link, or
// for another address. Who learns what about an address that is taken is decided here; how mails are
// written and sent is not.
package registration

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/letter"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// Mail is what the operator has decided about the mails of this package.
type Mail struct {
	On    bool
	Alert bool // tell owners that somebody tried to register their address

	AlertMoved bool // tell owners, at the address they had, that it changes

	Cooldown        time.Duration // between two verification mails to an address
	InfoCooldown    time.Duration // between two alerts to an address
	VerificationTTL time.Duration // of a link
}

// link is a verification link that is about to be promised.
type link struct {
	noticeID string
	token    secret.Text
	locale   string
	session  session.ID // that asked for it, "" for none
	now      time.Time
	ttl      time.Duration
}

// to returns the link that proves an address for p, and the mail that carries
// it there.
func (l link) to(p *principal.Principal, address email.Address) (onetime.Item, notice.Notice) {
	i := onetime.Item{
		Hash: onetime.HashOf(l.token), Kind: onetime.EmailVerification,
		Principal: p.ID(), Session: l.session, Address: address,
		CreatedAt: l.now, ExpiresAt: l.now.Add(l.ttl),
	}
	n := notice.To(p, notice.EmailVerification, l.noticeID, l.locale, l.now).Linking(l.token, l.ttl)
	n.To = address
	return i, n
}

// promise stores the link, and the mail that carries it.
func (l link) promise(ctx context.Context, s outbound.Stores, p *principal.Principal, address email.Address) error {
	i, n := l.to(p, address)
	if err := s.OneTime.Add(ctx, i); err != nil {
		return fmt.Errorf("add verification link: %w", err)
	}
	return letter.Queue(ctx, s, n)
}

func voidLinks(ctx context.Context, s outbound.Stores, of principal.ID, now time.Time) error {
	if err := s.OneTime.Void(ctx, of, onetime.EmailVerification, "", now); err != nil {
		return fmt.Errorf("void verification links: %w", err)
	}
	return nil
}
