// Package passkey holds the use cases of passkeys: how they are added, listed,
// renamed and deleted, and what is asked of browsers to prove one. What an
// answer proves is judged by a port; who comes in by it, in package session.
package passkey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// Ceremony is for whom and for what a browser is asked something. The
// challenge, 256 random bits, is what the answer has to repeat, and all that
// names the ceremony: it is stored as a hash, like every one-time secret, and
// whoever answers can neither choose nor change what it was issued for.
type Ceremony struct {
	kind  onetime.Kind
	of    principal.ID // "" for whoever answers
	in    session.ID   // "" outside of a session
	about string       // what it is bound to besides
}

// SignIn is the ceremony of a sign-in by a passkey alone.
func SignIn() Ceremony { return Ceremony{kind: onetime.PasskeySignIn} }

// Second is the ceremony by which a passkey answers the challenge of a sign-in,
// and no other one.
func Second(challenge onetime.Item) Ceremony {
	return Ceremony{kind: onetime.PasskeySecond, of: challenge.Principal, about: string(challenge.Hash[:])}
}

// StepUp is the ceremony by which a caller proves themselves again.
func StepUp(by session.Caller) Ceremony {
	return Ceremony{kind: onetime.PasskeyStepUp, of: by.PrincipalID, in: by.SessionID}
}

// registration is the ceremony by which a caller adds a passkey.
func registration(by session.Caller) Ceremony {
	return Ceremony{kind: onetime.PasskeyRegistration, of: by.PrincipalID, in: by.SessionID}
}

func (c Ceremony) hash(challenge secret.Text) onetime.Hash {
	return onetime.HashOf(secret.New(challenge.Reveal() + c.about))
}

func (c Ceremony) begin(ctx context.Context, s outbound.Stores, challenge secret.Text, now time.Time) error {
	err := s.OneTime.Add(ctx, onetime.Item{
		Hash: c.hash(challenge), Kind: c.kind, Principal: c.of, Session: c.in,
		CreatedAt: now, ExpiresAt: now.Add(passkey.Patience),
	})
	if err != nil {
		return fmt.Errorf("begin ceremony: %w", err)
	}
	return nil
}

// pending refuses with PASSKEY_CHALLENGE_EXPIRED what answers no ceremony that
// is still open, whatever is wrong with the challenge.
func (c Ceremony) pending(ctx context.Context, s outbound.Stores, challenge secret.Text, now time.Time) error {
	i, err := s.OneTime.Find(ctx, c.kind, c.hash(challenge))
	switch {
	case err != nil:
		return over(err)
	case i.Principal != c.of, i.Session != c.in:
		return over(fmt.Errorf("of another person or session: %w", outbound.ErrStale))
	case i.State(now) != onetime.Usable:
		return over(outbound.ErrStale)
	}
	return nil
}

// end uses the ceremony up, in the transaction of what its answer has for an
// effect: of any number of answers, one has one. It refuses as pending does.
func (c Ceremony) end(ctx context.Context, s outbound.Stores, challenge secret.Text, now time.Time) error {
	if err := c.pending(ctx, s, challenge, now); err != nil {
		return err
	}
	return over(s.OneTime.Use(ctx, c.kind, c.hash(challenge), now))
}

func over(err error) error {
	switch {
	case errors.Is(err, outbound.ErrNotFound), errors.Is(err, outbound.ErrStale):
		return fault.New(fault.PasskeyChallengeExpired).Because(err)
	case err != nil:
		return fmt.Errorf("end ceremony: %w", err)
	}
	return nil
}

// invalid tells what is wrong with an answer.
func invalid(err error) error {
	if errors.Is(err, outbound.ErrAnswerInvalid) {
		return fault.New(fault.PasskeyInvalid).Because(err)
	}
	return err
}

// parseName reads a name as that of a principal, under its own field.
func parseName(s string) (string, error) {
	name, broken := principal.ParseName(s)
	if len(broken) > 0 {
		return "", fault.Invalid("name", broken...)
	}
	return name, nil
}

// all lists the passkeys of a principal.
func all(ctx context.Context, s outbound.Stores, of principal.ID) (inbound.Passkeys, error) {
	list, err := s.Passkeys.Of(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return list, nil
}
