// Package argon2 implements outbound.Hasher with argon2id (RFC 9106), and keeps
// the memory and the processors that a burst of sign-ins can take within bounds
// (faults §7). It owns the cost of a hash, its PHC string and the queue for it, in
// which the hashes of other algorithms wait as well; package foreign below reads
// those. It does not decide which passwords may be set, and counts no attempts.
package argon2

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/go-crypt/crypt/algorithm/argon2"

	"gatehouse/adapters/argon2/foreign"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

var (
	_ outbound.Hasher      = (*Hasher)(nil)
	_ outbound.HashChecker = (*Hasher)(nil)
	_ outbound.Turn        = (*turn)(nil)
)

// Config is what a hash costs, and how many may be made.
type Config struct {
	MemoryKiB   int // 8 for each lane at least, 256 MiB at most
	Iterations  int // 1 to 10
	Parallelism int // lanes: 1 to 4
	Slots       int // turns at a time, see the function [Slots]
	Queue       int // callers that may wait for one; half of them from one network

	// Now measures how long a hash takes.
	Now func() time.Time
}

// Slots returns how many turns at a time make sense: no more than processors,
// since more only slow each other down, no more than hashes of hashMemory fit
// into memoryBudget (both in bytes; a quarter of the memory limit is a good
// budget), and one at least.
func Slots(gomaxprocs int, memoryBudget, hashMemory int64) int {
	slots := int64(gomaxprocs)
	if hashMemory > 0 {
		slots = min(slots, memoryBudget/hashMemory)
	}
	return int(max(1, slots))
}

// Hasher is an [outbound.Hasher].
type Hasher struct {
	now   func() time.Time
	queue *queue
	make  *argon2.Hasher

	current cost
	nobody  digest       // matched for those who have no hash, and never theirs
	took    atomic.Int64 // nanoseconds a hash takes, lately
}

// New returns a Hasher, or says why c is no good. It makes one hash, to know
// how long that takes.
func New(c Config) (*Hasher, error) {
	if c.Now == nil || c.Slots < 1 || c.Queue < 0 {
		return nil, errors.New("argon2: it needs a clock, a slot at least, and no negative queue")
	}
	wanted := cost{variant: argon2.VariantID, memory: c.MemoryKiB, iterations: c.Iterations, lanes: c.Parallelism, salt: saltSize, output: outputSize}
	if !wanted.affordable() {
		return nil, fmt.Errorf("argon2: m=%d, t=%d, p=%d are out of bounds", c.MemoryKiB, c.Iterations, c.Parallelism)
	}
	h := &Hasher{now: c.Now, queue: newQueue(c.Slots, c.Queue)}
	var err error
	if h.make, err = wanted.hasher(); err != nil {
		return nil, fmt.Errorf("argon2: %w", err)
	}
	made, err := h.hash("nobody")
	if err != nil {
		return nil, fmt.Errorf("argon2: %w", err)
	}
	h.nobody, h.current, err = parse(made)
	if err != nil {
		return nil, fmt.Errorf("argon2: its own hash: %w", err)
	}
	return h, nil
}

// Admit implements [outbound.Hasher]. Who still waits at their deadline is
// refused with SERVICE_OVERLOADED as well.
func (h *Hasher) Admit(ctx context.Context, network string) (outbound.Turn, error) {
	begun := h.now()
	err := h.queue.enter(ctx, network, func() time.Duration { return h.now().Sub(begun) })
	switch {
	case err == nil:
		return &turn{hasher: h, ended: ctx.Err}, nil
	case errors.Is(err, errFull) || errors.Is(err, context.DeadlineExceeded):
		return nil, fault.New(fault.ServiceOverloaded).RetryIn(h.retryIn()).Because(err)
	}
	return nil, fmt.Errorf("wait to hash: %w", err)
}

// retryIn is how long it takes until nobody waits any more, in whole seconds.
func (h *Hasher) retryIn() time.Duration {
	s := h.Stats()
	wait := float64(s.Waiting) * s.HashTime.Seconds() / float64(h.queue.slots)
	return time.Duration(max(1, math.Ceil(wait))) * time.Second
}

// Stats is what is going on. The last four only grow.
type Stats struct {
	InUse    int           // turns
	Waiting  int           // for one
	HashTime time.Duration // that a hash takes, lately
	Admitted int           // turns given
	Refused  int           // because too many waited
	Left     int           // before their turn
	Waited   time.Duration // by all who were admitted
}

// Stats returns what is going on.
func (h *Hasher) Stats() Stats {
	s := h.queue.stats()
	s.HashTime = time.Duration(h.took.Load())
	return s
}

// hash makes a PHC string.
func (h *Hasher) hash(text string) (string, error) {
	defer h.measure(h.now())
	digest, err := h.make.Hash(text)
	if err != nil {
		return "", err
	}
	return digest.Encode(), nil
}

// hashLike makes a PHC string with everything but the output of another.
func (h *Hasher) hashLike(text, like string) (string, error) {
	digest, c, err := parse(like)
	if err != nil {
		return "", err
	}
	salted, ok := digest.(interface{ Salt() []byte })
	if !ok || c.variant != argon2.VariantID {
		return "", errNotOurs
	}
	with, err := c.hasher()
	if err != nil {
		return "", err
	}
	defer h.measure(h.now())
	made, err := with.HashWithSalt(text, salted.Salt())
	if err != nil {
		return "", err
	}
	return made.Encode(), nil
}

// Check implements [outbound.HashChecker].
func (h *Hasher) Check(of password.Hash) error {
	_, _, err := read(of.Encoded())
	switch {
	case errors.Is(err, errTooCostly), errors.Is(err, foreign.ErrTooCostly):
		return outbound.ErrHashTooCostly
	case err != nil:
		return outbound.ErrHashUnknown
	}
	return nil
}

// matches compares in constant time.
func (h *Hasher) matches(text string, d digest) (bool, error) {
	defer h.measure(h.now())
	return d.MatchAdvanced(text)
}

// weight is one part in so many for the latest hash: one odd one is no trend.
const weight = 8

func (h *Hasher) measure(begun time.Time) {
	took := int64(h.now().Sub(begun))
	for {
		before := h.took.Load()
		after := took
		if before != 0 {
			after = before + (took-before)/weight
		}
		if h.took.CompareAndSwap(before, after) {
			return
		}
	}
}

// turn is an [outbound.Turn].
type turn struct {
	hasher *Hasher
	ended  func() error // says why the caller has gone, if so
	done   atomic.Bool
}

// Done implements [outbound.Turn].
func (t *turn) Done() {
	if !t.done.Swap(true) {
		t.hasher.queue.leave()
	}
}

// usable is asked before a hash is begun, because nothing stops it then.
func (t *turn) usable() error {
	if t.done.Load() {
		return errors.New("the turn is over")
	}
	return t.ended()
}

var errTooLong = errors.New("the password is too long")

// Hash implements [outbound.Turn]. It fails on a password that is too long,
// because none such ever matches.
func (t *turn) Hash(p password.Plain) (password.Hash, error) {
	err := t.usable()
	if err == nil && p.TooLong() {
		err = errTooLong
	}
	if err != nil {
		return password.Hash{}, failure(err)
	}
	made, err := t.hasher.hash(p.Reveal())
	if err != nil {
		return password.Hash{}, failure(err)
	}
	return password.NewHash(made), nil
}

// Matches implements [outbound.Turn].
func (t *turn) Matches(p password.Plain, h password.Hash) (ok, outdated bool, err error) {
	if err := t.usable(); err != nil {
		return false, false, failure(err)
	}
	of, made := t.hasher.nobody, t.hasher.current
	if !h.IsZero() {
		if of, made, err = read(h.Encoded()); err != nil {
			return false, false, failure(err)
		}
	}
	text := p.Reveal()
	if p.TooLong() {
		text = "" // as dear as any other
	}
	ok, err = t.hasher.matches(text, of)
	if err != nil {
		return false, false, failure(err)
	}
	ok = ok && !h.IsZero() && !p.TooLong()
	return ok, ok && made != t.hasher.current, nil
}

// HashLike implements [outbound.Turn]. It fails on what is too long, as Hash
// does.
func (t *turn) HashLike(p password.Plain, like password.Hash) (password.Hash, error) {
	err := t.usable()
	if err == nil && p.TooLong() {
		err = errTooLong
	}
	if err != nil {
		return password.Hash{}, failure(err)
	}
	made, err := t.hasher.hashLike(p.Reveal(), like.Encoded())
	if err != nil {
		return password.Hash{}, failure(err)
	}
	return password.NewHash(made), nil
}

func failure(cause error) error { return fault.New(fault.HashFailure).Because(cause) }
