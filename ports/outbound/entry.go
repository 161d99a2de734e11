package outbound

import (
	"context"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
)

// Entry is how people come in, for whom everybody else waits the least: what a
// sign-in and a registration mean is one call each, atomic by itself, and one
// statement where the database is beyond a network. What is read to decide it
// is read before, without locks, and read again when a call has done nothing.
type Entry interface {
	// Look returns the counters of a subject, as [Attempts.State] does, and who
	// has its address, nil for nobody.
	Look(ctx context.Context, of throttle.Subject) (throttle.State, *principal.Principal, error)
	// SignIn stores all that a sign-in means. It does nothing unless the
	// principal is stored as it was judged and not disabled. Other sign-ins of
	// the same principal leave it as it is.
	SignIn(ctx context.Context, in SignIn) (Effect, error)
	// Register stores a new account and all that it means. It does nothing when
	// the id or the address is in use: of any number of callers at once, one
	// has the address.
	Register(ctx context.Context, r Registration) (Effect, error)
	// TurnAway stores what it means that somebody wanted the address of
	// another. It does nothing unless the owner is stored as they were read. It
	// takes as long as Register.
	TurnAway(ctx context.Context, c Collision) (Effect, error)
}

// Effect is what a call has done: all or nothing. Owes tells whether a mail is
// among it.
type Effect struct{ Done, Owes bool }

// SignIn is a password that was right, and what it means: the principal is
// active, is not slowed down any more, has a session and is known to use the
// device, which they may have to be told.
type SignIn struct {
	Judged  *principal.Principal
	Renewed password.Hash // zero unless the stored one is outdated
	Session session.Session
	Reset   *throttle.Subject // whose failures are forgotten, nil for nobody's
	Device  string            // names what the sign-in came from; unreadable at rest
	Since   time.Time         // devices seen since then are known
	Alert   *notice.Notice    // for a device that is not, unless it is the first one; nil is none
}

// Registration is a new account.
type Registration struct {
	User *principal.Principal
	Mail *Mailing // nil is none
}

// Collision is a registration with an address that is taken.
type Collision struct {
	Owner *principal.Principal
	// Cooldown begins although it keeps no mail apart, nil is none: it would
	// have begun as well if the address were free.
	Cooldown *Cooldown
	Alert    *Mailing // to the owner, nil is none
}

// Cooldown is a time in which no other mail of its kind goes to an address.
type Cooldown struct {
	Kind   notice.Kind
	Normal string // form of the address
	Begin  time.Time
	Length time.Duration
}

// Mailing is a mail that is owed, with what makes its link work, unless its
// cooldown runs already.
type Mailing struct {
	Cooldown

	Notice notice.Notice
	Link   *onetime.Item // nil is none
}
