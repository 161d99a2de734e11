package gorm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/vault"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// stage is a set of keys that replicas have at one time. Neighbours in time
// work side by side.
type stage struct {
	name          string
	keks, indexes []key.Opened
}

func keyOf(p key.Purpose, id string, st key.State, s key.Slot) key.Opened {
	algorithm := map[key.Purpose]string{key.Encryption: "A256GCM", key.BlindIndex: "HS256"}[p]
	m := bytes.Repeat([]byte{byte(len(p))}, 32)
	copy(m, id)
	return key.Opened{Key: key.Key{ID: id, Purpose: p, Algorithm: algorithm, State: st, Slot: s}, Material: key.NewMaterial(m)}
}

var (
	oldKEK = keyOf(key.Encryption, "old", key.Current, 0)

	before = stage{"before", []key.Opened{oldKEK}, []key.Opened{keyOf(key.BlindIndex, "old", key.Current, 1)}}
	stages = []stage{
		before,
		{
			"published",
			[]key.Opened{oldKEK, keyOf(key.Encryption, "new", key.Next, 0)},
			[]key.Opened{keyOf(key.BlindIndex, "old", key.Current, 1), keyOf(key.BlindIndex, "new", key.Next, 2)},
		},
		{
			"taken over",
			[]key.Opened{keyOf(key.Encryption, "old", key.Retired, 0), keyOf(key.Encryption, "new", key.Current, 0)},
			[]key.Opened{keyOf(key.BlindIndex, "old", key.Retired, 0), keyOf(key.BlindIndex, "new", key.Current, 2)},
		},
		{
			"without the old ones",
			[]key.Opened{keyOf(key.Encryption, "new", key.Current, 0)},
			[]key.Opened{keyOf(key.BlindIndex, "new", key.Current, 2)},
		},
	}
	withFailures = stage{
		"with failures", stages[2].keks,
		[]key.Opened{keyOf(key.BlindIndex, "old", key.Retired, 1), keyOf(key.BlindIndex, "new", key.Current, 2)},
	}
)

func (s stage) vault(t testing.TB) *vault.Vault {
	t.Helper()
	v, err := vault.New(s.keks, s.indexes, nil)
	must(t, err)
	return v
}

func (s stage) enter(t testing.TB, v *vault.Vault) {
	t.Helper()
	must(t, v.Load(s.keks, s.indexes))
}

func userWith(t testing.TB, id, mail string) *principal.Principal {
	t.Helper()
	s := ada()
	s.ID, s.Email, s.Identities = principal.ID(id), address(t, mail), nil
	return restored(t, s)
}

func adds(t testing.TB, w outbound.UnitOfWork, id string) {
	t.Helper()
	out, err := w.Single().Entry.Register(t.Context(), outbound.Registration{User: userWith(t, id, id+"@example.com")})
	if err != nil || !out.Done {
		t.Errorf("Register %s = %+v, %v", id, out, err)
	}
}

func finds(t testing.TB, w outbound.UnitOfWork, id, when string) {
	t.Helper()
	p, err := w.Single().Principals.ByEmail(t.Context(), id+"@example.com")
	if err != nil || string(p.ID()) != id {
		t.Errorf("%s: ByEmail of %s = %v", when, id, err)
	}
	_, p, err = w.Single().Entry.Look(t.Context(), throttle.Subject{Account: id + "@example.com"})
	if err != nil || p == nil || string(p.ID()) != id {
		t.Errorf("%s: Look for %s = %v", when, id, err)
	}
}

type rekey func(outbound.Rekeying, context.Context, principal.ID, int) (outbound.Batch, error)

// everyone runs a call in batches of 2, and sums up.
func everyone(t testing.TB, w outbound.UnitOfWork, do rekey) (sum outbound.Batch) {
	t.Helper()
	for {
		b, err := do(w.Single().Rekeying, t.Context(), sum.Last, 2)
		must(t, err)
		sum.Seen, sum.Failed = sum.Seen+b.Seen, sum.Failed+b.Failed
		if b.Seen < 2 {
			return sum
		}
		sum.Last = b.Last
	}
}

// Two replicas, one of which is always a stage behind: what one writes, the
// other one finds, and an address is taken for both (F94).
func TestAddressesAreFoundThroughoutAnExchangeOfKeys(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		db := open(t, gorm.Config{URL: url})
		ahead, behind := before.vault(t), before.vault(t)
		a, b := gorm.NewStore(db, ahead), gorm.NewStore(db, behind)
		var known []string
		everybody := func(when string) {
			t.Helper()
			for _, id := range known {
				finds(t, a, id, when+", ahead")
				finds(t, b, id, when+", behind")
				for _, w := range []outbound.UnitOfWork{a, b} {
					err := w.Single().Principals.Add(t.Context(), userWith(t, "x", id+"@example.com"))
					if !errors.Is(err, outbound.ErrTaken) {
						t.Errorf("%s: the address of %s twice = %v, want ErrTaken", when, id, err)
					}
					out, err := w.Single().Entry.Register(t.Context(), outbound.Registration{User: userWith(t, "x", id+"@example.com")})
					if err != nil || out.Done {
						t.Errorf("%s: the address of %s registered twice: %+v, %v", when, id, out, err)
					}
				}
			}
		}
		register := func(when string) {
			t.Helper()
			for i, w := range []outbound.UnitOfWork{a, b} {
				id := fmt.Sprintf("u%d-%d", len(known), i)
				adds(t, w, id)
				known = append(known, id)
				p, err := w.Single().Principals.ByEmail(t.Context(), id+"@example.com")
				must(t, err)
				must(t, w.Single().Principals.Save(t.Context(), p))
			}
			everybody(when)
		}
		register("before")
		for i, s := range stages[1:3] {
			s.enter(t, ahead)
			register(s.name + ", on one replica")
			s.enter(t, behind)
			register(s.name + ", on both")
			if i == 0 {
				if sum := everyone(t, a, outbound.Rekeying.Reindex); sum.Seen != len(known) || sum.Failed != 0 {
					t.Errorf("Reindex = %+v", sum)
				}
				everybody("when all are indexed")
			}
		}
		if sum := everyone(t, a, outbound.Rekeying.Clear); sum.Seen == 0 {
			t.Error("nothing was cleared")
		}
		everyone(t, a, outbound.Rekeying.Rewrap)
		everybody("when the old slot is cleared")
		stages[3].enter(t, ahead)
		stages[3].enter(t, behind)
		everybody("when the old keys are gone")
		if sum := everyone(t, a, outbound.Rekeying.Clear); sum.Seen != 0 {
			t.Errorf("%d old indexes are left", sum.Seen)
		}
	})
}

// spoil makes what u2 has unreadable.
func spoil(t *testing.T, url, column string) {
	t.Helper()
	raw(t, url, func(ctx context.Context, db execer) {
		_, err := db.ExecContext(ctx, "UPDATE principals SET "+column+" = $1 WHERE id = 'u2'", []byte("nobody reads this, since it was never sealed"))
		must(t, err)
	})
}

// A record nobody can read keeps its old key, and what is found by it (F94).
func TestUnreadableRecordsStayAsTheyAre(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		v := before.vault(t)
		w := gorm.NewStore(open(t, gorm.Config{URL: url}), v)
		for _, id := range []string{"u1", "u2", "u3"} {
			adds(t, w, id)
		}
		stages[1].enter(t, v)
		spoil(t, url, "email")
		for range 2 {
			if sum := everyone(t, w, outbound.Rekeying.Reindex); sum.Seen != 3 || sum.Failed != 1 {
				t.Errorf("Reindex = %+v, want 3 seen and 1 failed", sum)
			}
		}
		withFailures.enter(t, v)
		finds(t, w, "u1", "with failures")
		if _, err := w.Single().Principals.ByEmail(t.Context(), "u2@example.com"); fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
			t.Errorf("ByEmail of an unreadable user = %v, want it found and not opened", err)
		}
		if sum := everyone(t, w, outbound.Rekeying.Clear); sum.Seen != 0 {
			t.Errorf("%d indexes were cleared while their key has its slot", sum.Seen)
		}
		spoil(t, url, "data_key")
		if sum := everyone(t, w, outbound.Rekeying.Rewrap); sum.Seen != 3 || sum.Failed != 1 {
			t.Errorf("Rewrap = %+v, want 3 seen and 1 failed", sum)
		}
		stages[3].enter(t, v)
		finds(t, w, "u1", "without the old key")
		finds(t, w, "u3", "without the old key")
	})
}

// Even where no index is believed: the slot may hold what a replica wrote that
// was behind for very long.
func TestReindexReplacesWhatIsWrong(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		v := stages[1].vault(t)
		w := gorm.NewStore(open(t, gorm.Config{URL: url}), v)
		adds(t, w, "u2")
		spoil(t, url, "email_idx_next")
		everyone(t, w, outbound.Rekeying.Reindex)
		stages[3].enter(t, v)
		stages[2].enter(t, v)
		finds(t, w, "u2", "after")
	})
}

// The race a batch loses: the row changes after it was read.
func TestRekeyingTakesNothingBack(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		v := before.vault(t)
		w := gorm.NewStore(open(t, gorm.Config{URL: url}), v)
		adds(t, w, "u1")
		stages[1].enter(t, v)
		p, err := w.Single().Principals.ByID(t.Context(), "u1")
		must(t, err)
		everyone(t, w, outbound.Rekeying.Reindex)
		must(t, w.Single().Principals.Save(t.Context(), p)) // it was read before
		stages[2].enter(t, v)
		everyone(t, w, outbound.Rekeying.Rewrap)
		p, err = w.Single().Principals.ByID(t.Context(), "u1")
		must(t, err)
		must(t, w.Single().Principals.Save(t.Context(), p))
		stages[3].enter(t, v)
		finds(t, w, "u1", "after")
		must(t, w.Single().Principals.Save(t.Context(), restored(t, load(t, w, "u1"))))
	})
}

func load(t testing.TB, w outbound.UnitOfWork, id principal.ID) principal.Snapshot {
	t.Helper()
	p, err := w.Single().Principals.ByID(t.Context(), id)
	must(t, err)
	return p.Snapshot()
}

func TestDevicesAndItemsOutliveTheirIndexKey(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		v := before.vault(t)
		w := gorm.NewStore(open(t, gorm.Config{URL: url}), v)
		adds(t, w, "u1")
		marked := func(when string, want bool) {
			t.Helper()
			known, ever, err := w.Single().Devices.Mark(t.Context(), "u1", "canary device", now, now)
			if err != nil || known != want || ever != want {
				t.Errorf("%s: known %t, ever %t, %v", when, known, ever, err)
			}
		}
		signsIn := func(when string, id session.ID, want bool) {
			t.Helper()
			p, err := w.Single().Principals.ByID(t.Context(), "u1")
			must(t, err)
			alert := mail(string(id), "u1")
			out, err := w.Single().Entry.SignIn(t.Context(), outbound.SignIn{
				Judged: p, Session: signIn(id), Device: "second canary device", Since: now, Alert: &alert,
			})
			if err != nil || !out.Done || out.Owes != want {
				t.Errorf("%s: SignIn = %+v, %v, want an alert: %t", when, out, err, want)
			}
		}
		item := link
		item.Address = address(t, "u1@example.com")
		must(t, w.Single().OneTime.Add(t.Context(), item))
		marked("first", false)
		signsIn("first", "s-first", true)
		for i, s := range stages[1:3] {
			s.enter(t, v)
			signsIn(s.name, session.ID(fmt.Sprint("s-", i)), false)
			marked(s.name, true)
			must(t, w.Single().OneTime.Void(t.Context(), "u1", item.Kind, "u1@example.com", now))
			if i, err := w.Single().OneTime.Find(t.Context(), item.Kind, item.Hash); err != nil || i.State(now) != onetime.Usable {
				t.Errorf("%s: the item of the address that is kept is %v, %v", s.name, i.State(now), err)
			}
		}
		stages[3].enter(t, v)
		everyone(t, w, outbound.Rekeying.Rewrap)
		marked("without the old key", true) // it was marked under the new one
	})
}

// A process that was stopped while a key took over, and goes on, is refused: it
// would write what nobody finds (F94).
func TestWhoHasNotLoadedTheKeyThatTookOverWritesNoAddress(t *testing.T) {
	db := open(t, gorm.Config{URL: pgtest.URL(t)})
	ahead, behind := before.vault(t), before.vault(t)
	a, b := gorm.NewStore(db, ahead), gorm.NewStore(db, behind)
	old, fresh := before.indexes[0].Key, stages[1].indexes[1].Key
	old.CreatedAt, fresh.CreatedAt = now, now
	keep := func(k key.Key) {
		t.Helper()
		must(t, a.Single().Keys.Add(t.Context(), key.Wrapped{Key: k, Material: []byte("wrapped"), WrapperID: "w"}))
	}
	lacking := func(want int) {
		t.Helper()
		if n, err := a.Single().Rekeying.Lacking(t.Context()); err != nil || n != want {
			t.Errorf("Lacking = %d, %v, want %d", n, err, want)
		}
	}
	keep(old)
	adds(t, b, "u1")
	keep(fresh)
	stages[1].enter(t, ahead)
	everyone(t, a, outbound.Rekeying.Reindex)
	lacking(0)
	adds(t, b, "u2")
	lacking(1)
	everyone(t, a, outbound.Rekeying.Reindex)

	register := func(id string) error {
		_, err := b.Single().Entry.Register(t.Context(), outbound.Registration{User: userWith(t, id, id+"@example.com")})
		return err
	}
	late := make(chan error, 1)
	must(t, a.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		if n, err := s.Rekeying.Lacking(ctx); err != nil || n != 0 {
			t.Errorf("Lacking = %d, %v", n, err)
		}
		go func() { late <- register("u3") }() // it waits for us
		retired := old
		retired.State, retired.Slot = key.Retired, key.NoSlot
		return errors.Join(s.Keys.Change(ctx, retired, key.Current), s.Keys.Change(ctx, fresh.Promoted(), key.Next))
	}))
	stages[2].enter(t, ahead)
	p, err := b.Single().Principals.ByID(t.Context(), "u1")
	must(t, err)
	for what, err := range map[string]error{
		"a registration that waited": <-late, "a later one": register("u4"), "a change": b.Single().Principals.Save(t.Context(), p),
	} {
		if fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("%s = %v, want DATABASE_FAILURE", what, err)
		}
	}
	for _, id := range []string{"u1", "u2"} {
		finds(t, a, id, "afterwards")
	}
	stages[2].enter(t, behind)
	adds(t, b, "u5")
	finds(t, a, "u5", "afterwards")
}

// One address that two have keeps the others from nothing (F94).
func TestAnAddressThatTwoHaveIsCountedAndLeftAlone(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		db := open(t, gorm.Config{URL: url})
		v := before.vault(t)
		w, stray := gorm.NewStore(db, v), gorm.NewStore(db, stages[2].vault(t))
		for _, id := range []string{"u1", "u2"} {
			adds(t, w, id)
		}
		must(t, stray.Single().Principals.Add(t.Context(), userWith(t, "u3", "u1@example.com")))
		stages[1].enter(t, v)
		if sum := everyone(t, w, outbound.Rekeying.Reindex); sum.Seen != 3 || sum.Failed != 1 {
			t.Errorf("Reindex = %+v", sum)
		}
		if n, err := w.Single().Rekeying.Lacking(t.Context()); err != nil || n != 1 {
			t.Errorf("Lacking = %d, %v", n, err)
		}
		finds(t, w, "u2", "afterwards")
	})
}
