// Package passwordtest holds a hasher whose hashes can be read and a unit of
// work that breaks where it is told to, for the tests of use cases. They
// protect nothing.
package passwordtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

var _ outbound.Hasher = (*Hasher)(nil)

const mark = "plain:"

// HashOf is the hash that a [Hasher] makes of p.
func HashOf(p string) password.Hash { return password.NewHash(mark + p) }

// Hasher is fast and deterministic. Its zero value is ready for use.
type Hasher struct {
	Full   bool        // nobody gets a turn
	Fails  bool        // no hash can be made
	Busy   func() bool // hashing while it returns true is forbidden
	OnHash func()      // is called before a hash is made

	mu       sync.Mutex
	networks []string
	misused  atomic.Bool
	open     atomic.Int32 // turns
	made     atomic.Int32 // hashes
	alike    atomic.Int32 // of these, with the salt of another
	compared atomic.Int32
}

// Admit implements [outbound.Hasher].
func (h *Hasher) Admit(_ context.Context, network string) (outbound.Turn, error) {
	h.check()
	if h.Full {
		return nil, fault.New(fault.ServiceOverloaded)
	}
	h.mu.Lock()
	h.networks = append(h.networks, network)
	h.mu.Unlock()
	h.open.Add(1)
	return &turn{h: h}, nil
}

// Networks lists who was admitted.
func (h *Hasher) Networks() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.networks...)
}

// Made is how many hashes were made, Alike how many of these with the salt of
// another one, Compared how many passwords were compared.
func (h *Hasher) Made() int     { return int(h.made.Load()) }
func (h *Hasher) Alike() int    { return int(h.alike.Load()) }
func (h *Hasher) Compared() int { return int(h.compared.Load()) }

// Misused tells what nobody may do: hash while it is forbidden, or keep a turn.
func (h *Hasher) Misused() error {
	switch {
	case h.misused.Load():
		return errors.New("hashed inside a transaction")
	case h.open.Load() != 0:
		return errors.New("a turn was not given back")
	}
	return nil
}

func (h *Hasher) check() {
	if h.Busy != nil && h.Busy() {
		h.misused.Store(true)
	}
}

type turn struct {
	h    *Hasher
	done sync.Once
}

func (t *turn) Hash(p password.Plain) (password.Hash, error) {
	t.h.check()
	if t.h.Fails {
		return password.Hash{}, fault.New(fault.HashFailure)
	}
	if t.h.OnHash != nil {
		t.h.OnHash()
	}
	t.h.made.Add(1)
	return HashOf(p.Reveal()), nil
}

func (t *turn) HashLike(p password.Plain, _ password.Hash) (password.Hash, error) {
	t.h.alike.Add(1)
	return t.Hash(p)
}

func (t *turn) Matches(p password.Plain, stored password.Hash) (ok, outdated bool, err error) {
	t.h.check()
	t.h.compared.Add(1)
	return !stored.IsZero() && stored.Equal(HashOf(p.Reveal())), false, nil
}

func (t *turn) Done() { t.done.Do(func() { t.h.open.Add(-1) }) }
