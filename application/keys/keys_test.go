package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	app "gatehouse/application/keys"
	"gatehouse/application/password/passwordtest"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

var errLocked = errors.New("message authentication failed")

// safe makes keys that can be read, and wraps them for one master key.
type safe struct {
	master string
	made   atomic.Int32
	fails  key.Purpose
	mute   atomic.Bool // nothing can be wrapped
	deaf   atomic.Bool // nothing can be unwrapped
}

func (s *safe) NewKey(p key.Purpose) (string, key.Material, error) {
	if p == s.fails {
		return "", key.Material{}, io.ErrUnexpectedEOF
	}
	return "alg of " + string(p), key.NewMaterial(fmt.Append(nil, "material ", s.made.Add(1))), nil
}

func (s *safe) Wrap(_ context.Context, k key.Key, m key.Material) (key.Wrapped, error) {
	if s.mute.Load() {
		return key.Wrapped{}, io.ErrClosedPipe
	}
	return key.Wrapped{Key: k, Material: []byte(s.master + "|" + k.ID + "|" + string(m.Bytes())), WrapperID: s.master}, nil
}

func (s *safe) Unwrap(_ context.Context, w key.Wrapped) (key.Material, error) {
	m, ok := bytes.CutPrefix(w.Material, []byte(s.master+"|"+w.ID+"|"))
	if !ok || s.deaf.Load() {
		return key.Material{}, errLocked
	}
	return key.NewMaterial(m), nil
}

func (s *safe) Rewrap(ctx context.Context, w key.Wrapped) (key.Wrapped, error) {
	_, err := s.Unwrap(ctx, w)
	return w, err
}

// world is an empty store beside a safe.
type world struct {
	work *passwordtest.Work
	safe *safe
	ids  atomic.Int32
}

func newWorld() *world {
	return &world{work: &passwordtest.Work{UnitOfWork: memory.New()}, safe: &safe{master: "master-1"}}
}

func (w *world) keeper() *app.Keeper { return w.keeperWith(w.safe) }

var rotateKeys = inbound.RotateKeys{}

func killKey(id string) inbound.KillKey { return inbound.KillKey{ID: id} }

func (w *world) keeperWith(wrapper outbound.KeyWrapper) *app.Keeper {
	return app.NewKeeper(app.KeeperDeps{
		Work: w.work, Maker: w.safe, Wrapper: wrapper, Now: func() time.Time { return noon },
		NewID: func() string { return fmt.Sprintf("kid-%d", w.ids.Add(1)) },
	})
}

func (w *world) stored(t *testing.T) []key.Wrapped {
	t.Helper()
	all, err := w.work.UnitOfWork.Single().Keys.All(t.Context())
	check(t, err)
	return all
}

func (w *world) add(t *testing.T, id string, p key.Purpose, s key.State) {
	t.Helper()
	wrapped, err := w.safe.Wrap(t.Context(), key.Key{ID: id, Purpose: p, Algorithm: "x", State: s, CreatedAt: noon.Add(-time.Hour)}, key.NewMaterial([]byte("material of "+id)))
	check(t, err)
	check(t, w.work.UnitOfWork.Single().Keys.Add(t.Context(), wrapped))
}

func TestEveryPurposeGetsACurrentKeyOnce(t *testing.T) {
	w := newWorld()
	w.add(t, "retired", key.Signing, key.Retired)
	w.add(t, "next", key.Signing, key.Next)
	w.add(t, "present", key.BlindIndex, key.Current)
	for range 2 {
		check(t, w.keeper().Ensure(t.Context()))
	}
	var current []string
	for _, k := range w.stored(t) {
		if k.State == key.Current {
			current = append(current, fmt.Sprint(k.Purpose, " ", k.ID, " ", k.Algorithm, " ", k.WrapperID))
		}
		if strings.HasPrefix(k.ID, "kid-") && !k.CreatedAt.Equal(noon) {
			t.Errorf("%s was made at %v", k.ID, k.CreatedAt)
		}
	}
	slices.Sort(current)
	want := []string{"blind_index present x master-1", "encryption kid-2 alg of encryption master-1", "signing kid-1 alg of signing master-1"}
	if !slices.Equal(current, want) || len(w.stored(t)) != 5 {
		t.Errorf("current keys %q, want %q", current, want)
	}
}

// Born together, they are in every key set that is ever published.
func TestTheFirstSigningKeysAreOfOneAge(t *testing.T) {
	w := newWorld()
	check(t, w.keeper().Ensure(t.Context()))
	ring := key.Ring{}
	for _, k := range w.stored(t) {
		ring = append(ring, k.Key)
	}
	current, _ := ring.In(key.Signing, key.Current)
	next, ok := ring.In(key.Signing, key.Next)
	if !ok || next.ID == current.ID || key.SignsFrom(current, next).After(noon) {
		t.Errorf("current %+v, next %+v", current, next)
	}
	if index, _ := ring.In(key.BlindIndex, key.Current); index.Slot != key.FirstSlot {
		t.Errorf("the first blind-index key has slot %d", index.Slot)
	}
}

func TestLoadOpensEveryKey(t *testing.T) {
	w := newWorld()
	w.add(t, "b", key.Signing, key.Retired)
	w.add(t, "a", key.Signing, key.Current)
	got, err := w.keeper().Load(t.Context())
	check(t, err)
	if len(got) != 2 || got[0].ID != "a" || got[1].ID != "b" || string(got[1].Material.Bytes()) != "material of b" || got[1].State != key.Retired {
		t.Errorf("Load = %v", got)
	}
}

func TestAnotherMasterKeyIsNamedAndMakesNoKey(t *testing.T) {
	w := newWorld()
	w.add(t, "present", key.Signing, key.Current)
	w.safe.master = "master-2"
	_, loaded := w.keeper().Load(t.Context())
	ensured := w.keeper().Ensure(t.Context())
	for what, err := range map[string]error{"Load": loaded, "Ensure": ensured} {
		if !errors.Is(err, app.ErrNotOpened) || !errors.Is(err, errLocked) {
			t.Errorf("%s = %v", what, err)
		}
		for _, part := range []string{"signing", "present", "master-1", "master key"} {
			if !strings.Contains(fmt.Sprint(err), part) {
				t.Errorf("%s = %v, which does not say %q", what, err, part)
			}
		}
		if strings.Contains(fmt.Sprint(err), "material of") {
			t.Errorf("%s tells a key", what)
		}
	}
	if len(w.stored(t)) != 1 {
		t.Errorf("stored %v", w.stored(t))
	}
}

func TestReplicasThatStartAtOnceShareTheirKeys(t *testing.T) {
	w := newWorld()
	var all sync.WaitGroup
	loaded := make([][]key.Opened, 50)
	for i := range loaded {
		all.Go(func() {
			k := w.keeper()
			if err := k.Ensure(t.Context()); err != nil {
				t.Errorf("Ensure = %v", err)
			}
			var err error
			if loaded[i], err = k.Load(t.Context()); err != nil {
				t.Errorf("Load = %v", err)
			}
		})
	}
	all.Wait()
	for _, keys := range loaded {
		if len(keys) != len(key.Purposes())+1 { // the next signing key
			t.Fatalf("a replica has %d keys", len(keys))
		}
		for i := range keys {
			if keys[i].Key != loaded[0][i].Key || !bytes.Equal(keys[i].Material.Bytes(), loaded[0][i].Material.Bytes()) {
				t.Fatalf("replicas have %v and %v", keys[i].Key, loaded[0][i].Key)
			}
		}
	}
}

func TestEnsurePassesFailuresOn(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld()
		w.work.FailAt, w.work.Err = n, fault.New(fault.DatabaseFailure)
		err := w.keeper().Ensure(t.Context())
		if err == nil {
			if n-1 != 6 { // look, four keys, look again
				t.Errorf("%d calls could fail", n-1)
			}
			break
		}
		if !errors.Is(err, fault.DatabaseFailure) {
			t.Errorf("Ensure = %v", err)
		}
	}
	unmade, unwrapped := newWorld(), newWorld()
	unmade.safe.fails = key.Encryption
	unwrapped.safe.mute.Store(true)
	if err := unmade.keeper().Ensure(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "encryption") {
		t.Errorf("Ensure = %v", err)
	}
	if err := unwrapped.keeper().Ensure(t.Context()); !errors.Is(err, io.ErrClosedPipe) || len(unwrapped.stored(t)) > 0 {
		t.Errorf("Ensure = %v", err)
	}
}

// Keys that are taken by nobody who can be seen must not keep a start going
// forever.
func TestEnsureGivesUp(t *testing.T) {
	w := newWorld()
	k := app.NewKeeper(app.KeeperDeps{
		Work: w.work, Maker: w.safe, Wrapper: w.safe, Now: func() time.Time { return noon },
		NewID: func() string { return "taken" },
	})
	w.add(t, "taken", key.Signing, key.Retired)
	if err := k.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "signing") {
		t.Errorf("Ensure = %v", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
