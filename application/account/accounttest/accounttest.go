// Package accounttest holds what tests of use cases need to follow what
// becomes of accounts. Stores and hashers that fail are in package
// passwordtest.
package accounttest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"gatehouse/domain/email"
	"gatehouse/ports/outbound"
)

var _ outbound.Revocations = (*Caches)(nil)

// Caches remembers what it was told. Its zero value is ready for use.
type Caches struct {
	Fails error // what telling ends with

	mu        sync.Mutex
	announced []outbound.Revocation
	told      []outbound.Revocation
	late      bool
}

// Announce implements [outbound.Revocations].
func (c *Caches) Announce(ctx context.Context, r outbound.Revocation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announced = append(c.announced, r)
	c.late = c.late || ctx.Err() != nil
}

// Propagate implements [outbound.Revocations], and fails when nobody announced
// what it is told.
func (c *Caches) Propagate(ctx context.Context, r outbound.Revocation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, r)
	c.late = c.late || ctx.Err() != nil
	if !slices.Contains(c.announced, r) {
		return fmt.Errorf("%+v was not announced, but %+v", r, c.announced)
	}
	return c.Fails
}

// Told lists what it was told, in order.
func (c *Caches) Told() []outbound.Revocation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

// Late reports whether it was ever told with a context that was over, which a
// cache out of the process would not have heard.
func (c *Caches) Late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.late
}

// Address is s, which has to be an address.
func Address(s string) email.Address {
	a, broken := email.Parse(s)
	if broken != nil {
		panic(fmt.Sprint(s, broken))
	}
	return a
}
