// Package dossier holds what is told to people who ask for everything that is
// stored about them (GDPR, articles 15 and 20). Nothing in it is a secret, or
// stands for one.
package dossier

import (
	"cmp"
	"slices"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/session"
)

// Dossier is what is stored about a principal besides the principal's own
// record. Each list is in the order of time, what is latest first, ties by id.
type Dossier struct {
	Sessions []Session
	Devices  []Device
	Items    []Item
	Mails    []Mail

	RecoveryCodes int // unused ones
}

// Session is one that is stored, over or not.
type Session struct {
	ID         session.ID
	Proven     session.Proven
	Client     client.Info // of the latest sign-in or refresh
	StartedAt  time.Time
	LastActive time.Time
	ExpiresAt  time.Time // without a refresh
	Until      time.Time // whatever is refreshed
	EndedAt    time.Time // zero unless something ended it before
	Why        session.EndReason
}

// Device is one that was signed in from. What it was is not known any more: a
// keyed hash of it is stored, to be recognised by.
type Device struct{ LastSeen time.Time }

// Item is a link, a challenge or whatever else works once.
type Item struct {
	Kind      onetime.Kind
	Purpose   session.Purpose // of a challenge
	Address   email.Address   // what it proves, zero if none
	Session   session.ID      // that asked for it, "" if none
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero while unused
	VoidedAt  time.Time // zero unless something else made it worthless
}

// The kinds of items that are kept apart from the others.
const (
	PendingApp onetime.Kind = "totp_setup"
	MailedCode onetime.Kind = "email_code"
)

// SortItems puts items in the order of a dossier.
func SortItems(all []Item) {
	slices.SortFunc(all, func(a, b Item) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.Kind, b.Kind))
	})
}

// Mail is one that was promised. Who finished it has wiped what was in it.
type Mail struct {
	Kind      notice.Kind
	Locale    string
	State     MailState
	CreatedAt time.Time
	ExpiresAt time.Time
	SettledAt time.Time // zero while it waits
}

// MailState says what became of a mail.
type MailState string

// The states.
const (
	Waiting MailState = "waiting"
	Sent    MailState = "sent"
	GivenUp MailState = "given_up"
)
