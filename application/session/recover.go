package session

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/application/letter"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.Recover, inbound.Recovered] = (*Recoverer)(nil)

// RecovererDeps are what a [Recoverer] works with. All are required.
type RecovererDeps struct {
	Work     outbound.UnitOfWork
	Attempts *attempt.Taker
	Hasher   outbound.Hasher
	Entrance *Entrance
	Alert    bool // about recovery codes that were used
	NewID    func() string
	Now      func() time.Time
}

// Recoverer answers [inbound.Recover].
type Recoverer struct{ d RecovererDeps }

// NewRecoverer returns a Recoverer.
func NewRecoverer(d RecovererDeps) *Recoverer { return &Recoverer{d} }

// Do implements [inbound.UseCase]. The turn to hash comes before the count, so
// that nobody loses a guess for want of one.
func (r *Recoverer) Do(ctx context.Context, cmd inbound.Recover) (out inbound.Recovered, err error) {
	unused, subject, err := r.read(ctx, cmd)
	if err != nil {
		return out, err
	}
	turn, err := r.d.Hasher.Admit(ctx, subject.Network)
	if err != nil {
		return out, fmt.Errorf("wait to hash: %w", err)
	}
	defer turn.Done()
	err = judge(ctx, r.d.Attempts, r.d.Work, verdict{
		challenge: cmd.Challenge, subject: subject, wrong: fault.WrongTOTPRecoveryCode, now: r.d.Now,
		try: func(context.Context, outbound.Stores) error { return nil },
		use: func() (use, error) { return matching(turn, cmd, unused) },
	}, func(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven) error {
		out, err = r.enter(ctx, s, p, proven, cmd)
		return err
	})
	if err != nil {
		return inbound.Recovered{}, err
	}
	return out, nil
}

// read refuses whatever needs no look at the code, in the order of the contract.
func (r *Recoverer) read(ctx context.Context, cmd inbound.Recover) (unused recovery.Set, subject throttle.Subject, err error) {
	err = r.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := account.User(s.Principals.ByID(ctx, cmd.Challenge.Principal))
		switch {
		case err != nil:
			return err
		case !p.Factors().TOTP:
			return fault.New(fault.TwoFactorMethodDisabled)
		}
		subject = subjectOf(p, cmd.From.Address)
		if _, err := r.d.Attempts.Allowed(ctx, s, subject); err != nil {
			return err
		}
		if unused, err = s.RecoveryCodes.Of(ctx, p.ID()); err != nil {
			return fmt.Errorf("load recovery codes: %w", err)
		}
		return nil
	})
	return unused, subject, err
}

// matching finds the code among the unused ones. It hashes once, also what can
// be none of them.
func matching(turn outbound.Turn, cmd inbound.Recover, unused recovery.Set) (use, error) {
	if len(unused) == 0 {
		return use{}, errWrong
	}
	code, possible := recovery.Parse(cmd.Code)
	h, err := turn.HashLike(code.Plain(), unused.Like())
	if err != nil {
		return use{}, fmt.Errorf("hash recovery code: %w", err)
	}
	if _, found := unused.Without(h); !found || !possible {
		return use{}, errWrong
	}
	return use{session.Recovery, func(ctx context.Context, s outbound.Stores, p *principal.Principal) error {
		return s.RecoveryCodes.Use(ctx, p.ID(), h)
	}}, nil
}

// enter gives p a session and a step-up token in it, and owes them a mail.
func (r *Recoverer) enter(ctx context.Context, s outbound.Stores, p *principal.Principal, proven session.Proven, cmd inbound.Recover) (out inbound.Recovered, err error) {
	if out.SignedIn, err = r.d.Entrance.Enter(ctx, s, p, proven, cmd.Context); entered(out.Challenge, err) != nil {
		return out, entered(out.Challenge, err)
	}
	within := cmd.Context
	within.Caller = session.Caller{PrincipalID: p.ID(), SessionID: out.SessionID}
	if out.StepUp, err = r.d.Entrance.StepUp(ctx, s, p, proven, within, session.Demand{}); err != nil || !r.d.Alert {
		return out, err
	}
	n := notice.To(p, notice.RecoveryCodeUsed, r.d.NewID(), cmd.Locale, r.d.Now())
	return out, letter.Queue(ctx, s, n.CausedBy(located(cmd.From, r.d.Entrance.d.Locate)))
}
