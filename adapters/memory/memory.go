// Package memory implements the outbound stores in memory: the reference that
// the SQL stores are compared with, for tests and for trying things out. It
// keeps nothing over a restart, and seals nothing, since nothing is at rest.
// It also counts request limits for one process.
package memory

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/key"
	"gatehouse/domain/onetime"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

var _ outbound.UnitOfWork = (*Store)(nil)

// Store is a [outbound.UnitOfWork] that runs one writing transaction at a
// time. Views run beside it on what was committed when they began.
type Store struct {
	turn      chan struct{} // held from fork to commit; a channel, so that synctest sees who waits
	committed atomic.Pointer[state]
}

// New returns an empty store.
func New() *Store {
	st := &Store{turn: make(chan struct{}, 1)}
	st.committed.Store(&state{})
	return st
}

// Within implements [outbound.UnitOfWork].
func (st *Store) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return st.commit(ctx, func(s *state) error { return fn(ctx, stores(inside{s})) })
}

// View implements [outbound.UnitOfWork].
func (st *Store) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return fn(ctx, stores(inside{st.committed.Load().fork()}))
}

// Single implements [outbound.UnitOfWork].
func (st *Store) Single() outbound.Stores { return stores(alone{st}) }

func (st *Store) commit(ctx context.Context, fn func(*state) error) error {
	select {
	case st.turn <- struct{}{}:
	case <-ctx.Done():
		return failed("begin", ctx.Err())
	}
	defer func() { <-st.turn }()
	if err := ctx.Err(); err != nil { // select may choose either
		return failed("begin", err)
	}
	next := st.committed.Load().fork()
	if err := fn(next); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return failed("commit", err)
	}
	st.committed.Store(next)
	return nil
}

func failed(op string, err error) error {
	return fault.New(fault.DatabaseFailure).Because(fmt.Errorf("%s: %w", op, err))
}

// data is how a store gets at its tables: inside a transaction, or alone.
type data interface {
	read(ctx context.Context, fn func(*state) error) error
	write(ctx context.Context, fn func(*state) error) error
}

type inside struct{ s *state }

func (d inside) read(ctx context.Context, fn func(*state) error) error {
	if err := ctx.Err(); err != nil {
		return failed("call", err)
	}
	return fn(d.s)
}

func (d inside) write(ctx context.Context, fn func(*state) error) error { return d.read(ctx, fn) }

type alone struct{ st *Store }

func (d alone) read(ctx context.Context, fn func(*state) error) error {
	return inside{d.st.committed.Load()}.read(ctx, fn)
}

func (d alone) write(ctx context.Context, fn func(*state) error) error { return d.st.commit(ctx, fn) }

func stores(d data) outbound.Stores {
	return outbound.Stores{
		Principals: principals{d}, Groups: groups{d}, Sessions: sessions{d}, OneTime: oneTime{d}, Outbox: outbox{d},
		Attempts: attempts{d}, Cooldowns: cooldowns{d}, Devices: devices{d}, Keys: keys{d}, Rotations: rotations{d},
		Rekeying: rekeying{d}, Restores: restores{d}, Erasures: erasures{d}, Files: files{d}, Entry: entry{d},
		Passkeys: passkeys{d},
		Trail:    trail{d},
		Apps:     apps{d}, Setups: setups{d}, RecoveryCodes: recoveryCodes{d}, MailedCodes: mailedCodes{d},
		Dossiers: dossiers{d},
	}
}

// state is everything that is stored. What is in a table is never changed in
// place, so states share rows.
type state struct {
	principals table[principal.ID, principal.Snapshot]
	addresses  table[string, principal.ID] // by normal form
	groups     table[string, group.Group]
	sessions   table[session.ID, session.Session]
	reasons    table[session.ID, session.EndReason] // of sessions that were ended
	graces     table[graceKey, grace]
	items      table[onetime.Hash, onetime.Item]
	outbox     table[string, parcel]
	counters   table[counterKey, throttle.Counter]
	cooldowns  table[cooldownKey, time.Time]
	devices    table[deviceKey, time.Time]
	keys       table[string, key.Wrapped]
	rotations  table[string, rotation]
	erasures   table[principal.ID, time.Time]
	files      table[string, fileRow]
	passkeys   table[passkey.ID, passkey.Passkey]
	trail      chain
	apps       table[principal.ID, factor.App]
	setups     table[principal.ID, factor.Setup]
	recovery   table[principal.ID, recovery.Set]
	mailed     table[principal.ID, mailed]
	epoch      int
}

func (s *state) fork() *state {
	return &state{
		s.principals.shared(), s.addresses.shared(), s.groups.shared(), s.sessions.shared(), s.reasons.shared(), s.graces.shared(), s.items.shared(),
		s.outbox.shared(), s.counters.shared(), s.cooldowns.shared(), s.devices.shared(), s.keys.shared(),
		s.rotations.shared(), s.erasures.shared(), s.files.shared(), s.passkeys.shared(), s.trail,
		s.apps.shared(), s.setups.shared(), s.recovery.shared(), s.mailed.shared(), s.epoch,
	}
}

// needs stands for a foreign key.
func (s *state) needs(id principal.ID) error {
	if _, ok := s.principals.rows[id]; !ok {
		return fault.New(fault.DatabaseFailure).Because(fmt.Errorf("there is no principal %q", id))
	}
	return nil
}

// table is a map that is copied by the first write of a transaction.
type table[K comparable, V any] struct {
	rows map[K]V
	own  bool
}

func (t table[K, V]) shared() table[K, V] { return table[K, V]{rows: t.rows} }

func (t *table[K, V]) put(k K, v V) {
	t.copied()
	t.rows[k] = v
}

func (t *table[K, V]) drop(k K) {
	t.copied()
	delete(t.rows, k)
}

// purge drops at most limit rows that are old, and returns how many.
func (t *table[K, V]) purge(limit int, old func(K, V) bool) (n int) {
	t.copied()
	for k, v := range t.rows {
		if n < limit && old(k, v) {
			delete(t.rows, k)
			n++
		}
	}
	return n
}

func (t *table[K, V]) copied() {
	if t.own {
		return
	}
	if t.rows = maps.Clone(t.rows); t.rows == nil {
		t.rows = map[K]V{}
	}
	t.own = true
}

// instant brings a time to what databases keep: microseconds, in UTC.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
