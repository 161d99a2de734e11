package outbound

import (
	"context"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/dossier"
	"gatehouse/domain/group"
	"gatehouse/domain/key"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
)

// Principals stores users and guests. Names are readable at rest, addresses
// are not.
type Principals interface {
	// ByID returns ErrNotFound when there is no such principal. Within a
	// transaction the principal stays locked against others until it ends. One
	// statement.
	ByID(ctx context.Context, id principal.ID) (*principal.Principal, error)
	// ByEmail is as ByID, for the normal form of an address. One statement.
	ByEmail(ctx context.Context, normal string) (*principal.Principal, error)
	// Add returns ErrTaken when the id or the address is in use. It fails if p
	// is in a group that is not there, as Save does.
	Add(ctx context.Context, p *principal.Principal) error
	// Save writes every field and raises the stored version by one. It returns
	// ErrStale when the stored version is not p's or p is gone, ErrTaken when
	// its address is another principal's, and never changes p.
	Save(ctx context.Context, p *principal.Principal) error
	// Delete removes a principal with all that is theirs: identities, sessions,
	// one-time items, devices, second factors. Their
	// files become nobody's. Whatever outlives them and was sealed for them
	// can never be opened again. It returns ErrNotFound when there is no such
	// principal.
	Delete(ctx context.Context, id principal.ID) error
	// PurgeGuests deletes at most limit guests who have not been active since
	// before, and returns how many. Who becomes active, or a user, meanwhile
	// stays.
	PurgeGuests(ctx context.Context, before time.Time, limit int) (int, error)
	// Users lists users in the order of their ids, from after on.
	Users(ctx context.Context, after principal.ID, limit int) ([]*principal.Principal, error)
	// Page lists the users a filter matches, by the properties "createdAt",
	// "lastActive" and "id", and then by id, compared byte by byte. Of several
	// properties of one name the first counts. In a view, what is counted is what
	// is listed.
	Page(ctx context.Context, f principal.Filter, r page.Request) (page.Page[*principal.Principal], error)
	// EnabledAdmins returns the ids of all users with ADMIN who are not
	// disabled, in order. Within a transaction they stay locked until it ends.
	EnabledAdmins(ctx context.Context) ([]principal.ID, error)
}

// Groups stores groups; who is in them is part of the principal. Everything is
// readable at rest.
type Groups interface {
	// Add returns ErrTaken when the key is in use.
	Add(ctx context.Context, g group.Group) error
	// ByKey returns ErrNotFound when there is no such group. Within a
	// transaction the group stays locked against others who load it so until it
	// ends; people may join it and leave it.
	ByKey(ctx context.Context, key string) (group.Group, error)
	// Save replaces the texts of a group. It returns ErrNotFound when it is gone.
	Save(ctx context.Context, g group.Group) error
	// Hold keeps a group from being emptied until the transaction ends. It
	// returns ErrNotFound when there is no such group. To hold it first and then
	// save its member is how somebody joins.
	Hold(ctx context.Context, key string) error
	// Empty takes everybody out of a group, makes their access tokens stale, and
	// lets nobody join until the transaction ends. It returns how many there
	// were, and ErrNotFound when there is no such group.
	Empty(ctx context.Context, key string) (members int, err error)
	// Delete removes a group that is empty. It returns ErrNotFound when there is
	// none, and fails when somebody is in it.
	Delete(ctx context.Context, key string) error
	// Page lists groups as [group.Group.In] delivers them, by the properties
	// "key", "name" and "description", compared byte by byte, and then by key. Of
	// several properties of one name the first counts.
	Page(ctx context.Context, wanted, service string, r page.Request) (page.Page[group.Delivered], error)
}

// Sessions stores sessions. Devices and addresses are unreadable at rest.
type Sessions interface {
	Add(ctx context.Context, s session.Session) error
	// Access reads what the access check needs: the session and the marks of
	// its principal, without opening anything sealed. It returns ErrNotFound
	// when there is no such session. One statement.
	Access(ctx context.Context, id session.ID) (Access, error)
	// Refreshable is as Access, and finds the pair that the refresh token
	// presented was exchanged for, if that is younger than the grace window.
	// One statement.
	Refreshable(ctx context.Context, id session.ID, presented string, now time.Time) (Access, *session.Pair, error)
	// Rotate exchanges the refresh token if it is the current one of a live
	// session, keeps the pair for repetitions, and marks the principal active.
	// It returns false, and changes nothing, when somebody was faster or the
	// session is over.
	Rotate(ctx context.Context, r session.Rotation) (bool, error)
	// Of lists the sessions of a principal that are live at now, most recently
	// active first, ties by id. One statement.
	Of(ctx context.Context, id principal.ID, now time.Time) ([]session.Session, error)
	// End ends one session of a principal. It returns false when that was no
	// live session of theirs.
	End(ctx context.Context, of principal.ID, id session.ID, why session.EndReason, now time.Time) (bool, error)
	// EndAll ends every session of a principal but keep ("" keeps none).
	EndAll(ctx context.Context, of principal.ID, keep session.ID, why session.EndReason, now time.Time) error
	// EndEvery ends every session there is and returns how many.
	EndEvery(ctx context.Context, why session.EndReason, now time.Time) (int, error)
	// Purge removes what nobody needs any more, at most limit rows of a kind
	// at a time: pairs past their grace window, and sessions that ended or
	// expired before. It returns how many rows went.
	Purge(ctx context.Context, now, before time.Time, limit int) (int, error)
}

// Access is a session with the marks of its principal. Session has no client
// in it, since that would have to be opened.
type Access struct {
	Session  session.Session
	Guest    bool
	Disabled bool
	TokenGen int
	// Open returns the principal as it was read. It fails as
	// [Principals.ByID] does.
	Open func() (*principal.Principal, error)
}

// OneTime stores what works once.
type OneTime interface {
	Add(ctx context.Context, i onetime.Item) error
	// Find returns ErrNotFound for what was never issued or has been purged.
	Find(ctx context.Context, kind onetime.Kind, h onetime.Hash) (onetime.Item, error)
	// Use uses an item up. It returns ErrStale unless the item was usable at
	// now: of any number of callers at once, one wins.
	Use(ctx context.Context, kind onetime.Kind, h onetime.Hash, now time.Time) error
	// Try counts a guess at an item. It returns ErrStale unless the item is
	// usable at now and was tried less than [factor.MaxTries] times: of any number
	// of callers, so many get to guess. Commit it before the guess is judged.
	Try(ctx context.Context, kind onetime.Kind, h onetime.Hash, now time.Time) error
	// Void makes the usable items of a kind and principal worthless, but for
	// those that prove the address whose normal form is keep ("" keeps none).
	// What is nobody's stays as it is: the principal "" has no items.
	Void(ctx context.Context, of principal.ID, kind onetime.Kind, keep string, now time.Time) error
	// VoidEvery makes every usable item worthless and returns how many there
	// were.
	VoidEvery(ctx context.Context, now time.Time) (int, error)
	// Purge removes at most limit items that expired before, and returns how
	// many went.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}

// Outbox holds notices until a relay has delivered them. Recipients and
// contents are unreadable at rest, and wiped when a notice is finished.
type Outbox interface {
	Add(ctx context.Context, n notice.Notice) error
	// Claim leases up to limit due notices, oldest due first, to owner until
	// the given instant and counts an attempt for each. A lease that ran out
	// is due again. A notice that cannot be opened is returned with Broken set.
	Claim(ctx context.Context, owner string, now, until time.Time, limit int) ([]Claim, error)
	// Settle ends a claim. It returns ErrStale when the lease has passed to
	// somebody else.
	Settle(ctx context.Context, c Claim, o Outcome) error
	// Release makes what owner has leased due at once. owner "" releases all
	// leases: for a start, when nobody else can hold one.
	Release(ctx context.Context, owner string, now time.Time) error
	// Drop gives up what is not finished of these kinds, and returns how many
	// notices that were. Whoever has one of them leased has lost it. why is a
	// class, as in [Outcome].
	Drop(ctx context.Context, kinds []notice.Kind, why string, now time.Time) (int, error)
	// Disown prepares for the end of a principal: what is not finished of the
	// kinds that are worthless then is given up, as Drop does, and everything
	// else that waits belongs to nobody, to be delivered all the same (faults
	// F86).
	Disown(ctx context.Context, of principal.ID, worthless []notice.Kind, why string, now time.Time) error
	// Backlog tells how much waits.
	Backlog(ctx context.Context) (Backlog, error)
	// Purge removes at most limit notices that were delivered before
	// deliveredBefore or given up before deadBefore.
	Purge(ctx context.Context, deliveredBefore, deadBefore time.Time, limit int) (int, error)
}

// Claim is a leased notice.
type Claim struct {
	Notice   notice.Notice
	Owner    string
	Fence    int   // of the lease; raised by every claim
	Attempts int   // this one included
	Broken   error // why the notice cannot be opened, if it cannot
}

// Outcome is how an attempt to deliver ended: delivered, or no longer worth it;
// given up (Dead); or due again at RetryAt.
type Outcome struct {
	At      time.Time
	Dead    bool
	RetryAt time.Time // zero unless it is to be tried again
	Error   string    // class of the error, never a server's words
}

// Backlog is how much the outbox owes.
type Backlog struct {
	Queued, Dead int
	Oldest       time.Time // when the oldest queued notice was promised
}

// Attempts counts wrong secrets per account and network (contract §7.5).
type Attempts interface {
	// State returns the counters of a subject, zero if there are none. Within
	// a transaction they stay locked until it ends. One statement.
	State(ctx context.Context, of throttle.Subject) (throttle.State, error)
	// Swap replaces the counters of a subject if they are still old, else it
	// returns false and changes nothing: of any number of callers who have read
	// the same, one is right. It is atomic by itself, and one statement where
	// the database is beyond a network.
	Swap(ctx context.Context, of throttle.Subject, old, next throttle.State) (bool, error)
	// Save replaces the counters of a subject.
	Save(ctx context.Context, of throttle.Subject, s throttle.State) error
	// Forget removes the counters of a subject. Those of the same account from
	// other networks cannot be found.
	Forget(ctx context.Context, of throttle.Subject) error
	// Purge removes at most limit counters untouched since before.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}

// Cooldowns keeps mails of one kind to one address apart.
type Cooldowns interface {
	// Start begins a cooldown and returns zero, or returns how long the one
	// that runs still lasts and changes nothing. Of any number of callers at
	// once, one begins it.
	Start(ctx context.Context, kind notice.Kind, normal string, now time.Time, ttl time.Duration) (time.Duration, error)
	// Left returns how long a cooldown still lasts at now, zero when none runs,
	// and begins none. One statement.
	Left(ctx context.Context, kind notice.Kind, normal string, now time.Time) (time.Duration, error)
	// End ends a cooldown, if one runs.
	End(ctx context.Context, kind notice.Kind, normal string) error
	// Purge removes at most limit cooldowns that ended before now.
	Purge(ctx context.Context, now time.Time, limit int) (int, error)
}

// Devices remembers where a principal has signed in from.
type Devices interface {
	// Mark notes a sign-in from a device, and returns whether the same device
	// signed in since the given instant, and whether any device ever did. What
	// names the device is unreadable at rest.
	Mark(ctx context.Context, of principal.ID, device string, now, since time.Time) (known, ever bool, err error)
	// Purge removes at most limit devices last seen before, and returns how
	// many went. The one a principal used last stays, whatever its age: without
	// it their next sign-in would pass for the first one ever.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}

// Keys stores the keys of the service, wrapped.
type Keys interface {
	// All lists every key, oldest first, ties by id. One statement, which every
	// replica asks all the time.
	All(ctx context.Context) ([]key.Wrapped, error)
	// Add returns ErrTaken when the id is in use, when the purpose has a
	// current or a next key already and k is to be one, or when the slot is
	// another key's: of any number of replicas that start at once, one makes
	// the keys.
	Add(ctx context.Context, k key.Wrapped) error
	// Change stores in which state k is now, its slot, and the instants that go
	// with it. It returns ErrStale unless it was in the state from, and
	// ErrTaken as Add does.
	Change(ctx context.Context, k key.Key, from key.State) error
	// Rewrap replaces the wrapping of a key. It returns ErrStale when the
	// stored one is not old any more.
	Rewrap(ctx context.Context, old, anew key.Wrapped) error
	// Remove forgets a key for good. It returns ErrNotFound when there is none.
	Remove(ctx context.Context, id string) error
}

// Rotations stores exchanges of keys. At most one runs.
type Rotations interface {
	// Latest returns the one that was started last, or ErrNotFound.
	Latest(ctx context.Context) (key.Rotation, error)
	// Start stores a new one. It returns ErrTaken while another one runs: of
	// any number of callers at once, one starts it.
	Start(ctx context.Context, r key.Rotation) error
	// Claim leases the one that runs to owner until the given instant. It
	// returns ErrNotFound when none runs, and ErrTaken while somebody else has
	// the lease: of any number of callers at once, one gets it.
	Claim(ctx context.Context, owner string, now, until time.Time) (RotationClaim, error)
	// Save stores how far the rotation of a claim is, and makes the lease end
	// at until. It returns ErrStale when the lease has passed to somebody else
	// or the rotation is finished. Within a transaction nobody else can claim
	// it until that ends.
	Save(ctx context.Context, c RotationClaim, until time.Time) error
}

// RotationClaim is a leased rotation.
type RotationClaim struct {
	Rotation key.Rotation
	Owner    string
	Fence    int // of the lease; raised by every claim
}

// Rekeying brings what is stored under the keys of now, in batches, in the
// order of principals' ids. Repeating a batch does no harm, and neither does
// whatever else is written meanwhile. Records that cannot be read stay as they
// are, and count as failed.
type Rekeying interface {
	// Count returns how many data keys and how many addresses there are.
	Count(ctx context.Context) (dataKeys, addresses int, err error)
	// Rewrap looks at the next limit data keys, and wraps those anew that are
	// not under the current encryption key. With the first of them it looks at
	// that of the trail, which is not among those that were seen.
	Rewrap(ctx context.Context, after principal.ID, limit int) (Batch, error)
	// Reindex looks at the next limit addresses, and indexes those anew that
	// are not under the next blind-index key or, if there is none, the current
	// one. An address that somebody else has under that key counts as failed.
	Reindex(ctx context.Context, after principal.ID, limit int) (Batch, error)
	// Lacking returns how many addresses are not in the slot that Reindex fills,
	// and keeps others from writing addresses until the transaction ends: by
	// then the key may have taken over, and who has not loaded it is refused.
	Lacking(ctx context.Context) (int, error)
	// Clear empties the next limit slots that no blind-index key has any more.
	Clear(ctx context.Context, after principal.ID, limit int) (Batch, error)
}

// Batch is what a call looked at: fewer records than it might have only when
// there are no more.
type Batch struct {
	Seen, Failed int
	Last         principal.ID // "" when nothing was seen
}

// Erasures keeps who was deleted: ids and instants, and nothing else.
type Erasures interface {
	// Add keeps an erasure, unless that principal has one already.
	Add(ctx context.Context, e principal.Erasure) error
	// Has says whether somebody with this id was erased. One statement.
	Has(ctx context.Context, id principal.ID) (bool, error)
	// After lists erasures in the order of ids, from after on.
	After(ctx context.Context, id principal.ID, limit int) ([]principal.Erasure, error)
}

// Dossiers reads what is stored about a principal for whoever it is about
// (contract X1).
type Dossiers interface {
	// Of returns all that the other stores keep about a principal, what is over
	// and not yet removed included, but for the principal's own record. Whoever
	// is not there has nothing.
	Of(ctx context.Context, id principal.ID) (dossier.Dossier, error)
}

// Restores counts how often the database was put back to an earlier state, as
// far as it was told.
type Restores interface {
	// Epoch returns the highest epoch that was raised, 0 if none ever was.
	Epoch(ctx context.Context) (int, error)
	// Raise makes to the epoch. It returns false, and changes nothing, when the
	// epoch is as high already: of any number of callers at once one is told
	// true.
	Raise(ctx context.Context, to int) (bool, error)
}

// Trail keeps the record of what was asked, as one chain: what is in it cannot
// be changed, and if the storage is, that is found out. Networks are unreadable
// at rest, and for good once their owner is erased.
type Trail interface {
	// Append adds entries at the end, in their order, and returns where the
	// chain ends now. All are stored or none. An entry whose id is there already
	// is left out, so who does not know whether it was stored may try again. Of
	// any number of callers at once each waits for the others.
	Append(ctx context.Context, entries ...audit.Entry) (audit.Head, error)
	// Page lists the entries a filter matches by the property "at", and then by
	// position in the same direction. In a view, what is counted is what is
	// listed.
	Page(ctx context.Context, f audit.Filter, r page.Request) (page.Page[audit.Entry], error)
	// Of lists what a principal asked and what was done to them in the order of
	// positions, from after on.
	Of(ctx context.Context, id principal.ID, after, limit int) ([]audit.Entry, error)
	// Ends returns between which ends the chain is kept. It returns
	// ErrForged when what is stored about them is not ours. Before the first
	// entry they are zero.
	Ends(ctx context.Context) (audit.Ends, error)
	// Check looks at the next limit entries after one that holds.
	Check(ctx context.Context, after audit.Head, limit int) (audit.Checked, error)
	// Purge removes the oldest entries, at most limit, up to the first one that
	// is not older than before, and returns how many went. What is left can be
	// checked as before.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}
