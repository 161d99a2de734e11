package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gatehouse/application/attempt"
	"gatehouse/application/grant"
	"gatehouse/application/mailcode"
	"gatehouse/domain/client"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// EntranceDeps are what an [Entrance] works with. All are required.
type EntranceDeps struct {
	Attempts *attempt.Taker
	Issuer   *grant.Issuer
	Codes    *mailcode.Sender
	Locate   Locate
	Alerts   Alerts
	MailOn   bool
	NewID    func() string
	Now      func() time.Time
}

// Entrance is what every way to sign in or to step up leads through, once
// something was proven. What that was good for is decided by
// [grant.Issuer.Admit]; here it is stored.
type Entrance struct{ d EntranceDeps }

// NewEntrance returns an Entrance.
func NewEntrance(d EntranceDeps) *Entrance { return &Entrance{d} }

// Enter gives p, whom the transaction has locked and who is not disabled, what
// they have proven enough for: a session, with everything a sign-in means
// besides (contract §5.8), or a challenge.
func (e *Entrance) Enter(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven, by inbound.Context) (inbound.SignedIn, error) {
	now := e.d.Now()
	by.From = located(by.From, e.d.Locate)
	a, err := e.d.Issuer.Admit(p, proven, grant.Purpose{From: by.From}, now)
	switch {
	case err != nil:
		return inbound.SignedIn{}, err
	case a.Challenge != nil:
		c, err := e.challenge(ctx, s, p, a.Challenge, by)
		return inbound.SignedIn{Challenge: c}, err
	}
	got, err := s.Entry.SignIn(ctx, e.arrival(p, a.SignIn.Session, password.Hash{}, subjectOf(p, by.From.Address), by.Locale))
	switch {
	case err != nil:
		return inbound.SignedIn{}, fmt.Errorf("sign in: %w", err)
	case !got.Done:
		return inbound.SignedIn{}, errOvertaken
	}
	return signedIn(p, a.SignIn), nil
}

// StepUp is as Enter, for the session the caller has, and yields what is
// demanded.
func (e *Entrance) StepUp(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven, by inbound.Context, d session.Demand) (inbound.SteppedUp, error) {
	a, err := e.d.Issuer.Admit(p, proven, grant.Purpose{StepUp: by.Caller.SessionID, Demand: d}, e.d.Now())
	switch {
	case err != nil:
		return inbound.SteppedUp{}, err
	case a.Challenge != nil:
		c, err := e.challenge(ctx, s, p, a.Challenge, by)
		return inbound.SteppedUp{Challenge: c}, err
	}
	if !p.IsGuest() { // who has nothing to guess
		if err := e.d.Attempts.Reset(ctx, s, subjectOf(p, by.From.Address)); err != nil {
			return inbound.SteppedUp{}, err
		}
	}
	if i := a.StepUp.Item; i != nil {
		if err := s.OneTime.Add(ctx, *i); err != nil {
			return inbound.SteppedUp{}, fmt.Errorf("add bound step-up: %w", err)
		}
	}
	return inbound.SteppedUp{Token: a.StepUp.Text, ExpiresAt: a.StepUp.ExpiresAt, Bound: d.Bound}, nil
}

// challenge stores a challenge and mails a code to who prefers that.
func (e *Entrance) challenge(ctx context.Context, s outbound.Stores, p *principal.Principal, c *grant.Challenge, by inbound.Context) (*inbound.Challenge, error) {
	if err := s.OneTime.Add(ctx, c.Item); err != nil {
		return nil, fmt.Errorf("add challenge: %w", err)
	}
	if err := e.d.Codes.Prepare(ctx, s, p, by); err != nil {
		return nil, err
	}
	return &inbound.Challenge{Of: p.ID(), Token: c.Token.Text, ExpiresAt: c.Token.ExpiresAt, Factors: p.Factors()}, nil
}

// arrival is what it means that p has a new session.
func (e *Entrance) arrival(p *principal.Principal, n session.Session, renewed password.Hash, of throttle.Subject, locale string) outbound.SignIn {
	return outbound.SignIn{
		Judged: p, Renewed: renewed, Session: n, Reset: e.d.Attempts.Resets(of),
		Device: device(n.Client), Since: n.StartedAt.Add(-client.Remembered), Alert: e.alert(p, n, locale),
	}
}

// alert is the mail to p about a device that is unseen, if it is to be sent.
func (e *Entrance) alert(p *principal.Principal, in session.Session, locale string) *notice.Notice {
	if !e.d.Alerts.Login || !e.d.MailOn {
		return nil
	}
	n := notice.To(p, notice.LoginAlert, e.d.NewID(), locale, in.StartedAt).CausedBy(in.Client)
	return &n
}

func signedIn(p *principal.Principal, in *grant.SignIn) inbound.SignedIn {
	p.MarkActive(in.Session.LastActive)
	return inbound.SignedIn{Principal: p, SessionID: in.Session.ID, Tokens: in.Tokens, Location: in.Session.Client.Location}
}

// device names what a sign-in came from, as far as alerts tell devices apart.
// No label can hold the separator, which is a control character.
func device(from client.Info) string {
	return strings.Join([]string{from.Device.Browser, from.Device.OS, from.Address.Neighbourhood()}, "\x00")
}
