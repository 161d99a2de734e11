// Package attempt lets passwords and codes be guessed: slowed down, counted
// before they are judged, and passwords only while there is room to hash.
// Whatever compares one with an account goes through here.
package attempt

import (
	"context"
	"fmt"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// Deps are what a [Taker] is built from. All are required.
type Deps struct {
	Work   outbound.UnitOfWork
	Hasher outbound.Hasher
	Policy throttle.Policy
	Now    func() time.Time
}

// Taker takes attempts at passwords and codes.
type Taker struct{ d Deps }

// New returns a Taker.
func New(d Deps) *Taker { return &Taker{d} }

// Subject is whose password is attempted, by address, and from where.
func Subject(address string, from client.Address) throttle.Subject {
	return throttle.Subject{Account: email.Normal(address), Network: from.Network()}
}

// Guess is one attempt. An empty Hash is nobody's: the attempt costs and
// counts as any other, and fails.
type Guess struct {
	Subject  throttle.Subject
	Seen     throttle.State // counters of the subject, as they were read before
	Password password.Plain
	Hash     password.Hash
}

// Allowed returns the counters of a subject. It refuses as [Taker.Allow] does.
func (t *Taker) Allowed(ctx context.Context, s outbound.Stores, of throttle.Subject) (throttle.State, error) {
	if t.d.Policy.Off {
		return throttle.State{}, nil
	}
	st, err := s.Attempts.State(ctx, of)
	if err != nil {
		return st, fmt.Errorf("read attempts: %w", err)
	}
	return st, t.Allow(st)
}

// Allow refuses with TOO_MANY_ATTEMPTS while a subject with these counters has
// to wait.
func (t *Taker) Allow(st throttle.State) error {
	if wait := t.d.Policy.Wait(st, t.d.Now()); wait > 0 {
		return fault.New(fault.TooManyAttempts).RetryIn(wait)
	}
	return nil
}

// Judge waits for a turn, counts the guess and judges it; then, if it was
// right, it calls matched in the same turn. Nobody loses an attempt for want
// of a turn. It refuses with SERVICE_OVERLOADED, TOO_MANY_ATTEMPTS or
// INVALID_CREDENTIALS. Never call it inside a transaction.
func (t *Taker) Judge(ctx context.Context, g Guess, matched func(turn outbound.Turn, outdated bool) error) error {
	turn, err := t.d.Hasher.Admit(ctx, g.Subject.Network)
	if err != nil {
		return fmt.Errorf("wait to hash: %w", err)
	}
	defer turn.Done()
	if err := t.count(ctx, g); err != nil {
		return err
	}
	ok, outdated, err := turn.Matches(g.Password, g.Hash)
	switch {
	case err != nil:
		return fmt.Errorf("compare password: %w", err)
	case !ok:
		return fault.New(fault.InvalidCredentials)
	}
	return matched(turn, outdated)
}

// count commits the count before the guess is judged. Counted later, parallel
// guesses would slip through; counted in a transaction that refuses, it would
// be rolled back. Who has been alone since the counters were read counts at
// once, and all others in line.
func (t *Taker) count(ctx context.Context, g Guess) error {
	if t.d.Policy.Off {
		return nil
	}
	alone, err := t.d.Work.Single().Attempts.Swap(ctx, g.Subject, g.Seen, g.Seen.Count(t.d.Now()))
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if alone {
		return nil
	}
	return t.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		st, err := t.Allowed(ctx, s, g.Subject)
		if err != nil {
			return err
		}
		if err := s.Attempts.Save(ctx, g.Subject, st.Count(t.d.Now())); err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
		return nil
	})
}

// Resets returns whose counters a right password of the subject resets, nil
// for nobody's.
func (t *Taker) Resets(of throttle.Subject) *throttle.Subject {
	if t.d.Policy.Off {
		return nil
	}
	return &of
}

// Reset clears the counters in the transaction of whatever a right password
// achieved.
func (t *Taker) Reset(ctx context.Context, s outbound.Stores, of throttle.Subject) error {
	if t.d.Policy.Off {
		return nil
	}
	if err := s.Attempts.Save(ctx, of, throttle.State{}); err != nil {
		return fmt.Errorf("reset attempts: %w", err)
	}
	return nil
}

// Forgive takes back the count of a right password that achieved nothing: it
// is no wrong one, and resets nothing either.
func (t *Taker) Forgive(ctx context.Context, of throttle.Subject) error {
	if t.d.Policy.Off {
		return nil
	}
	return t.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return t.ForgiveIn(ctx, s, of) })
}

// ForgiveIn is as Forgive, in the transaction of something that resets nothing.
func (t *Taker) ForgiveIn(ctx context.Context, s outbound.Stores, of throttle.Subject) error {
	if t.d.Policy.Off {
		return nil
	}
	st, err := s.Attempts.State(ctx, of)
	if err != nil {
		return fmt.Errorf("read attempts: %w", err)
	}
	if err := s.Attempts.Save(ctx, of, t.d.Policy.Forgive(st)); err != nil {
		return fmt.Errorf("forgive attempt: %w", err)
	}
	return nil
}
