package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/avatar"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

var fileChecks = []storeCheck{
	{"StagedFilesAreNobodysUntilSwapped", stagedFilesAreNobodys},
	{"SwapLetsGoOfWhatWasThere", swapLetsGo},
	{"SwapTakesAllOrNothing", swapTakesAllOrNothing},
	{"FilesHaveOneWinner", filesHaveOneWinner},
	{"UnwantedFilesArePaged", unwantedFilesArePaged},
	{"ForgetLeavesWhatIsSomebodys", forgetLeavesWhatIsSomebodys},
	{"DeleteOrphansFiles", deleteOrphansFiles},
	{"AvatarsAreKeptAndTaken", avatarsAreKeptAndTaken},
}

// portrait is an avatar with nothing left out.
func portrait(key string) avatar.Avatar {
	p := avatar.Picture{Type: avatar.PNG}
	for i, s := range avatar.Sizes() {
		p.Renditions[s] = avatar.Pixels{Side: s.Longest() - 1, Content: make([]byte, 1000+i)}
	}
	return avatar.New("0198c0de-7a11-7b2c-9d3e-4f5061728394", "first", p, at).Show(key, p, at.Add(time.Minute))
}

func stage(t *testing.T, w work, until time.Time, all ...avatar.File) {
	t.Helper()
	must(t, w.Single().Files.Stage(t.Context(), until, all...))
}

func keysOf(all []avatar.File) (keys []string) {
	for _, f := range all {
		keys = append(keys, f.Key)
	}
	return keys
}

func swap(t *testing.T, w work, of principal.ID, keys ...string) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error { return s.Files.Swap(ctx, of, at, keys...) })
}

// unwanted lists all files that are to be removed at an instant.
func unwanted(t *testing.T, w work, now time.Time) []string {
	t.Helper()
	keys, err := w.Single().Files.Unwanted(t.Context(), now, "", 100)
	must(t, err)
	return append([]string(nil), keys...) // nil for none, whatever the store says
}

func isNobodys(t *testing.T, w work, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if f, err := w.Single().Files.ByKey(t.Context(), key); !errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("%s is found: %+v (%v)", key, f, err)
		}
	}
}

func isSomebodys(t *testing.T, w work, all ...avatar.File) {
	t.Helper()
	for _, want := range all {
		f, err := w.Single().Files.ByKey(t.Context(), want.Key)
		must(t, err)
		same(t, "file", f, want)
	}
}

func stagedFilesAreNobodys(t *testing.T, w work) {
	add(t, w, user("u1"))
	all := portrait("k").Files()
	stage(t, w, at.Add(time.Hour), all...)
	isNobodys(t, w, append(keysOf(all), "unknown", "")...)
	same(t, "unwanted too early", unwanted(t, w, at.Add(time.Hour-time.Microsecond)), nil)
	sorted := slices.Sorted(slices.Values(keysOf(all)))
	same(t, "unwanted in time", unwanted(t, w, at.Add(time.Hour)), sorted)
	swap(t, w, "u1", keysOf(all)...)
	isSomebodys(t, w, all...)
	same(t, "unwanted afterwards", unwanted(t, w, at.Add(1000*time.Hour)), nil)
	if err := w.Single().Files.Stage(t.Context(), at, all[0]); !errors.Is(err, outbound.ErrTaken) {
		t.Errorf("stage what is known: %v, want ErrTaken", err)
	}
}

func swapLetsGo(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	first, second, others := portrait("a").Files(), portrait("b").Files(), portrait("c").Files()
	stage(t, w, at.Add(time.Hour), slices.Concat(first, second, others)...)
	swap(t, w, "u2", keysOf(others)...)
	swap(t, w, "u1", keysOf(first)...)
	swap(t, w, "u1", keysOf(second)...)
	isNobodys(t, w, keysOf(first)...)
	isSomebodys(t, w, append(second, others...)...)
	same(t, "unwanted", unwanted(t, w, at), slices.Sorted(slices.Values(keysOf(first))))
	swap(t, w, "u1")
	isNobodys(t, w, keysOf(second)...)
	isSomebodys(t, w, others...)
	if got := unwanted(t, w, at); len(got) != 6 {
		t.Errorf("unwanted: %v", got)
	}
}

func swapTakesAllOrNothing(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	theirs, mine := portrait("theirs").Files(), portrait("mine").Files()
	stage(t, w, at.Add(time.Hour), slices.Concat(theirs, mine)...)
	stage(t, w, at, avatar.File{Key: "late", Type: avatar.PNG, Bytes: 1})
	swap(t, w, "u2", keysOf(theirs)...)
	swap(t, w, "u1", mine[0].Key)
	for name, key := range map[string]string{"somebody else's": theirs[0].Key, "to be removed": "late", "unknown": "never", "already theirs": mine[0].Key} {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			return s.Files.Swap(ctx, "u1", at, mine[1].Key, key)
		})
		if !errors.Is(err, outbound.ErrStale) {
			t.Errorf("%s: %v, want ErrStale", name, err)
		}
		isSomebodys(t, w, mine[0])
		isNobodys(t, w, mine[1].Key)
	}
	isSomebodys(t, w, theirs...)
}

func filesHaveOneWinner(t *testing.T, w work) {
	ids := make([]principal.ID, 5)
	for i := range ids {
		ids[i] = principal.ID(fmt.Sprint("u", i))
		add(t, w, user(string(ids[i])))
	}
	all := portrait("k").Files()
	stage(t, w, at.Add(time.Hour), all...)
	var won, lost atomic.Int32
	race(len(ids), func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			if _, err := s.Principals.ByID(ctx, ids[i]); err != nil {
				return err
			}
			return s.Files.Swap(ctx, ids[i], at, keysOf(all)...)
		})
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, outbound.ErrStale):
			lost.Add(1)
		default:
			t.Errorf("swap: %v", err)
		}
	})
	if won.Load() != 1 || lost.Load() != int32(len(ids)-1) {
		t.Errorf("%d have the files, and %d have not", won.Load(), lost.Load())
	}
	isSomebodys(t, w, all...)
}

func unwantedFilesArePaged(t *testing.T, w work) {
	var all []avatar.File
	for i := range 7 {
		all = append(all, avatar.File{Key: fmt.Sprint("k", i), Type: avatar.JPEG, Bytes: 1})
	}
	stage(t, w, at, all...)
	var found []string
	for after := ""; ; {
		some, err := w.Single().Files.Unwanted(t.Context(), at, after, 3)
		must(t, err)
		if len(some) > 3 {
			t.Fatalf("%d at once", len(some))
		}
		if found = append(found, some...); len(some) < 3 {
			break
		}
		after = some[len(some)-1]
	}
	same(t, "unwanted", found, keysOf(all))
}

func forgetLeavesWhatIsSomebodys(t *testing.T, w work) {
	add(t, w, user("u1"))
	all := portrait("k").Files()
	stage(t, w, at.Add(time.Hour), all...)
	swap(t, w, "u1", all[0].Key)
	must(t, w.Single().Files.Forget(t.Context(), append(keysOf(all), "unknown")...))
	isSomebodys(t, w, all[0])
	same(t, "unwanted", unwanted(t, w, at.Add(time.Hour)), nil)
	stage(t, w, at, all[1]) // it is not known any more
}

func deleteOrphansFiles(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	mine, theirs := portrait("a").Files(), portrait("b").Files()
	stage(t, w, at.Add(time.Hour), slices.Concat(mine, theirs)...)
	swap(t, w, "u1", keysOf(mine)...)
	swap(t, w, "u2", keysOf(theirs)...)
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Delete(ctx, "u1") })
	isNobodys(t, w, keysOf(mine)...)
	isSomebodys(t, w, theirs...)
	same(t, "unwanted", unwanted(t, w, at), slices.Sorted(slices.Values(keysOf(mine))))
}

func avatarsAreKeptAndTaken(t *testing.T, w work) {
	add(t, w, user("u1"))
	for _, want := range []avatar.Avatar{portrait("another"), {}} {
		within(t, w, func(ctx context.Context, s stores) error {
			p, err := s.Principals.ByID(ctx, "u1")
			if err != nil {
				return err
			}
			p.SetAvatar(want)
			return s.Principals.Save(ctx, p)
		})
		got := load(t, w, "u1").Avatar
		inUTC(&got.CreatedAt, &got.UpdatedAt, &want.CreatedAt, &want.UpdatedAt)
		same(t, "avatar", got, want)
	}
}
