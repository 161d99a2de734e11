package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.Register, inbound.Done] = (*Registrar)(nil)

// RegistrarDeps are what a [Registrar] works with. All are required.
type RegistrarDeps struct {
	Work      outbound.UnitOfWork
	Hasher    outbound.Hasher
	Policy    password.Policy
	Mail      Mail
	Now       func() time.Time
	NewID     func() string
	NewSecret func() secret.Text // 256 random bits
}

// Registrar answers [inbound.Register].
type Registrar struct{ d RegistrarDeps }

// NewRegistrar returns a Registrar.
func NewRegistrar(d RegistrarDeps) *Registrar { return &Registrar{d} }

// units bounds how often somebody may be faster with the same address.
const units = 3

// Do implements [inbound.UseCase]. A free and a taken address take the same
// way up to the last few statements: one hash, one transaction.
func (r *Registrar) Do(ctx context.Context, cmd inbound.Register) (inbound.Done, error) {
	wish := account.Wish{Email: cmd.Email, Name: cmd.Name, Password: cmd.Password}
	address, name, err := wish.Check(r.d.Policy)
	if err != nil {
		return inbound.Done{}, err
	}
	// It is paid for a taken address too, so that the time taken says nothing.
	hash, err := wish.Hash(ctx, r.d.Hasher, cmd.From.Address.Network())
	if err != nil {
		return inbound.Done{}, err
	}
	now := r.d.Now()
	a := arrival{
		cmd: cmd, mail: r.d.Mail, now: now, noticeID: r.d.NewID(), token: r.d.NewSecret(),
		user: principal.NewUser(principal.ID(r.d.NewID()), name, address, hash, now),
	}
	for range units {
		err = r.d.Work.Within(ctx, a.settle)
		// A lost race may have killed the transaction; the next one finds the
		// address taken.
		if !errors.Is(err, outbound.ErrTaken) {
			break
		}
	}
	return inbound.Done{}, err
}

// arrival is one request with all that was decided before the transaction.
type arrival struct {
	cmd      inbound.Register
	mail     Mail
	now      time.Time
	noticeID string
	token    secret.Text
	user     *principal.Principal // as it will be if the address is free
}

func (a arrival) settle(ctx context.Context, s outbound.Stores) error {
	owner, err := s.Principals.ByEmail(ctx, a.user.Email().Normal())
	free := errors.Is(err, outbound.ErrNotFound)
	if err != nil && !free {
		return fmt.Errorf("look for address: %w", err)
	}
	mayMail, err := a.coolDown(ctx, s)
	switch {
	case err != nil:
		return err
	case !free:
		return a.alert(ctx, s, owner)
	}
	if err := s.Principals.Add(ctx, a.user); err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	if !mayMail {
		return nil
	}
	l := link{a.noticeID, a.token, a.cmd.Locale, "", a.now, a.mail.VerificationTTL}
	return l.promise(ctx, s, a.user)
}

// coolDown begins the cooldown whether or not the address is taken, else a
// later request could tell. It returns whether a verification mail may go out.
func (a arrival) coolDown(ctx context.Context, s outbound.Stores) (bool, error) {
	if !a.cmd.SendEmail || !a.mail.On {
		return false, nil
	}
	left, err := cool(ctx, s, notice.EmailVerification, a.user.Email(), a.now, a.mail.Cooldown)
	return left == 0, err
}

// alert tells the owner, and nobody else, that the address is taken.
func (a arrival) alert(ctx context.Context, s outbound.Stores, owner *principal.Principal) error {
	if !a.mail.On || !a.mail.Alert {
		return nil
	}
	left, err := cool(ctx, s, notice.RegistrationAlert, owner.Email(), a.now, a.mail.InfoCooldown)
	if err != nil || left > 0 {
		return err
	}
	return queue(ctx, s, notice.To(owner, notice.RegistrationAlert, a.noticeID, a.cmd.Locale, a.now).CausedBy(a.cmd.From))
}
