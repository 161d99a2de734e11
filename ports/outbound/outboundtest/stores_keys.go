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
	for _, k := range []key.Wrapped{retired, next, first} {
		must(t, w.Single().Keys.Add(t.Context(), k))
	}
	got, err := w.Single().Keys.All(t.Context())
	must(t, err)
	want := []key.Wrapped{first, next, retired}
	for _, list := range [][]key.Wrapped{got, want} {
		for i := range list {
			inUTC(&list[i].CreatedAt)
		}
	}
	same(t, "keys", got, want)
	for i := range min(len(got), len(want)) {
		same(t, "material", got[i].Material, want[i].Material)
	}
}

func keyTaken(t *testing.T, w work) {
	must(t, w.Single().Keys.Add(t.Context(), wrapped("k1", key.Signing)))
	sameID, rival, next := wrapped("k1", key.Encryption), wrapped("k2", key.Signing), wrapped("k3", key.Signing)
	next.State = key.Next
	for _, k := range []key.Wrapped{sameID, rival} {
		if err := w.Single().Keys.Add(t.Context(), k); !errors.Is(err, outbound.ErrTaken) {
			t.Errorf("Add(%s, %s) = %v, want ErrTaken", k.ID, k.Purpose, err)
		}
	}
	must(t, w.Single().Keys.Add(t.Context(), next))
	must(t, w.Single().Keys.Add(t.Context(), wrapped("k4", key.Encryption)))
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
