package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/grant"
	"gatehouse/application/letter"
	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ConvertGuest, inbound.SignedIn] = (*Converter)(nil)

// ConverterDeps are what a [Converter] works with. All are required.
type ConverterDeps struct {
	Work        outbound.UnitOfWork
	Hasher      outbound.Hasher
	Policy      password.Policy
	Leaks       account.Leaks
	Issuer      *grant.Issuer
	Mail        Mail
	Mailed      bool // codes are a second factor of new users
	Revocations outbound.Revocations
	Locate      func(client.Address) *client.Location // nil when it cannot tell
	Now         func() time.Time
	NewID       func() string
	NewSecret   func() secret.Text // 256 random bits
}

// Converter answers [inbound.ConvertGuest].
type Converter struct{ d ConverterDeps }

// NewConverter returns a Converter.
func NewConverter(d ConverterDeps) *Converter { return &Converter{d} }

// Do implements [inbound.UseCase].
func (c *Converter) Do(ctx context.Context, cmd inbound.ConvertGuest) (in inbound.SignedIn, err error) {
	address, broken := email.Parse(cmd.Email)
	f := fault.New(fault.InvalidRequest).On("email", broken...).On("password", c.d.Policy.BrokenByItself(cmd.Password)...)
	if len(f.Broken()) > 0 {
		return in, f
	}
	k := conversion{ConverterDeps: c.d, cmd: cmd, address: address, noticeID: c.d.NewID(), token: c.d.NewSecret()}
	if err := k.hash(ctx); err != nil {
		return in, err
	}
	k.now = c.d.Now()
	err = account.Revoke(ctx, c.d.Revocations, outbound.Revocation{Principal: cmd.Caller.PrincipalID}, func() (bool, error) {
		return true, c.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			in, err = k.settle(ctx, s)
			return err
		})
	})
	if !account.Stands(err) {
		return inbound.SignedIn{}, err
	}
	return in, err
}

// conversion is one request with all that is decided before it is stored.
type conversion struct {
	ConverterDeps

	cmd      inbound.ConvertGuest
	address  email.Address
	password password.Hash
	noticeID string
	token    secret.Text
	now      time.Time
}

// hash asks first what is asked again when the guest is locked: who is refused
// anyway must not make us hash.
func (k *conversion) hash(ctx context.Context) error {
	err := k.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := k.guest(ctx, s)
		if err != nil {
			return err
		}
		of := password.Subject{Name: p.Name(), LocalPart: k.address.LocalPart(), SecondFactor: k.Mailed}
		if broken := k.Policy.BrokenFor(k.cmd.Password, of); len(broken) > 0 {
			return fault.Invalid("password", broken...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := k.Leaks.Refuse(ctx, "password", k.cmd.Password); err != nil {
		return err
	}
	k.password, err = account.Wish{Password: k.cmd.Password}.Hash(ctx, k.Hasher, k.cmd.From.Address.Network())
	return err
}

// guest finds the caller, still a guest, and the address still free.
func (k *conversion) guest(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
	p, err := s.Principals.ByID(ctx, k.cmd.Caller.PrincipalID)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return nil, fault.New(fault.GuestNotFound).Because(err)
	case err != nil:
		return nil, fmt.Errorf("load guest: %w", err)
	case !p.IsGuest(): // since another call a moment ago
		return nil, fault.New(fault.GuestIsAlreadyUser)
	}
	_, err = s.Principals.ByEmail(ctx, k.address.Normal())
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return p, nil
	case err != nil:
		return nil, fmt.Errorf("look for address: %w", err)
	}
	return nil, fault.New(fault.GuestEmailTaken)
}

// settle makes the guest a user, and exchanges the tokens of the calling
// session, all others being stale.
func (k *conversion) settle(ctx context.Context, s outbound.Stores) (in inbound.SignedIn, err error) {
	p, err := k.guest(ctx, s)
	if err != nil {
		return in, err
	}
	p.BecomeUser(k.address, k.password)
	if k.Mailed {
		p.EnableFactor(factor.Email)
	}
	switch err := account.Save(ctx, s, p); {
	case errors.Is(err, outbound.ErrTaken):
		return in, fault.New(fault.GuestEmailTaken).Because(err)
	case err != nil:
		return in, err
	}
	if in, err = k.rotate(ctx, s, p); err != nil {
		return in, err
	}
	return in, k.promise(ctx, s, p)
}

// rotate keeps the new pair for repetitions, as a refresh does: a client that
// loses the answer gets it again by the token it has (faults §6.3).
func (k *conversion) rotate(ctx context.Context, s outbound.Stores, p *principal.Principal) (in inbound.SignedIn, err error) {
	if err := account.StillIn(ctx, s, k.cmd.Caller, k.now); err != nil {
		return in, err
	}
	a, err := s.Sessions.Access(ctx, k.cmd.Caller.SessionID)
	if err != nil {
		return in, fmt.Errorf("read session: %w", err)
	}
	from := k.cmd.From
	from.Location = k.Locate(from.Address)
	next, err := k.Issuer.Rotate(a.Session, p, from, k.now)
	if err != nil {
		return in, err
	}
	won, err := s.Sessions.Rotate(ctx, next)
	switch {
	case err != nil:
		return in, fmt.Errorf("rotate refresh token: %w", err)
	case !won:
		return in, errOvertaken
	}
	p.MarkActive(k.now)
	return inbound.SignedIn{Principal: p, SessionID: next.SessionID, Tokens: next.Pair, Location: from.Location}, nil
}

func (k *conversion) promise(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
	if !k.Mail.On {
		return nil
	}
	free, err := letter.Cool(ctx, s, notice.EmailVerification, k.address.Normal(), k.now, k.Mail.Cooldown)
	if err != nil || !free {
		return err
	}
	l := link{k.noticeID, k.token, k.cmd.Locale, k.cmd.Caller.SessionID, k.now, k.Mail.VerificationTTL}
	return l.promise(ctx, s, p, k.address)
}
