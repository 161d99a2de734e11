package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/factor"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.Register, inbound.Registered] = (*Registrar)(nil)

// RegistrarDeps are what a [Registrar] works with. All are required.
type RegistrarDeps struct {
	Work      outbound.UnitOfWork
	Hasher    outbound.Hasher
	Policy    password.Policy
	Leaks     account.Leaks
	Mail      Mail
	Mailed    bool // codes are a second factor of new accounts
	Now       func() time.Time
	NewID     func() string
	NewSecret func() secret.Text // 256 random bits
}

// Registrar answers [inbound.Register].
type Registrar struct{ d RegistrarDeps }

// NewRegistrar returns a Registrar.
func NewRegistrar(d RegistrarDeps) *Registrar { return &Registrar{d} }

// rounds bounds how often somebody may be faster with the same address.
const rounds = 3

var errOvertaken = errors.New("the address was free or taken, every time until we came")

// Do implements [inbound.UseCase]. A free and a taken address take the same
// way: one hash, one look for the owner, one call that stores what it means.
func (r *Registrar) Do(ctx context.Context, cmd inbound.Register) (inbound.Registered, error) {
	wish := account.Wish{Email: cmd.Email, Name: cmd.Name, Password: cmd.Password, Mailed: r.d.Mailed}
	address, name, err := wish.Check(r.d.Policy)
	if err != nil {
		return inbound.Registered{}, err
	}
	if err := r.d.Leaks.Refuse(ctx, "password", cmd.Password); err != nil {
		return inbound.Registered{}, err
	}
	// It is paid for a taken address too, so that the time taken says nothing.
	hash, err := wish.Hash(ctx, r.d.Hasher, cmd.From.Address.Network())
	if err != nil {
		return inbound.Registered{}, err
	}
	now := r.d.Now()
	a := arrival{
		cmd: cmd, mail: r.d.Mail, now: now, noticeID: r.d.NewID(), token: r.d.NewSecret(),
		user: principal.NewUser(principal.ID(r.d.NewID()), name, address, hash, now),
	}
	if r.d.Mailed {
		a.user.EnableFactor(factor.Email)
	}
	for range rounds {
		// One for both calls: a store knows the keys of what it has read.
		of, done, err := a.settle(ctx, r.d.Work.Single())
		if err != nil || done {
			return inbound.Registered{Account: of}, err
		}
	}
	return inbound.Registered{}, errOvertaken
}

// arrival is one request with all that was decided before it is stored.
type arrival struct {
	cmd      inbound.Register
	mail     Mail
	now      time.Time
	noticeID string
	token    secret.Text
	user     *principal.Principal // as it will be if the address is free
}

// settle returns whose address it is, and false when what it found had changed
// before it was stored.
func (a arrival) settle(ctx context.Context, s outbound.Stores) (of principal.ID, done bool, err error) {
	owner, err := s.Principals.ByEmail(ctx, a.user.Email().Normal())
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		got, err := s.Entry.Register(ctx, outbound.Registration{User: a.user, Mail: a.verification()})
		if err != nil {
			return "", false, fmt.Errorf("add user: %w", err)
		}
		return a.user.ID(), got.Done, nil
	case err != nil:
		return "", false, fmt.Errorf("look for address: %w", err)
	}
	got, err := s.Entry.TurnAway(ctx, outbound.Collision{Owner: owner, Cooldown: a.cooldown(), Alert: a.alert(owner)})
	if err != nil {
		return "", false, fmt.Errorf("turn away: %w", err)
	}
	return owner.ID(), got.Done, nil
}

// verification is the mail with the link, if it is wanted.
func (a arrival) verification() *outbound.Mailing {
	c := a.cooldown()
	if c == nil {
		return nil
	}
	i, n := link{a.noticeID, a.token, a.cmd.Locale, "", a.now, a.mail.VerificationTTL}.to(a.user, a.user.Email())
	return &outbound.Mailing{Cooldown: *c, Notice: n, Link: &i}
}

// cooldown begins whether or not the address is taken, else a later request
// could tell.
func (a arrival) cooldown() *outbound.Cooldown {
	if !a.cmd.SendEmail || !a.mail.On {
		return nil
	}
	return &outbound.Cooldown{
		Kind: notice.EmailVerification, Normal: a.user.Email().Normal(), Begin: a.now, Length: a.mail.Cooldown,
	}
}

// alert tells the owner, and nobody else, that the address is taken.
func (a arrival) alert(owner *principal.Principal) *outbound.Mailing {
	if !a.mail.On || !a.mail.Alert {
		return nil
	}
	return &outbound.Mailing{
		Cooldown: outbound.Cooldown{
			Kind: notice.RegistrationAlert, Normal: owner.Email().Normal(), Begin: a.now, Length: a.mail.InfoCooldown,
		},
		Notice: notice.To(owner, notice.RegistrationAlert, a.noticeID, a.cmd.Locale, a.now).CausedBy(a.cmd.From),
	}
}
