// Package session holds the use cases of a session's life: how it begins by a
// password, goes on, is proven again, listed and ended. What its tokens say is
// decided in package grant, how passwords may be guessed in package attempt.
package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/application/attempt"
	"gatehouse/domain/client"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// Alerts says which mails of this package the operator wants to be sent.
type Alerts struct{ Login, RefreshReused bool }

// Locate tells where an address probably is, nil when it cannot tell.
type Locate func(client.Address) *client.Location

// located returns from with the place of its address.
func located(from client.Info, locate Locate) client.Info {
	from.Location = locate(from.Address)
	return from
}

// rounds is how often a use case begins anew because somebody was faster.
const rounds = 3

var errOvertaken = errors.New("somebody else's change came first, every time")

// again calls try until nobody was faster.
func again[T any](try func() (T, error)) (out T, err error) {
	for range rounds {
		if out, err = try(); !errors.Is(err, errOvertaken) {
			break
		}
	}
	return out, err
}

// suspect is who is said to sign in: a subject, its counters, and whose
// password is to be judged, nil for nobody.
type suspect struct {
	of      *principal.Principal
	subject throttle.Subject
	seen    throttle.State
}

// refused tells whose account it was about.
func (s suspect) refused() inbound.SignedIn {
	if s.of == nil {
		return inbound.SignedIn{}
	}
	return inbound.SignedIn{About: s.of.ID()}
}

// proof is a password that was right for a principal as it was read.
type proof struct {
	suspect

	renewed password.Hash // zero unless the stored one is outdated
}

// prove has a password judged; with nobody the same work fails. That a hash
// cannot be renewed is no reason to refuse who knew it.
func prove(ctx context.Context, by *attempt.Taker, p password.Plain, who suspect) (proof, error) {
	var hash, renewed password.Hash
	if who.of != nil {
		hash = who.of.PasswordHash()
	}
	guess := attempt.Guess{Subject: who.subject, Seen: who.seen, Password: p, Hash: hash}
	err := by.Judge(ctx, guess, func(turn outbound.Turn, outdated bool) error {
		if !outdated {
			return nil
		}
		if h, err := turn.Hash(p); err == nil {
			renewed = h
		}
		return nil
	})
	return proof{who, renewed}, err
}

// stands loads the principal again, locked inside a transaction, and checks
// that what was proven still proves something.
func (p proof) stands(ctx context.Context, s outbound.Stores) (*principal.Principal, error) {
	current, err := s.Principals.ByID(ctx, p.of.ID())
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return nil, errOvertaken
	case err != nil:
		return nil, fmt.Errorf("load principal again: %w", err)
	case current.CredVersion() != p.of.CredVersion(), !sameAddress(current, p.of):
		return nil, errOvertaken
	}
	return current, nil
}

func sameAddress(a, b *principal.Principal) bool {
	return a.Email().Normal() == b.Email().Normal()
}

// save stores the renewed hash, if there is one.
func (p proof) save(ctx context.Context, s outbound.Stores, who *principal.Principal) error {
	if p.renewed.IsZero() {
		return nil
	}
	who.RenewHash(p.renewed)
	return account.Save(ctx, s, who)
}

// failed takes back the count of a right password that achieved nothing
// because of err, which it returns.
func (p proof) failed(ctx context.Context, by *attempt.Taker, err error) error {
	if forgiving := by.Forgive(ctx, p.subject); forgiving != nil {
		return errors.Join(forgiving, err)
	}
	return err
}

// end ends a session of a principal. Challenges it asked for are over with it:
// whoever checks one looks at its session. It returns false when that was no live
// session of theirs.
func end(ctx context.Context, s outbound.Stores, of principal.ID, id session.ID, why session.EndReason, now time.Time) (bool, error) {
	ended, err := s.Sessions.End(ctx, of, id, why, now)
	if err != nil {
		return false, fmt.Errorf("end session: %w", err)
	}
	return ended, nil
}

// subjectOf is the account of p, guessed at from an address.
func subjectOf(p *principal.Principal, from client.Address) throttle.Subject {
	return attempt.Subject(p.Email().Typed(), from)
}
