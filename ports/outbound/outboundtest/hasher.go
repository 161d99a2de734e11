package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

// Hasher runs the suite of [outbound.Hasher]. open returns a cheap hasher that
// gives out so many turns at a time and lets so many callers wait. It is called
// inside of a synctest bubble.
func Hasher(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, func(t *testing.T, turns, places int) outbound.Hasher)
	}{
		{"MatchesOnlyItsOwn", matchesOnlyItsOwn},
		{"SaltsEveryHash", saltsEveryHash},
		{"NobodysHashNeverMatches", nobodysHashNeverMatches},
		{"TooLongNeverMatches", tooLongNeverMatches},
		{"ForeignHashIsAFailure", foreignHashIsAFailure},
		{"HashesAlikeForOneSalt", hashesAlikeForOneSalt},
		{"TurnsEndOnce", turnsEndOnce},
		{"NoTurnForTheDead", noTurnForTheDead},
		{"GivesTurnsInOrder", givesTurnsInOrder},
		{"RefusesWhenTooManyWait", refusesWhenTooManyWait},
		{"OneNetworkHasHalfThePlaces", oneNetworkHasHalfThePlaces},
		{"WhoLeavesFreesThePlace", whoLeavesFreesThePlace},
		{"NoTurnIsLostOnWhoLeaves", noTurnIsLostOnWhoLeaves},
		{"NeverMoreTurnsThanAllowed", neverMoreTurnsThanAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, open) })
		})
	}
}

func admit(t *testing.T, h outbound.Hasher) outbound.Turn {
	t.Helper()
	turn, err := h.Admit(t.Context(), "192.0.2.0/24")
	if err != nil {
		t.Fatalf("Admit = %v", err)
	}
	t.Cleanup(turn.Done)
	return turn
}

func hash(t *testing.T, turn outbound.Turn, s string) password.Hash {
	t.Helper()
	h, err := turn.Hash(password.NewPlain(s))
	if err != nil || h.IsZero() {
		t.Fatalf("Hash(%q) = %v, zero %v", s, err, h.IsZero())
	}
	return h
}

func matchesOnlyItsOwn(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	turn := admit(t, open(t, 1, 0))
	long := strings.Repeat("a", 4096)
	for _, c := range []struct {
		made, tried string
		want        bool
	}{
		{"Tr4in-Station", "Tr4in-Station", true},
		{"Tr4in-Station", "tr4in-Station", false},
		{"Tr4in-Station", "Tr4in-Station\x00", false},
		{"Tr4in-Station", " Tr4in-Station", false},
		{"Tr4in-Station", "", false},
		{"Tr4in\x00-Station", "Tr4in\x00-Station", true},
		{"Tr4in\x00-Station", "Tr4in\x00-Stations", false},
		{"caf\u00e9", "cafe\u0301", true},
		{"caf\u00e9", "cafe", false},
		{long, long, true},
		{long, long[:4095] + "b", false},
		{long[:73], long[:72], false},
	} {
		ok, outdated, err := turn.Matches(password.NewPlain(c.tried), hash(t, turn, c.made))
		if err != nil || ok != c.want || outdated {
			t.Errorf("Matches of %.20q with %.20q = %v, %v, %v, want %v", c.tried, c.made, ok, outdated, err, c.want)
		}
	}
}

func saltsEveryHash(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	turn := admit(t, open(t, 1, 0))
	if first, second := hash(t, turn, "same"), hash(t, turn, "same"); first.Equal(second) {
		t.Error("two hashes of one password are equal")
	}
}

func nobodysHashNeverMatches(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	turn := admit(t, open(t, 1, 0))
	for _, p := range []password.Plain{{}, password.NewPlain(""), password.NewPlain("nobody"), password.NewPlain("Tr4in-Station")} {
		if ok, outdated, err := turn.Matches(p, password.Hash{}); ok || outdated || err != nil {
			t.Errorf("Matches with nobody's hash = %v, %v, %v, want false", ok, outdated, err)
		}
	}
}

func tooLongNeverMatches(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	turn := admit(t, open(t, 1, 0))
	long := password.NewPlain(strings.Repeat("a", 1<<20))
	if h, err := turn.Hash(long); fault.CodeOf(err) != fault.HashFailure || !h.IsZero() {
		t.Errorf("Hash of a password that is too long = %v, want HASH_FAILURE alone", err)
	}
	for _, h := range []password.Hash{{}, hash(t, turn, ""), hash(t, turn, "Tr4in-Station")} {
		if ok, outdated, err := turn.Matches(long, h); ok || outdated || err != nil {
			t.Errorf("Matches of a password that is too long = %v, %v, %v, want false", ok, outdated, err)
		}
	}
}

func foreignHashIsAFailure(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	turn := admit(t, open(t, 1, 0))
	const salt, output = "c2FsdHNhbHQ", "a2V5a2V5a2V5a2V5a2V5a2V5"
	for _, foreign := range []string{
		"plain text", "$argon2id$v=19$m=64", "$2x$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", "$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + output,
		"$argon2id$v=19$m=99999999,t=1,p=1$" + salt + "$" + output, "$argon2id$v=19$m=64,t=99999999,p=1$" + salt + "$" + output,
		"$argon2id$v=19$m=65536,t=1,p=255$" + salt + "$" + output, "$argon2id$v=19$m=64,t=1,p=1$$" + output,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + strings.Repeat("a2V5", 1<<18),
	} {
		ok, outdated, err := turn.Matches(password.NewPlain("x"), password.NewHash(foreign))
		if ok || outdated || fault.CodeOf(err) != fault.HashFailure {
			t.Errorf("Matches with %.60q = %v, %v, %v, want HASH_FAILURE", foreign, ok, outdated, err)
		} else if strings.Contains(err.Error(), foreign) || strings.Contains(err.Error(), salt) {
			t.Errorf("Matches with %.60q tells the hash: %v", foreign, err)
		}
		made, err := turn.HashLike(password.NewPlain("x"), password.NewHash(foreign))
		if !made.IsZero() || fault.CodeOf(err) != fault.HashFailure {
			t.Errorf("HashLike %.60q = %v, want HASH_FAILURE alone", foreign, err)
		} else if strings.Contains(err.Error(), foreign) || strings.Contains(err.Error(), salt) {
			t.Errorf("HashLike %.60q tells the hash: %v", foreign, err)
		}
	}
}

func hashesAlikeForOneSalt(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	turn := admit(t, open(t, 1, 0))
	first := hash(t, turn, "K7QXBTM2ZD")
	like := func(s string) password.Hash {
		h, err := turn.HashLike(password.NewPlain(s), first)
		must(t, err)
		return h
	}
	if !like("K7QXBTM2ZD").Equal(first) {
		t.Error("what a hash was made of gives another hash with its salt")
	}
	second := like("9WERTYUPAS")
	if second.Equal(first) || !like("9WERTYUPAS").Equal(second) {
		t.Error("one salt does not tell one text from another")
	}
	if ok, outdated, err := turn.Matches(password.NewPlain("9WERTYUPAS"), second); !ok || outdated || err != nil {
		t.Errorf("Matches with a hash that shares its salt = %v, %v, %v", ok, outdated, err)
	}
	if h, err := turn.HashLike(password.NewPlain("x"), password.Hash{}); !h.IsZero() || fault.CodeOf(err) != fault.HashFailure {
		t.Errorf("HashLike nobody's = %v, want HASH_FAILURE alone", err)
	}
	long := password.NewPlain(strings.Repeat("a", 1<<20))
	if h, err := turn.HashLike(long, first); !h.IsZero() || fault.CodeOf(err) != fault.HashFailure {
		t.Errorf("HashLike of what is too long = %v, want HASH_FAILURE alone", err)
	}
}

func turnsEndOnce(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	h := open(t, 1, 1)
	turn := admit(t, h)
	made := hash(t, turn, "Tr4in-Station")
	turn.Done()
	turn.Done() // were it twice, there would be two turns now
	admit(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := h.Admit(ctx, "192.0.2.0/24"); err == nil {
		t.Error("Done twice made two turns of one")
	}
	if _, err := turn.Hash(password.NewPlain("x")); fault.CodeOf(err) != fault.HashFailure {
		t.Errorf("Hash after Done = %v, want HASH_FAILURE", err)
	}
	if _, err := turn.HashLike(password.NewPlain("x"), made); fault.CodeOf(err) != fault.HashFailure {
		t.Errorf("HashLike after Done = %v, want HASH_FAILURE", err)
	}
	if ok, _, err := turn.Matches(password.NewPlain("Tr4in-Station"), made); ok || fault.CodeOf(err) != fault.HashFailure {
		t.Errorf("Matches after Done = %v, %v, want HASH_FAILURE", ok, err)
	}
}

func noTurnForTheDead(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	h := open(t, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	turn, err := h.Admit(ctx, "192.0.2.0/24")
	must(t, err)
	cancel()
	if _, err := turn.Hash(password.NewPlain("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash for a caller who has hung up = %v, want Canceled", err)
	}
	turn.Done()
	if _, err := h.Admit(ctx, "192.0.2.0/24"); !errors.Is(err, context.Canceled) {
		t.Errorf("Admit for a caller who has hung up = %v, want Canceled", err)
	}
	admit(t, h)
}

// arrival is a caller who may have to wait.
type arrival struct {
	done chan struct{} // closed when turn or err is there
	turn outbound.Turn
	err  error
}

func (a *arrival) waits() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

func arrive(ctx context.Context, h outbound.Hasher, network string) *arrival {
	a := &arrival{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.turn, a.err = h.Admit(ctx, network)
	}()
	synctest.Wait()
	return a
}

func (a *arrival) refused(t *testing.T, why string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](a.err)
	if !ok || f.Code() != fault.ServiceOverloaded || f.Wait() < time.Second || f.Wait()%time.Second != 0 {
		t.Errorf("Admit %s = %v, want SERVICE_OVERLOADED and whole seconds to wait", why, a.err)
	}
}

func givesTurnsInOrder(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	h := open(t, 2, 40)
	first, second := admit(t, h), admit(t, h)
	var line []*arrival
	for i := range 20 {
		line = append(line, arrive(t.Context(), h, fmt.Sprint("network ", i%2)))
	}
	for i, a := range line {
		if slices.ContainsFunc(line[i:], func(a *arrival) bool { return !a.waits() }) {
			t.Fatalf("somebody behind number %d was let in", i)
		}
		first.Done()
		synctest.Wait()
		if a.turn == nil {
			t.Fatalf("number %d was not let in: %v", i, a.err)
		}
		first, second = second, a.turn
	}
	first.Done()
	second.Done()
}

func refusesWhenTooManyWait(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	for _, places := range []int{0, 1, 2, 5} {
		h := open(t, 1, places)
		turn := admit(t, h)
		var line []*arrival
		for i := range places {
			line = append(line, arrive(t.Context(), h, fmt.Sprint("network ", i)))
		}
		for range 3 {
			arrive(t.Context(), h, "another network").refused(t, fmt.Sprintf("when %d of %d wait", places, places))
		}
		for i, a := range line {
			turn.Done()
			synctest.Wait()
			if a.turn == nil {
				t.Fatalf("number %d of %d was not let in: %v", i, places, a.err)
			}
			turn = a.turn
		}
		turn.Done()
		if a := arrive(t.Context(), h, "another network"); a.err != nil {
			t.Errorf("Admit when nobody waits any more = %v", a.err)
		} else {
			a.turn.Done()
		}
	}
}

func oneNetworkHasHalfThePlaces(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	h := open(t, 1, 4)
	turn := admit(t, h) // which is no place to wait
	line := []*arrival{arrive(t.Context(), h, "crowd"), arrive(t.Context(), h, "crowd")}
	arrive(t.Context(), h, "crowd").refused(t, "from a network with half the places")
	line = append(line, arrive(t.Context(), h, "someone"), arrive(t.Context(), h, "someone else"))
	for _, a := range line {
		turn.Done()
		synctest.Wait()
		if a.turn == nil {
			t.Fatalf("somebody was not let in: %v", a.err)
		}
		turn = a.turn
	}
	if a := arrive(t.Context(), h, "crowd"); !a.waits() {
		t.Errorf("Admit from a network that waits no more = %v", a.err)
	}
	turn.Done()
}

func whoLeavesFreesThePlace(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	h := open(t, 1, 2)
	turn := admit(t, h)
	ctx, leave := context.WithCancel(t.Context())
	gone, late := arrive(ctx, h, "a"), arrive(t.Context(), h, "b")
	arrive(t.Context(), h, "c").refused(t, "before anybody left")
	leave()
	synctest.Wait()
	if !errors.Is(gone.err, context.Canceled) || !late.waits() {
		t.Fatalf("who left got %v; who stayed waits %v", gone.err, late.waits())
	}
	hurried, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	third := arrive(hurried, h, "a")
	if !third.waits() {
		t.Fatalf("Admit to a place that is free again = %v", third.err)
	}
	<-hurried.Done()
	synctest.Wait()
	third.refused(t, "of who could wait no longer")
	turn.Done()
	synctest.Wait()
	if late.turn == nil {
		t.Fatalf("who stayed was not let in: %v", late.err)
	}
	late.turn.Done()
	admit(t, h)
}

// Some leave just when their turn comes.
func noTurnIsLostOnWhoLeaves(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	h := open(t, 1, 2)
	for range crowd {
		turn := admit(t, h)
		ctx, leave := context.WithCancel(t.Context())
		gone := arrive(ctx, h, "a")
		turn.Done()
		leave()
		synctest.Wait()
		if gone.turn != nil { // the turn was faster
			gone.turn.Done()
		}
		next := arrive(t.Context(), h, "b")
		if next.turn == nil {
			t.Fatalf("nobody has the turn, and the next caller gets %v", next.err)
		}
		next.turn.Done()
	}
}

func neverMoreTurnsThanAllowed(t *testing.T, open func(t *testing.T, turns, places int) outbound.Hasher) {
	const turns, callers = 3, 64
	h := open(t, turns, 2*callers)
	var now, most, served atomic.Int32
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7+1)*time.Second)
			if i%2 == 0 {
				ctx = t.Context()
			}
			defer cancel()
			turn, err := h.Admit(ctx, fmt.Sprint("network ", i%4))
			if err != nil {
				return
			}
			defer turn.Done()
			defer now.Add(-1)
			for n, m := now.Add(1), most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			if _, _, err := turn.Matches(password.NewPlain("x"), password.Hash{}); err == nil {
				served.Add(1)
			}
		})
	}
	wg.Wait()
	if most.Load() != turns || served.Load() < callers/2 {
		t.Errorf("%d had turns at once, want %d; %d of %d were served", most.Load(), turns, served.Load(), callers)
	}
	for range turns { // none got lost
		admit(t, h)
	}
}
