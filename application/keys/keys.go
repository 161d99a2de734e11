// Package keys brings up the keys of the service: it makes the first ones and
// opens all there are. What a key is used for, and how it is protected at
// rest, is the business of adapters.
package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// Keeper keeps the keys of the service.
type Keeper struct{ d KeeperDeps }

// NewKeeper returns a Keeper.
func NewKeeper(d KeeperDeps) *Keeper { return &Keeper{d} }

// rounds is how often other replicas that start may be faster.
const rounds = 3

// Ensure makes a current key for every purpose that has none. Nothing is made
// while a key that exists cannot be opened, which is [ErrNotOpened].
func (k *Keeper) Ensure(ctx context.Context) error {
	for range rounds {
		missing, err := k.missing(ctx)
		if err != nil || len(missing) == 0 {
			return err
		}
		for _, p := range missing {
			if err := k.add(ctx, p); err != nil && !errors.Is(err, outbound.ErrTaken) {
				return err
			}
		}
	}
	missing, err := k.missing(ctx)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("no current key for %v, although they were made", missing)
	}
	return err
}

// Load opens every key, oldest first. It fails with [ErrNotOpened] if it
// cannot open one.
func (k *Keeper) Load(ctx context.Context) ([]key.Opened, error) {
	all, err := k.d.Work.Single().Keys.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	opened := make([]key.Opened, 0, len(all))
	for _, w := range all {
		m, err := k.d.Wrapper.Unwrap(ctx, w)
		if err != nil {
			return nil, fmt.Errorf("%s key %s, wrapped under %s: %w: %w", w.Purpose, w.ID, w.WrapperID, ErrNotOpened, err)
		}
		opened = append(opened, key.Opened{Key: w.Key, Material: m})
	}
	return opened, nil
}

// missing returns the purposes without a current key.
func (k *Keeper) missing(ctx context.Context) ([]key.Purpose, error) {
	all, err := k.Load(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(key.Purposes(), func(p key.Purpose) bool {
		return slices.ContainsFunc(all, func(o key.Opened) bool { return o.Purpose == p && o.State == key.Current })
	}), nil
}

func (k *Keeper) add(ctx context.Context, p key.Purpose) error {
	algorithm, m, err := k.d.Maker.NewKey(p)
	if err != nil {
		return fmt.Errorf("make %s key: %w", p, err)
	}
	made := key.Key{ID: k.d.NewID(), Purpose: p, Algorithm: algorithm, State: key.Current, CreatedAt: k.d.Now()}
	wrapped, err := k.d.Wrapper.Wrap(ctx, made, m)
	if err != nil {
		return fmt.Errorf("wrap %s key: %w", p, err)
	}
	if err := k.d.Work.Single().Keys.Add(ctx, wrapped); err != nil {
		return fmt.Errorf("add %s key: %w", p, err)
	}
	return nil
}
