package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

var keyChecks = []storeCheck{
	{"KeysRoundTripInOrder", keysRoundTripInOrder},
	{"KeyTaken", keyTaken},
	{"OneCurrentKeyOfMany", oneCurrentKeyOfMany},
	{"KeyChangesFromOneStateToAnother", keyChangesFromOneStateToAnother},
	{"KeyChangesOnceOfMany", keyChangesOnceOfMany},
	{"KeyRewrapped", keyRewrapped},
	{"KeyRemoved", keyRemoved},
}

func wrapped(id string, p key.Purpose) key.Wrapped {
	return key.Wrapped{
		Key:      key.Key{ID: id, Purpose: p, Algorithm: "A256GCM", State: key.Current, CreatedAt: at},
		Material: []byte{0, 1, 0xff, 0}, WrapperID: "master-1",
	}
}

func keysRoundTripInOrder(t *testing.T, w work) {
	none, err := w.Single().Keys.All(t.Context())
	if err != nil || len(none) != 0 {
		t.Errorf("All of an empty store = %v, %v", none, err)
	}
	first, next, retired := wrapped("z", key.Signing), wrapped("B", key.Signing), wrapped("a", key.Encryption)
	first.CreatedAt = at.Add(-time.Microsecond)
	next.State, retired.State = key.Next, key.Retired
	next.DueAt, retired.RetiredAt, retired.Slot = at.Add(time.Hour), at.Add(time.Minute), key.SecondSlot
	for _, k := range []key.Wrapped{retired, next, first} {
		must(t, w.Single().Keys.Add(t.Context(), k))
	}
	got, err := w.Single().Keys.All(t.Context())
	must(t, err)
	want := []key.Wrapped{first, next, retired}
	for _, list := range [][]key.Wrapped{got, want} {
		for i := range list {
			inUTC(&list[i].CreatedAt, &list[i].DueAt, &list[i].RetiredAt)
		}
	}
	same(t, "keys", got, want)
	for i := range min(len(got), len(want)) {
		same(t, "material", got[i].Material, want[i].Material)
	}
}

func keyTaken(t *testing.T, w work) {
	must(t, w.Single().Keys.Add(t.Context(), wrapped("k1", key.Signing)))
	next, slot := wrapped("k2", key.Signing), wrapped("k3", key.BlindIndex)
	next.State, slot.Slot = key.Next, key.FirstSlot
	must(t, w.Single().Keys.Add(t.Context(), next))
	must(t, w.Single().Keys.Add(t.Context(), slot))
	must(t, w.Single().Keys.Add(t.Context(), wrapped("k4", key.Encryption)))
	sameID, current, second, sameSlot := wrapped("k1", key.Encryption), wrapped("k5", key.Signing), next, slot
	sameID.State, second.ID, sameSlot.ID, sameSlot.State = key.Retired, "k6", "k7", key.Retired
	for _, k := range []key.Wrapped{sameID, current, second, sameSlot} {
		if err := w.Single().Keys.Add(t.Context(), k); !errors.Is(err, outbound.ErrTaken) {
			t.Errorf("Add(%s, %s) = %v, want ErrTaken", k.ID, k.Purpose, err)
		}
	}
	free := sameSlot
	free.Slot = key.SecondSlot
	must(t, w.Single().Keys.Add(t.Context(), free))
}

// Replicas that start at once each make a whole set.
func oneCurrentKeyOfMany(t *testing.T, w work) {
	var added atomic.Int32
	race(crowd, func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			for _, p := range key.Purposes() {
				if err := s.Keys.Add(ctx, wrapped(fmt.Sprintf("%s-%d", p, i), p)); err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case err == nil:
			added.Add(1)
		case !errors.Is(err, outbound.ErrTaken):
			t.Errorf("Add = %v, want nil or ErrTaken", err)
		}
	})
	all, err := w.Single().Keys.All(t.Context())
	if err != nil || added.Load() != 1 || len(all) != len(key.Purposes()) {
		t.Errorf("%d of %d replicas made keys, %d in all, %v", added.Load(), crowd, len(all), err)
	}
}

// storedKey returns a key as stored.
func storedKey(t *testing.T, w work, id string) key.Wrapped {
	t.Helper()
	all, err := w.Single().Keys.All(t.Context())
	must(t, err)
	for _, k := range all {
		if k.ID == id {
			inUTC(&k.CreatedAt, &k.DueAt, &k.RetiredAt)
			return k
		}
	}
	t.Fatalf("there is no key %s", id)
	return key.Wrapped{}
}

func keyChangesFromOneStateToAnother(t *testing.T, w work) {
	keys := w.Single().Keys
	old, next := wrapped("old", key.BlindIndex), wrapped("next", key.BlindIndex)
	old.Slot, next.Slot, next.State = key.FirstSlot, key.SecondSlot, key.Next
	must(t, keys.Add(t.Context(), old))
	must(t, keys.Add(t.Context(), next))
	for why, err := range map[string]error{
		"of another state":       keys.Change(t.Context(), old.Retire(at), key.Next),
		"that is not there":      keys.Change(t.Context(), key.Key{ID: "gone", State: key.Current}, key.Current),
		"into an office":         keys.Change(t.Context(), next.Promoted(), key.Next),
		"into the slot of other": keys.Change(t.Context(), inSlot(next.Key, key.FirstSlot), key.Next),
	} {
		want := outbound.ErrStale
		if why[:4] == "into" {
			want = outbound.ErrTaken
		}
		if !errors.Is(err, want) {
			t.Errorf("Change of a key %s = %v, want %v", why, err, want)
		}
	}
	due := next.Key
	due.DueAt = at.Add(time.Hour)
	must(t, keys.Change(t.Context(), due, key.Next))
	within(t, w, func(ctx context.Context, s stores) error {
		return errors.Join(s.Keys.Change(ctx, inSlot(old.Retire(at), key.NoSlot), key.Current), s.Keys.Change(ctx, due.Promoted(), key.Next))
	})
	gone, now := storedKey(t, w, "old"), storedKey(t, w, "next")
	if gone.State != key.Retired || gone.Slot != key.NoSlot || !gone.RetiredAt.Equal(at) {
		t.Errorf("retired key = %+v", gone.Key)
	}
	if now.State != key.Current || now.Slot != key.SecondSlot || !now.DueAt.IsZero() || !now.RetiredAt.IsZero() {
		t.Errorf("current key = %+v", now.Key)
	}
	same(t, "material", now.Material, next.Material)
}

func inSlot(k key.Key, s key.Slot) key.Key {
	k.Slot = s
	return k
}

func keyChangesOnceOfMany(t *testing.T, w work) {
	must(t, w.Single().Keys.Add(t.Context(), wrapped("k1", key.Signing)))
	var won atomic.Int32
	race(crowd, func(int) {
		switch err := w.Single().Keys.Change(t.Context(), wrapped("k1", key.Signing).Retire(at), key.Current); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, outbound.ErrStale):
			t.Errorf("Change = %v, want nil or ErrStale", err)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d of %d retired one key, want 1", won.Load(), crowd)
	}
}

func keyRewrapped(t *testing.T, w work) {
	keys, old := w.Single().Keys, wrapped("k1", key.Signing)
	must(t, keys.Add(t.Context(), old))
	anew, other := old, old
	anew.Material, anew.WrapperID = []byte{9, 0, 9}, "master-2"
	other.Material = []byte{8}
	must(t, keys.Rewrap(t.Context(), old, anew))
	if got := storedKey(t, w, "k1"); got.WrapperID != "master-2" || string(got.Material) != string(anew.Material) || got.State != key.Current {
		t.Errorf("stored %+v", got)
	}
	for _, stale := range []key.Wrapped{old, other, wrapped("gone", key.Signing)} {
		if err := keys.Rewrap(t.Context(), stale, anew); !errors.Is(err, outbound.ErrStale) {
			t.Errorf("Rewrap of what is not stored = %v, want ErrStale", err)
		}
	}
}

func keyRemoved(t *testing.T, w work) {
	keys := w.Single().Keys
	must(t, keys.Add(t.Context(), wrapped("k1", key.Signing)))
	must(t, keys.Add(t.Context(), wrapped("k2", key.Encryption)))
	must(t, keys.Remove(t.Context(), "k1"))
	if err := keys.Remove(t.Context(), "k1"); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("Remove of a key that is gone = %v, want ErrNotFound", err)
	}
	all, err := keys.All(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "k2" {
		t.Errorf("left are %v, %v", all, err)
	}
}
