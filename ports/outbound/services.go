package outbound

import (
	"context"
	"errors"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/key"
	"gatehouse/domain/limit"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
)

// Hasher turns passwords into hashes, few at a time, because each one takes
// much memory and time (faults §7).
type Hasher interface {
	// Admit waits for a turn. It refuses with SERVICE_OVERLOADED when too many
	// wait already, or too many from one network, so whatever a refusal must
	// not cost comes after it. Never call it inside a transaction.
	Admit(ctx context.Context, network string) (Turn, error)
}

// Turn is the right to hash until Done. Its calls are slow: never make them
// inside a transaction. They fail with HASH_FAILURE.
type Turn interface {
	Hash(p password.Plain) (password.Hash, error)
	// Matches compares in constant time. An empty h is the hash of nobody: it
	// costs as much as any other and never matches, nor does a password that
	// is too long. outdated says that h matches and should be renewed. It
	// fails on an h of an unknown kind, or whose cost is out of bounds.
	Matches(p password.Plain, h password.Hash) (ok, outdated bool, err error)
	// HashLike hashes with the salt and at the cost of like: the result equals
	// like if p is what like was made of, and one call tells which of several
	// hashes that share a salt is p's. It fails on what Matches fails on, on
	// nobody's hash, and on one of another system.
	HashLike(p password.Plain, like password.Hash) (password.Hash, error)
	// Done lets the next one in. More than one call is fine.
	Done()
}

// How a hash can be no good to [HashChecker].
var (
	ErrHashUnknown   = errors.New("not a password hash of a known kind")
	ErrHashTooCostly = errors.New("the cost of the password hash is out of bounds")
)

// HashChecker says which hashes a [Hasher] can compare with: its own, and those
// of other systems.
type HashChecker interface {
	// Check returns nil for a hash that [Turn.Matches] can judge. Else it returns
	// ErrHashUnknown or ErrHashTooCostly. It computes nothing.
	Check(h password.Hash) error
}

// Breaches knows passwords that have leaked, from anybody's account anywhere.
type Breaches interface {
	// Breached says whether p, in the form it is compared in, is one of them. It
	// never says no to one it knows, and may say yes to another one, seldom: to
	// less than one of ten thousand. An error means that it cannot tell. A
	// password that is too long has not leaked. It may ask others over the
	// network, but tells them too little to know p by, and quotes nothing of it:
	// never call it inside a transaction.
	Breached(ctx context.Context, p password.Plain) (bool, error)
}

// The two ways in which a token can be no good.
var (
	ErrTokenInvalid = errors.New("token is not valid")
	ErrTokenExpired = errors.New("token is past its end")
)

// Minter signs tokens.
type Minter interface {
	// Mint signs what c claims as a token of kind k. It fails with
	// TOKEN_CREATION_FAILURE.
	Mint(k token.Kind, c token.Claims) (secret.Text, error)
}

// Verifier reads tokens.
type Verifier interface {
	// Verify returns what t claims if it is a token of kind k that we signed:
	// ErrTokenInvalid for everything that is wrong with it, ErrTokenExpired if
	// nothing is but that now is at or past its end; then the claims are
	// returned all the same. It asks no store and no network. A token has one
	// spelling.
	Verify(t secret.Text, k token.Kind, now time.Time) (token.Claims, error)
}

// KeySet publishes the verification keys.
type KeySet interface {
	PublicKeys() []token.PublicKey
}

// KeyMaker makes new key material.
type KeyMaker interface {
	// NewKey returns random material of a purpose, and its algorithm.
	NewKey(p key.Purpose) (algorithm string, m key.Material, err error)
}

// KeyWrapper protects the keys of the service at rest (faults §9.2). What was
// wrapped for one key opens for no other.
type KeyWrapper interface {
	// Wrap returns material only Unwrap can read, and the id of the wrapping
	// key.
	Wrap(ctx context.Context, k key.Key, m key.Material) (key.Wrapped, error)
	// Unwrap fails when w was wrapped for another key, under another wrapping
	// key, or was tampered with.
	Unwrap(ctx context.Context, w key.Wrapped) (key.Material, error)
	// Rewrap returns w wrapped under the wrapping key as it is now, or w itself
	// if it is already. It fails as Unwrap does.
	Rewrap(ctx context.Context, w key.Wrapped) (key.Wrapped, error)
}

// Field names the place of a sealed value. What was sealed for one place
// opens in no other.
type Field struct{ Table, Column, Row string }

// DataKey is the key of one principal's data, wrapped. Owner is the
// principal's id, or "" for what belongs to nobody.
type DataKey struct {
	Owner   string
	Wrapped []byte
}

// Vault protects personal data at rest (faults §9.3). All its failures are
// DATABASE_ENCRYPTION_FAILURE, and look alike.
type Vault interface {
	// NewDataKey returns a random key for the data of owner.
	NewDataKey(owner string) (DataKey, error)
	// Seal encrypts plain for a place.
	Seal(k DataKey, f Field, plain []byte) ([]byte, error)
	// Open returns what was sealed for a place.
	Open(k DataKey, f Field, sealed []byte) ([]byte, error)
	// Shared is the data key of what belongs to nobody.
	Shared() DataKey
	// Rewrap returns the same data key under the current encryption key, or k
	// itself if it is under that one. Shared data keys are not wrapped.
	Rewrap(k DataKey) (DataKey, error)
	// Sign returns 32 bytes that only who has k can make of text, the same
	// however k is wrapped. use separates texts of different uses. The shared
	// data key, which changes, signs nothing.
	Sign(k DataKey, use string, text []byte) ([]byte, error)
	// Index returns a keyed hash of text: equal texts have equal ones, and
	// nothing else can be told. use separates the hashes of different uses.
	Index(use, text string) []byte
	// Indexes returns the hashes of text under every index key there is, that
	// of Index first: what was written before keys were exchanged, or is by a
	// replica that is a moment ahead, is under another one.
	Indexes(use, text string) [][]byte
	// Slots returns the hashes that belong into the two slots of an index of
	// addresses, nil for a slot that no key has. Equal texts are found by
	// either.
	Slots(use, text string) (first, second []byte)
	// Filling is the slot of the next index key or, if there is none, of the
	// current one.
	Filling() key.Slot
}

// Buckets limits requests (contract §1.3).
type Buckets interface {
	// Take takes one request out of every bucket, in order. From the first one
	// that is empty nothing is taken; refused is its index and wait how long
	// it takes until a request fits. refused is -1 when all had room.
	//
	// Replicas with one store share their buckets. Of an exact budget they
	// never give more than there is. Of a larger one each may also give what it
	// is asked for before it hears of the others, a moment later. While the
	// store is out of reach each replica counts for itself, from what it knew:
	// never without limit.
	Take(ctx context.Context, now time.Time, takes ...limit.Take) (refused int, wait time.Duration)
}

// Mailer delivers one notice.
type Mailer interface {
	// Deliver returns nil when the next server, or the mailbox, has taken the
	// mail. A [DeliveryError] says whether trying again makes sense; any other
	// error is temporary.
	Deliver(ctx context.Context, n notice.Notice) error
}

// DeliveryError is a mail that was not taken. Class is safe to store and log.
type DeliveryError struct {
	Class     string
	Permanent bool // no other attempt can succeed
	Rejected  bool // permanent for this recipient
}

// Error returns the class.
func (e *DeliveryError) Error() string { return "mail not delivered: " + e.Class }

// Revocations tells token caches what no longer counts, once before it is
// stored and once after: whoever has told both, and got no error, knows that no
// cache answers with what was before. The first time is for those who die in
// between, or never learn whether their change was stored.
type Revocations interface {
	// Announce makes caches forget what r is about, and remember nothing of it
	// for the seconds a change takes. A cache that is out of reach is left to
	// Propagate.
	Announce(ctx context.Context, r Revocation)
	// Propagate is as Announce, for what is stored. It returns an error when a
	// cache may go on believing, for its few seconds, what was revoked.
	Propagate(ctx context.Context, r Revocation) error
}

// Revocation is what no longer counts: one session, or when that is "" all
// sessions and access tokens of a principal but those of Kept, or when
// Principal is "" those of everybody.
type Revocation struct {
	Principal principal.ID
	Session   session.ID
	Kept      session.ID
}

// Marks remembers for seconds what the access check has read, so that fewer
// checks ask the database, which is the truth (faults §6.5). It may forget at
// any time, never fails, and keeps no verdict: the check is the same on what it
// recalls.
type Marks interface {
	Revocations
	// Recall returns the mark of a session of a principal if one was read
	// within the last few seconds. Else it returns a ticket for Remember.
	Recall(ctx context.Context, of principal.ID, id session.ID, now time.Time) (Mark, Ticket, bool)
	// Remember keeps what was read with a ticket, which had to be taken before.
	// It keeps nothing if something was revoked since, or forgotten that was.
	Remember(ctx context.Context, t Ticket, m Mark)
}

// Mark is what has to be so for an access token to count: its session is live
// until the earlier instant, and its principal enabled and of this generation.
type Mark struct {
	ExpiresAt, Until time.Time
	TokenGen         int
}

// Ticket is the right to remember what is read from now on. The zero value
// gives none.
type Ticket struct {
	ID        string
	Principal principal.ID
	Session   session.ID
	At        time.Time
}

// Ledger keeps erasures outside of the database, which may be put back to a
// state before them.
type Ledger interface {
	// Add keeps erasures. When it returns nil they outlive a crash; when it
	// does not, some of them may.
	Add(ctx context.Context, all ...principal.Erasure) error
	// All lists what was kept, by id. It fails when it cannot tell whether that
	// is all.
	All(ctx context.Context) (map[principal.ID]principal.Erasure, error)
}

// Observer watches use cases: one adapter logs them, one measures, one opens
// spans.
type Observer interface {
	// Begin is called before a use case, end after it. The use case runs with
	// the context Begin returns.
	Begin(ctx context.Context, useCase string) (_ context.Context, end func(err error))
}

// AuditLog keeps what was asked. It has nobody to complain to: an entry that
// cannot be kept is the log's own failure to report.
type AuditLog interface {
	Record(ctx context.Context, e audit.Entry)
}
