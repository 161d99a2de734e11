// Package keys keeps the keys of the service: it makes the first ones, opens
// all there are, keeps every process at those that are stored, and exchanges
// them (contract §5.7, faults §9.6). What a key is used for, and how it is
// protected at rest, is the business of adapters.
package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

// ErrNotOpened says that a stored key cannot be opened: the master key is not
// the one it was wrapped under, or the stored key was changed.
var ErrNotOpened = errors.New("not opened by this master key, or changed since it was stored")

// KeeperDeps are what a [Keeper] works with. All are required.
type KeeperDeps struct {
	Work    outbound.UnitOfWork
	Maker   outbound.KeyMaker
	Wrapper outbound.KeyWrapper
	Now     func() time.Time
	NewID   func() string
}

// Keeper keeps the keys of the service. It opens each of them once, so that a
// process goes on when what wraps them is out of reach (faults F68).
type Keeper struct {
	d      KeeperDeps
	mu     sync.Mutex
	opened map[string]key.Material // by id, whose key never changes
}

// NewKeeper returns a Keeper.
func NewKeeper(d KeeperDeps) *Keeper { return &Keeper{d: d, opened: map[string]key.Material{}} }

// rounds is how often other replicas that start may be faster.
const rounds = 3

// Ensure makes a current key for every purpose that has none, and a next one
// for signing: together, so that every key set that is ever published has the
// key that signs next. Nothing is made while a key that exists cannot be
// opened, which is [ErrNotOpened].
func (k *Keeper) Ensure(ctx context.Context) error {
	for range rounds {
		missing, err := k.missing(ctx)
		if err != nil || len(missing) == 0 {
			return err
		}
		if err := k.add(ctx, missing); err != nil && !errors.Is(err, outbound.ErrTaken) {
			return err
		}
	}
	missing, err := k.missing(ctx)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("no %s key for %s, although it was made", missing[0].State, missing[0].Purpose)
	}
	return err
}

// Load opens every key, oldest first. It fails with [ErrNotOpened] if it
// cannot open one.
func (k *Keeper) Load(ctx context.Context) ([]key.Opened, error) {
	_, opened, err := k.load(ctx)
	return opened, err
}

func (k *Keeper) load(ctx context.Context) ([]key.Wrapped, []key.Opened, error) {
	all, err := k.d.Work.Single().Keys.All(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read keys: %w", err)
	}
	opened, err := k.open(ctx, all)
	return all, opened, err
}

func (k *Keeper) open(ctx context.Context, all []key.Wrapped) ([]key.Opened, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	opened := make([]key.Opened, 0, len(all))
	for _, w := range all {
		m, ok := k.opened[w.ID]
		if !ok {
			var err error
			if m, err = k.d.Wrapper.Unwrap(ctx, w); err != nil {
				return nil, fmt.Errorf("%s key %s, wrapped under %s: %w: %w", w.Purpose, w.ID, w.WrapperID, ErrNotOpened, err)
			}
			k.opened[w.ID] = m
		}
		opened = append(opened, key.Opened{Key: w.Key, Material: m})
	}
	return opened, nil
}

// missing returns what has to be made.
func (k *Keeper) missing(ctx context.Context) (missing []key.Key, err error) {
	all, _, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	have := ringOf(all)
	for _, p := range key.Purposes() {
		if _, ok := have.In(p, key.Current); ok {
			continue
		}
		one := key.Key{Purpose: p, State: key.Current}
		if p == key.BlindIndex {
			one.Slot = key.FirstSlot
		}
		missing = append(missing, one)
	}
	if _, ok := have.In(key.Signing, key.Next); !ok {
		missing = append(missing, key.Key{Purpose: key.Signing, State: key.Next})
	}
	return missing, nil
}

func ringOf(all []key.Wrapped) key.Ring {
	ring := make(key.Ring, len(all))
	for i, w := range all {
		ring[i] = w.Key
	}
	return ring
}

func (k *Keeper) add(ctx context.Context, missing []key.Key) error {
	now := k.d.Now()
	made := make([]key.Wrapped, 0, len(missing))
	for _, one := range missing {
		w, err := k.make(ctx, one, now)
		if err != nil {
			return err
		}
		made = append(made, w)
	}
	return k.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		for _, w := range made {
			if err := s.Keys.Add(ctx, w); err != nil {
				return fmt.Errorf("add %s key: %w", w.Purpose, err)
			}
		}
		return nil
	})
}

// make makes a key of the purpose, state and slot of one. It never runs in a
// transaction: what wraps keys may be far away.
func (k *Keeper) make(ctx context.Context, one key.Key, now time.Time) (key.Wrapped, error) {
	algorithm, m, err := k.d.Maker.NewKey(one.Purpose)
	if err != nil {
		return key.Wrapped{}, fmt.Errorf("make %s key: %w", one.Purpose, err)
	}
	one.ID, one.Algorithm, one.CreatedAt = k.d.NewID(), algorithm, now
	w, err := k.d.Wrapper.Wrap(ctx, one, m)
	if err != nil {
		return key.Wrapped{}, fmt.Errorf("wrap %s key: %w", one.Purpose, err)
	}
	return w, nil
}

// Rewrap wraps every key anew that is not under the wrapping key in use, and
// returns how many those were. Any number of replicas may do so at once.
func (k *Keeper) Rewrap(ctx context.Context) (n int, err error) {
	keys := k.d.Work.Single().Keys
	all, err := keys.All(ctx)
	if err != nil {
		return 0, fmt.Errorf("read keys: %w", err)
	}
	for _, old := range all {
		anew, err := k.d.Wrapper.Rewrap(ctx, old)
		if err != nil {
			return n, fmt.Errorf("rewrap %s key %s, wrapped under %s: %w: %w", old.Purpose, old.ID, old.WrapperID, ErrNotOpened, err)
		}
		if anew.WrapperID == old.WrapperID && bytes.Equal(anew.Material, old.Material) {
			continue
		}
		switch err := keys.Rewrap(ctx, old, anew); {
		case err == nil:
			n++
		case !errors.Is(err, outbound.ErrStale): // another replica was faster
			return n, fmt.Errorf("store rewrapped key %s: %w", old.ID, err)
		}
	}
	return n, nil
}
