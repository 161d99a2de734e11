// Package audit holds what was asked of Gatehouse, for the record: entries,
// and the chain that ties them to each other.
package audit

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

// Entry is one command that was carried out, refused or failed. Beside the
// network it holds ids and names of ours, never personal data, and no secret.
type Entry struct {
	Position  int    // in the chain, from 1 on; 0 until it is stored
	ID        string // by which one that is stored twice is recognised
	At        time.Time
	Command   string
	Principal principal.ID // who asked, else who was recognised by it, "" for nobody
	Session   session.ID
	Target    Target
	Outcome   fault.Code // "" when it was carried out
	Origin
}

// Origin is where a command came from. At the command line it is empty.
type Origin struct {
	Network string // coarse: an IPv4 /24 or IPv6 /64; "" when it is unknown, or unreadable since its owner was erased
	Request string // id
}

// Target is what a command was done to. Either member may be empty.
type Target struct {
	Principal principal.ID // if that is not who asked: of a sign-in that was refused, the owner of the account
	Thing     string       // key of a group, id of a session, a passkey or a key
}

// Owner is whose personal data an entry holds, "" for nobody's: it becomes
// unreadable with them.
func (e Entry) Owner() principal.ID {
	if e.Principal != "" {
		return e.Principal
	}
	return e.Target.Principal
}

// longest is how many characters a text of an entry has at most.
const longest = 200

// Storable returns e with texts that any store can hold: what callers named may
// be any text of any length.
func (e Entry) Storable() Entry {
	e.Command, e.Target.Thing, e.Request = clean(e.Command), clean(e.Target.Thing), clean(e.Request)
	e.Principal, e.Session, e.Target.Principal = clean(e.Principal), clean(e.Session), clean(e.Target.Principal)
	return e
}

func clean[T ~string](text T) T {
	s := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(string(text), string(utf8.RuneError)))
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest])
	}
	return T(s)
}

// Filter says which entries somebody looks for. Conditions that are zero hold
// for all.
type Filter struct {
	Principal principal.ID // who asked, or whom it was done to
	Command   string
	Outcome   *fault.Code // "" is: was carried out
	From, To  *time.Time  // inclusive
}

// Matches reports whether e is looked for.
func (f Filter) Matches(e Entry) bool {
	return (f.Principal == "" || f.Principal == e.Principal || f.Principal == e.Target.Principal) &&
		(f.Command == "" || f.Command == e.Command) &&
		(f.Outcome == nil || *f.Outcome == e.Outcome) &&
		(f.From == nil || !e.At.Before(*f.From)) &&
		(f.To == nil || !e.At.After(*f.To))
}

// SeenBy returns what e tells about a principal: of what others did to them,
// not who that was, or from where.
func (e Entry) SeenBy(p principal.ID) Entry {
	if e.Principal != "" && e.Principal != p {
		e.Principal, e.Session, e.Origin = "", "", Origin{}
	}
	return e
}
