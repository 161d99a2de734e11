// Package grant is the one place where tokens are minted. It derives every
// claim from a principal and a session (contract §5.1), so no use case can say
// more than was proven, and [Issuer.Admit] alone decides whether that is enough.
// Who may have a session at all, and storing it, is theirs.
package grant

import (
	"fmt"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// Deps are what an [Issuer] works with. All are required.
type Deps struct {
	Minter  outbound.Minter
	Session session.Lifetimes
	Token   token.Lifetimes
	NewID   func() string // UUIDv7
}

// Issuer makes sessions and the tokens that go with them, and stores neither.
// It does no I/O, so it may be called inside a transaction. All its failures
// are TOKEN_CREATION_FAILURE.
type Issuer struct{ d Deps }

// New returns an Issuer.
func New(d Deps) *Issuer { return &Issuer{d} }

// Rotate returns the exchange of the current refresh token of s, which belongs
// to p, for the next one. Roles, groups and generation are those of p; what
// was proven, and when, stays what it was at the sign-in (faults F78).
func (i *Issuer) Rotate(s session.Session, p *principal.Principal, from client.Info, now time.Time) (session.Rotation, error) {
	r := i.d.Session.Rotate(s, p.IsGuest(), i.d.NewID(), from, now)
	s.RefreshID, s.ExpiresAt = r.Next, r.ExpiresAt
	var err error
	r.Pair, err = i.pair(p, s, now)
	return r, err
}

// Session returns a token that carries a device and a language to where a
// sign-in begins, and its end. It is nobody's.
func (i *Issuer) Session(of client.Device, locale string, now time.Time) (secret.Text, time.Time, error) {
	end := seconds(now.Add(i.d.Token.Session))
	t, err := i.mint(token.Session, token.Claims{
		ID: i.d.NewID(), IssuedAt: seconds(now), ExpiresAt: end, Browser: of.Browser, OS: of.OS, Locale: locale,
	})
	return t, end, err
}

// TOTPSetup returns a token that names a pending setup of a user, and what it
// says: its id is that of the setup, and its end too.
func (i *Issuer) TOTPSetup(of principal.ID, in session.ID, now time.Time) (secret.Text, token.Claims, error) {
	c := token.Claims{
		ID: i.d.NewID(), Subject: of, Session: in, IssuedAt: seconds(now), ExpiresAt: seconds(now.Add(i.d.Token.TOTPSetup)),
	}
	t, err := i.mint(token.TOTPSetup, c)
	return t, c, err
}

// pair mints the tokens of s for its current refresh id.
func (i *Issuer) pair(p *principal.Principal, s session.Session, now time.Time) (pair session.Pair, err error) {
	pair.AccessExpires = seconds(earlier(now.Add(i.d.Token.Access), s.ExpiresAt))
	pair.RefreshExpires = seconds(s.ExpiresAt)
	pair.Access, err = i.mint(token.Access, token.Claims{
		ID: i.d.NewID(), Subject: p.ID(), Session: s.ID,
		IssuedAt: seconds(now), ExpiresAt: pair.AccessExpires,
		AMR: s.Proven.AMR(), ACR: s.Proven.ACR(), AuthTime: seconds(s.StartedAt),
		Roles: roles(p), Groups: append([]string{}, p.Groups()...), Gen: p.TokenGen(),
	})
	if err != nil {
		return session.Pair{}, err
	}
	pair.Refresh, err = i.mint(token.Refresh, token.Claims{
		ID: s.RefreshID, Subject: p.ID(), Session: s.ID,
		IssuedAt: seconds(now), ExpiresAt: pair.RefreshExpires,
	})
	if err != nil {
		return session.Pair{}, err
	}
	return pair, nil
}

func (i *Issuer) mint(k token.Kind, c token.Claims) (secret.Text, error) {
	t, err := i.d.Minter.Mint(k, c)
	if err != nil {
		return secret.Text{}, fmt.Errorf("mint %s: %w", k, err)
	}
	return t, nil
}

func roles(p *principal.Principal) []string {
	names := make([]string, 0, 2)
	for _, r := range p.Roles() {
		names = append(names, string(r))
	}
	return names
}

// seconds cuts an instant to what a token can say (RFC 7519 §2). It never
// rounds up: a token must not outlive what it stands for.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
