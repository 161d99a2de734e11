// Package passkey holds the use cases of passkeys: how they are added, listed,
// renamed and deleted, and what is asked of browsers for all of that. What an
// answer proves is judged by a port, and what a proof is worth in package grant.
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

// ceremony is for whom and for what a browser is asked something. The
// challenge, 256 random bits, is what the answer has to repeat, and all that
// names the ceremony: it is stored as a hash, like every one-time secret, and
// whoever answers can neither choose nor change what it was issued for.
type ceremony struct {
	kind onetime.Kind
	of   principal.ID // "" for whoever answers
	in   session.ID   // "" outside of a session
}

func (c ceremony) begin(ctx context.Context, s outbound.Stores, challenge secret.Text, now time.Time) error {
	err := s.OneTime.Add(ctx, onetime.Item{
		Hash: onetime.HashOf(challenge), Kind: c.kind, Principal: c.of, Session: c.in,
		CreatedAt: now, ExpiresAt: now.Add(passkey.Patience),
	})
	if err != nil {
		return fmt.Errorf("begin ceremony: %w", err)
	}
	return nil
}

// end uses the ceremony up, in the transaction of what its answer has for an
// effect: of any number of answers, one has one. It refuses with
// PASSKEY_CHALLENGE_EXPIRED, whatever is wrong with a challenge.
func (c ceremony) end(ctx context.Context, s outbound.Stores, challenge secret.Text, now time.Time) error {
	h := onetime.HashOf(challenge)
	i, err := s.OneTime.Find(ctx, c.kind, h)
	if err == nil && (i.Principal != c.of || i.Session != c.in) {
		return fault.New(fault.PasskeyChallengeExpired).Because(errors.New("the challenge is another person's or session's"))
	}
	if err == nil {
		err = s.OneTime.Use(ctx, c.kind, h, now)
	}
	switch {
	case errors.Is(err, outbound.ErrNotFound), errors.Is(err, outbound.ErrStale):
		return fault.New(fault.PasskeyChallengeExpired).Because(err)
	case err != nil:
		return fmt.Errorf("end ceremony: %w", err)
	}
	return nil
}

// registration is the ceremony by which a caller adds a passkey.
func registration(by session.Caller) ceremony {
	return ceremony{onetime.PasskeyRegistration, by.PrincipalID, by.SessionID}
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
