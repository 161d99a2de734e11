package argon2_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/adapters/argon2"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

var cheap = argon2.Config{MemoryKiB: 8, Iterations: 1, Parallelism: 1, Slots: 1, Queue: 4, Now: time.Now}

func open(t testing.TB, c argon2.Config) *argon2.Hasher {
	t.Helper()
	h, err := argon2.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func admit(t testing.TB, h *argon2.Hasher) outbound.Turn {
	t.Helper()
	turn, err := h.Admit(t.Context(), "192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(turn.Done)
	return turn
}

// clock goes on by step whenever it is read.
type clock struct {
	mu    sync.Mutex
	step  time.Duration
	reads int
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return time.Unix(0, 0).Add(time.Duration(c.reads) * c.step)
}

func TestHasher(t *testing.T) {
	outboundtest.Hasher(t, func(t *testing.T, turns, places int) outbound.Hasher {
		c := cheap
		c.MemoryKiB, c.Slots, c.Queue = 64, turns, places
		return open(t, c)
	})
}

// From the reference implementation's program.
func TestMatchesArgon2i(t *testing.T) {
	turn := admit(t, open(t, cheap))
	const h = "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$a8qUmg4CUxjD/jpXa+f6afOEMUhRPGUyhCemlf/FHj0"
	for text, want := range map[string]bool{"P\u00e4ssword 1": true, "Pa\u0308ssword 1": true, "Passw\u00f6rd 1": false} {
		if ok, outdated, err := turn.Matches(password.NewPlain(text), password.NewHash(h)); ok != want || outdated != want || err != nil {
			t.Errorf("Matches of %q = %v, %v, %v", text, ok, outdated, err)
		}
	}
	same := strings.Replace(h, "argon2i", "argon2id", 1)
	if ok, _, err := turn.Matches(password.NewPlain("P\u00e4ssword 1"), password.NewHash(same)); ok || err != nil {
		t.Errorf("the same output as argon2id = %v, %v", ok, err)
	}
}

// From the test vectors of the reference implementation, phc-winner-argon2.
func TestMatchesPublishedHashes(t *testing.T) {
	turn := admit(t, open(t, cheap))
	for _, h := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
	} {
		ok, outdated, err := turn.Matches(password.NewPlain("password"), password.NewHash(h))
		if !ok || !outdated || err != nil {
			t.Errorf("Matches with %s = %v, %v, %v", h, ok, outdated, err)
		}
		if ok, outdated, err = turn.Matches(password.NewPlain("Password"), password.NewHash(h)); ok || outdated || err != nil {
			t.Errorf("Matches of another password with %s = %v, %v, %v", h, ok, outdated, err)
		}
	}
}

func TestWritesWhatEverybodyReads(t *testing.T) {
	c := cheap
	c.MemoryKiB, c.Iterations, c.Parallelism = 67, 3, 2
	h, err := admit(t, open(t, c)).Hash(password.NewPlain("x"))
	parts := strings.Split(h.Encoded(), "$")
	if err != nil || len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" ||
		parts[3] != "m=64,t=3,p=2" || len(parts[4]) != 22 || len(parts[5]) != 43 {
		t.Errorf("Hash = %q, %v", parts, err)
	}
}

func TestAHashOfAnotherCostIsOutdated(t *testing.T) {
	base := cheap
	base.MemoryKiB, base.Iterations = 64, 2
	for want, change := range map[bool][]func(*argon2.Config){
		false: {func(*argon2.Config) {}, func(c *argon2.Config) { c.Slots, c.Queue = 2, 0 }, func(c *argon2.Config) { c.MemoryKiB++ }},
		true: {
			func(c *argon2.Config) { c.MemoryKiB = 128 }, func(c *argon2.Config) { c.MemoryKiB = 32 },
			func(c *argon2.Config) { c.Iterations++ }, func(c *argon2.Config) { c.Parallelism++ },
		},
	} {
		for _, fn := range change {
			c := base
			fn(&c)
			h, err := admit(t, open(t, c)).Hash(password.NewPlain("x"))
			if err != nil {
				t.Fatal(err)
			}
			ok, outdated, err := admit(t, open(t, base)).Matches(password.NewPlain("x"), h)
			if !ok || err != nil || outdated != want {
				t.Errorf("Matches with a hash of %+v = %v, %v, %v, want outdated = %v", c, ok, outdated, err, want)
			}
		}
	}
}

func TestComputesNothingOutOfBounds(t *testing.T) {
	turn := admit(t, open(t, cheap))
	text := func(bytes int) string { return strings.Repeat("AAAA", bytes/3) + []string{"", "AA", "AAA"}[bytes%3] }
	hash := func(parameters string, salt, output int) string {
		return "$argon2id$v=19$" + parameters + "$" + text(salt) + "$" + text(output)
	}
	for _, h := range []string{
		hash("m=8,t=1,p=1", 8, 16), hash("m=8,t=1,p=1", 64, 64), hash("m=32,t=10,p=4", 16, 32), hash("m=4096,t=1,p=1", 16, 32),
	} {
		if ok, _, err := turn.Matches(password.NewPlain("x"), password.NewHash(h)); ok || err != nil {
			t.Errorf("Matches with %s = %v, %v", h, ok, err)
		}
	}
	for _, h := range []string{
		hash("m=262145,t=1,p=1", 16, 32), hash("m=4194304,t=1,p=1", 16, 32), hash("m=4294967296,t=1,p=1", 16, 32),
		hash("m=18446744073709551624,t=1,p=1", 16, 32), hash("m=7,t=1,p=1", 16, 32), hash("m=0,t=1,p=1", 16, 32), hash("m=16,t=1,p=4", 16, 32),
		hash("m=64,t=11,p=1", 16, 32), hash("m=64,t=0,p=1", 16, 32), hash("m=64,t=-1,p=1", 16, 32), hash("m=64,t=1,p=0", 16, 32),
		hash("m=64,t=1,p=5", 16, 32), hash("m=65536,t=1,p=255", 16, 32), hash("m=64,t=1,p=1", 7, 32), hash("m=64,t=1,p=1", 65, 32),
		hash("m=64,t=1,p=1", 0, 32), hash("m=64,t=1,p=1", 16, 15), hash("m=64,t=1,p=1", 16, 65), hash("m=64,t=1,p=1", 16, 0),
	} {
		if ok, _, err := turn.Matches(password.NewPlain("x"), password.NewHash(h)); ok || fault.CodeOf(err) != fault.HashFailure {
			t.Errorf("Matches with %s = %v, %v, want HASH_FAILURE", h, ok, err)
		}
	}
}

func TestReadsOneSpelling(t *testing.T) {
	const good = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	turn := admit(t, open(t, cheap))
	for _, r := range [][2]string{
		{"$argon2id", "argon2id"},
		{"$argon2id", "$$argon2id"},
		{"$argon2id", "$Argon2id"},
		{"argon2id", "argon2d"},
		{"v=19", "v=16"},
		{"v=19$", ""},
		{"m=256", "m=0256"},
		{"m=256", "m=+256"},
		{"m=256", " m=256"},
		{"m=256,t=2", "t=2,m=256"},
		{"m=256", "m=256,m=256"},
		{"p=1", "p=1,k=1"},
		{"p=1", "p=1,data=AAAA"},
		{"p=1", "p"},
		{"c29tZXNhbHQ$", "c29tZXNhbHQ==$"},
		{"c29tZXNhbHQ", "c29tZXNhbHR"},
		{"c29tZXNhbHQ", "c29tZX\nNhbHQ"},
		{"Gi/4", "Gi_4"},
		{"Gi/4", "Gi/5"},
		{"Gi/4", "Gi/4=="},
		{"Gi/4", "Gi/4$"},
		{"Gi/4", "Gi/4\n"},
		{"Gi/4", "Gi/4 "},
	} {
		h := strings.Replace(good, r[0], r[1], 1)
		if ok, _, err := turn.Matches(password.NewPlain("password"), password.NewHash(h)); ok || fault.CodeOf(err) != fault.HashFailure {
			t.Errorf("Matches with %q = %v, %v, want HASH_FAILURE", h, ok, err)
		}
	}
}

// Whether there is an account, and whether a password can be right at all, must
// not show in the time it takes: each of these is one hash, measured once.
func TestEveryComparisonIsOneHash(t *testing.T) {
	k := &clock{step: time.Millisecond}
	c := cheap
	c.Now = k.now
	turn := admit(t, open(t, c))
	h, err := turn.Hash(password.NewPlain("x"))
	if err != nil {
		t.Fatal(err)
	}
	long := password.NewPlain(strings.Repeat("x", 1<<20))
	for name, try := range map[string]struct {
		p password.Plain
		h password.Hash
	}{
		"right": {password.NewPlain("x"), h}, "wrong": {password.NewPlain("y"), h}, "nobody's": {password.NewPlain("x"), password.Hash{}},
		"too long": {long, h}, "too long and nobody's": {long, password.Hash{}}, "not sent": {password.Plain{}, h},
	} {
		before := k.reads
		if ok, _, err := turn.Matches(try.p, try.h); ok != (name == "right") || err != nil {
			t.Errorf("Matches of a password that is %s = %v, %v", name, ok, err)
		}
		if k.reads-before != 2 {
			t.Errorf("a password that is %s makes %d reads of the clock, want 2 for one hash", name, k.reads-before)
		}
	}
}

func TestRefusesACostOutOfBounds(t *testing.T) {
	for name, change := range map[string]func(*argon2.Config){
		"no clock":            func(c *argon2.Config) { c.Now = nil },
		"no slots":            func(c *argon2.Config) { c.Slots = 0 },
		"a negative queue":    func(c *argon2.Config) { c.Queue = -1 },
		"no memory":           func(c *argon2.Config) { c.MemoryKiB = 0 },
		"too little memory":   func(c *argon2.Config) { c.MemoryKiB, c.Parallelism = 31, 4 },
		"too much memory":     func(c *argon2.Config) { c.MemoryKiB = 256<<10 + 1 },
		"no iterations":       func(c *argon2.Config) { c.Iterations = 0 },
		"too many iterations": func(c *argon2.Config) { c.Iterations = 11 },
		"no lanes":            func(c *argon2.Config) { c.Parallelism = 0 },
		"too many lanes":      func(c *argon2.Config) { c.MemoryKiB, c.Parallelism = 64, 5 },
	} {
		c := cheap
		change(&c)
		if h, err := argon2.New(c); h != nil || err == nil {
			t.Errorf("New with %s = %v", name, err)
		}
	}
}

func TestSlotsFitProcessorsAndMemory(t *testing.T) {
	const hash = 19456 << 10
	for _, c := range []struct {
		processors   int
		budget, hash int64
		want         int
	}{
		{8, 1 << 30, hash, 8},
		{8, 4 * hash, hash, 4},
		{8, 4*hash - 1, hash, 3},
		{8, hash - 1, hash, 1},
		{1, 1 << 40, hash, 1},
		{0, 1 << 30, hash, 1},
		{8, 0, hash, 1},
		{8, -1, hash, 1},
		{8, 1 << 30, 0, 8},
	} {
		if got := argon2.Slots(c.processors, c.budget, c.hash); got != c.want {
			t.Errorf("Slots(%d, %d, %d) = %d, want %d", c.processors, c.budget, c.hash, got, c.want)
		}
	}
}

// The longer the line and the dearer a hash, the later one should come back.
func TestTellsHowLongTheLineTakes(t *testing.T) {
	for _, c := range []struct {
		hash         time.Duration
		slots, queue int
		want         time.Duration
	}{
		{50 * time.Millisecond, 1, 4, time.Second},
		{300 * time.Millisecond, 1, 4, 2 * time.Second}, // 1.2 s
		{300 * time.Millisecond, 2, 4, time.Second},     // 0.6 s
		{time.Second, 2, 64, 32 * time.Second},
		{time.Second, 1, 0, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := &clock{step: c.hash}
			cfg := cheap
			cfg.Slots, cfg.Queue, cfg.Now = c.slots, c.queue, k.now
			h := open(t, cfg)
			var turns []outbound.Turn
			for range c.slots {
				turns = append(turns, admit(t, h))
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			for i := range c.queue {
				go h.Admit(ctx, fmt.Sprint("network ", i)) //nolint:errcheck // they only wait
			}
			synctest.Wait()
			_, err := h.Admit(t.Context(), "another network")
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code() != fault.ServiceOverloaded || f.Wait() != c.want {
				t.Errorf("with %d of %v behind %d: Admit = %v, want to wait %v", c.queue, c.hash, c.slots, err, c.want)
			}
			if s := h.Stats(); s.HashTime != c.hash || s.Waiting != c.queue || s.InUse != c.slots || s.Refused != 1 {
				t.Errorf("Stats = %+v", s)
			}
			leave()
			synctest.Wait()
			for _, turn := range turns {
				turn.Done()
			}
			if s := h.Stats(); s.Waiting != 0 || s.InUse != 0 || s.Left != c.queue || s.Admitted != c.slots {
				t.Errorf("Stats when all have gone = %+v", s)
			}
		})
	}
}

func TestHashTimeFollowsWhatIsMeasured(t *testing.T) {
	k := &clock{step: 100 * time.Millisecond}
	c := cheap
	c.Now = k.now
	h := open(t, c)
	if got := h.Stats().HashTime; got != 100*time.Millisecond {
		t.Fatalf("HashTime of the first hash = %v", got)
	}
	turn := admit(t, h)
	k.step = 900 * time.Millisecond
	hash := func(times int) time.Duration {
		for range times {
			if _, err := turn.Hash(password.NewPlain("x")); err != nil {
				t.Fatal(err)
			}
		}
		return h.Stats().HashTime
	}
	if got := hash(1); got != 200*time.Millisecond {
		t.Errorf("HashTime after one slow hash = %v, want an eighth of the way: 200ms", got)
	}
	if got := hash(50); got < 890*time.Millisecond || got > 900*time.Millisecond {
		t.Errorf("HashTime after many slow hashes = %v, want nearly 900ms", got)
	}
}

func TestMeasuresTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, cheap)
		turn := admit(t, h)
		go func() {
			if second, err := h.Admit(t.Context(), "x"); err == nil {
				second.Done()
			}
		}()
		synctest.Wait()
		time.Sleep(3 * time.Second)
		turn.Done()
		synctest.Wait()
		if s := h.Stats(); s.Waited != 3*time.Second || s.Admitted != 2 || s.InUse != 0 {
			t.Errorf("Stats = %+v, want a wait of 3s", s)
		}
	})
}

// Nobody hashes in a bubble only: this one is for the race detector.
func TestHashesInParallel(t *testing.T) {
	c := cheap
	c.Slots, c.Queue = 4, 128
	h := open(t, c)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			turn, err := h.Admit(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Error(err)
				return
			}
			defer turn.Done()
			made, err := turn.Hash(password.NewPlain(fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
				return
			}
			if ok, outdated, err := turn.Matches(password.NewPlain(fmt.Sprint(i)), made); !ok || outdated || err != nil {
				t.Errorf("Matches = %v, %v, %v", ok, outdated, err)
			}
		})
	}
	wg.Wait()
	if s := h.Stats(); s.InUse != 0 || s.Waiting != 0 || s.Admitted != 64 {
		t.Errorf("Stats = %+v", s)
	}
}

func BenchmarkMatches(b *testing.B) {
	c := cheap
	c.MemoryKiB, c.Iterations = 19456, 2
	turn := admit(b, open(b, c))
	h, err := turn.Hash(password.NewPlain("x"))
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]password.Hash{"somebody": h, "nobody": {}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := turn.Matches(password.NewPlain("y"), h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestHashChecker(t *testing.T) {
	outboundtest.HashChecker(t, func(t *testing.T) (outbound.HashChecker, outbound.Hasher) {
		h := open(t, cheap)
		return h, h
	}, "P\u00e4ssword 1", map[string]string{
		"argon2i":       "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$a8qUmg4CUxjD/jpXa+f6afOEMUhRPGUyhCemlf/FHj0",
		"bcrypt":        "$2b$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.",
		"PBKDF2-SHA256": "$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$Sx1QTFbxj0ocYjNLVJ8P/7U2dyZNAXGdo42vrw61B3o",
		"scrypt":        "$scrypt$ln=10,r=8,p=2$AAECAwQFBgcICQoLDA0ODw$iS664JNnzQHI5NaFkX1CvvtAUmuj+KhFPNBVe7P75BM",
	})
}
