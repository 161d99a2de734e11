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
	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.SignIn, inbound.SignedIn] = (*SignerIn)(nil)

// SignerInDeps are what a [SignerIn] works with. All are required.
type SignerInDeps struct {
	Work     outbound.UnitOfWork
	Attempts *attempt.Taker
	Entrance *Entrance
	MailOn   bool
	NewID    func() string
	Now      func() time.Time

	InfoCooldown time.Duration // between two mails about other ways to sign in
	OnLeak       OnLeak
}

// OnLeak is what becomes of a sign-in with a password that has leaked. The zero
// OnLeak does not ask.
type OnLeak struct {
	Leaks  account.Leaks
	Refuse bool              // else it goes on, and is put on record
	Audit  outbound.AuditLog // unused when it is refused
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
	stores := s.d.Work.Single() // one for all calls: a store knows the keys of what it has read
	who, err := s.look(ctx, stores, cmd)
	if err != nil {
		return who.refused(), err
	}
	right, err := prove(ctx, s.d.Attempts, cmd.Password, who)
	if errors.Is(err, fault.InvalidCredentials) {
		err = s.refused(ctx, stores, cmd, who, err)
	}
	if err != nil {
		return who.refused(), err
	}
	if err := s.leaked(ctx, cmd, right.of); err != nil {
		return inbound.SignedIn{}, right.failed(ctx, s.d.Attempts, err)
	}
	in, err := s.begin(ctx, stores, cmd, right)
	if err != nil {
		return who.refused(), right.failed(ctx, s.d.Attempts, err)
	}
	return in, nil
}

// look returns who has the address, unless the subject has to wait.
func (s *SignerIn) look(ctx context.Context, stores outbound.Stores, cmd inbound.SignIn) (suspect, error) {
	subject := attempt.Subject(cmd.Email, cmd.From.Address)
	seen, p, err := stores.Entry.Look(ctx, subject)
	if err != nil {
		return suspect{}, fmt.Errorf("load principal: %w", err)
	}
	return suspect{p, subject, seen}, s.d.Attempts.Allow(seen)
}

// refused owes a mail to who has no password: it names the ways in which they
// can sign in. It returns why, and what went wrong besides. One statement more
// than others cost is less than what a hash varies by, so that the time taken
// says nothing (faults F33).
func (s *SignerIn) refused(ctx context.Context, stores outbound.Stores, cmd inbound.SignIn, who suspect, why error) error {
	if !s.d.MailOn || who.of == nil || who.of.HasPassword() {
		return why
	}
	now := s.d.Now()
	n := notice.To(who.of, notice.IdentityProviderInfo, s.d.NewID(), cmd.Locale, now).CausedBy(cmd.From)
	n.Provider = strings.Join(who.of.IdentityProviders(), ", ")
	_, err := stores.Entry.TurnAway(ctx, outbound.Collision{Owner: who.of, Alert: &outbound.Mailing{
		Cooldown: outbound.Cooldown{Kind: n.Kind, Normal: who.subject.Account, Begin: now, Length: s.d.InfoCooldown}, Notice: n,
	}})
	if err != nil {
		return errors.Join(fmt.Errorf("turn away: %w", err), why)
	}
	return why
}

// usedLeaked is how the record calls a sign-in with a password that has leaked.
const usedLeaked = "UseLeakedPassword"

// leaked asks about a password that is right, so that nobody learns from the
// answer, or from the time it takes, what they have not proven to know. Whoever
// is refused can have a new one mailed.
func (s *SignerIn) leaked(ctx context.Context, cmd inbound.SignIn, of *principal.Principal) error {
	switch {
	case of.IsDisabled() || !s.d.OnLeak.Leaks.Know(ctx, cmd.Password):
		return nil
	case s.d.OnLeak.Refuse:
		return fault.Invalid("password", fault.RuleBreached)
	}
	s.d.OnLeak.Audit.Record(ctx, audit.Entry{At: s.d.Now(), Command: usedLeaked, Principal: of.ID(), Origin: cmd.Via()})
	return nil
}

// begin stores the session, and everything a sign-in means besides
// (contract §5.8), unless the password was changed while it was judged. What
// else has changed since asks for other tokens, not for another judgement.
func (s *SignerIn) begin(ctx context.Context, stores outbound.Stores, cmd inbound.SignIn, right proof) (inbound.SignedIn, error) {
	now, from, p, e := s.d.Now(), located(cmd.From, s.d.Entrance.d.Locate), right.of, s.d.Entrance
	for range rounds {
		if p.IsDisabled() {
			return inbound.SignedIn{}, fault.New(fault.UserDisabled)
		}
		a, err := e.d.Issuer.Admit(p, session.Proven{session.Password}, grant.Purpose{From: from}, now)
		switch {
		case err != nil:
			return inbound.SignedIn{}, err
		case a.Challenge != nil:
			return s.challenge(ctx, cmd, right, a.Challenge)
		}
		got, err := stores.Entry.SignIn(ctx, e.arrival(p, a.SignIn.Session, right.renewed, right.subject, cmd.Locale))
		switch {
		case err != nil:
			return inbound.SignedIn{}, fmt.Errorf("sign in: %w", err)
		case got.Done:
			return signedIn(p, a.SignIn), nil
		}
		if p, err = right.stands(ctx, stores); err != nil {
			return inbound.SignedIn{}, err
		}
	}
	return inbound.SignedIn{}, errOvertaken
}

// challenge stores a challenge unless the password, or which factors are on, was
// changed while the password was judged. That it was right resets nothing, or
// codes could be guessed between two of them (faults F14).
func (s *SignerIn) challenge(ctx context.Context, cmd inbound.SignIn, right proof, c *grant.Challenge) (in inbound.SignedIn, err error) {
	err = s.d.Work.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
		p, err := right.stands(ctx, st)
		switch {
		case err != nil:
			return err
		case p.IsDisabled():
			return fault.New(fault.UserDisabled)
		}
		if err := right.save(ctx, st, p); err != nil {
			return err
		}
		if err := s.d.Attempts.ForgiveIn(ctx, st, right.subject); err != nil {
			return err
		}
		in.Challenge, err = s.d.Entrance.challenge(ctx, st, p, c, cmd.Context)
		return err
	})
	return in, err
}
