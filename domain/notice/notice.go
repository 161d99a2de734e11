// Package notice holds the mails Gatehouse owes to people (contract §8): their
// kinds, and what each one tells.
package notice

import (
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
)

// Notice is a mail that will be delivered at least once or be visibly given
// up. Recipient and language are those of the moment it was promised.
type Notice struct {
	ID        string // UUIDv7; makes the Message-ID, the same in every attempt
	Kind      Kind
	Principal principal.ID // whose data it holds, "" when it belongs to nobody
	To        email.Address
	Name      string // how to address the recipient, "" when unknown
	Locale    string // canonical language tag
	CreatedAt time.Time
	ExpiresAt time.Time // nobody wants it afterwards

	// What the kind carries, see [Contents].
	Token    secret.Text   // of the link
	Code     secret.Text   // as it is to be typed in
	Valid    time.Duration // of the link or the code
	From     client.Info   // who caused it
	Provider string        // as the operator calls it; several separated by commas
	Factor   Factor
}

// keep is how long an undelivered notice is worth delivering (faults §8).
const keep = 24 * time.Hour

// To addresses a notice of a kind to p.
func To(p *principal.Principal, kind Kind, id, locale string, now time.Time) Notice {
	return Notice{
		ID: id, Kind: kind, Principal: p.ID(), To: p.Email(), Name: p.Name(),
		Locale: locale, CreatedAt: now, ExpiresAt: now.Add(keep),
	}
}

// ToStranger addresses a notice of a kind to whoever reads the mail of an
// address that no account has.
func ToStranger(address email.Address, kind Kind, id, locale string, now time.Time) Notice {
	return Notice{ID: id, Kind: kind, To: address, Locale: locale, CreatedAt: now, ExpiresAt: now.Add(keep)}
}

// Linking returns a copy that carries the token of a link which is good for
// ttl; the mail is worthless once the link is.
func (n Notice) Linking(t secret.Text, ttl time.Duration) Notice {
	n.Token = t
	return n.validFor(ttl)
}

// Carrying returns a copy that carries a code which is good for ttl; the mail is
// worthless once the code is.
func (n Notice) Carrying(code secret.Text, ttl time.Duration) Notice {
	n.Code = code
	return n.validFor(ttl)
}

func (n Notice) validFor(ttl time.Duration) Notice {
	n.Valid = ttl
	if end := n.CreatedAt.Add(ttl); end.Before(n.ExpiresAt) {
		n.ExpiresAt = end
	}
	return n
}

// CausedBy returns a copy that tells where the request came from.
func (n Notice) CausedBy(from client.Info) Notice {
	n.From = from
	return n
}
