package faulttest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A use or the end of a session, as its client saw it.
type (
	act    struct{ session, what int }
	result int
)

const (
	use = iota
	end
)

const (
	unknown result = iota // failed, or no answer
	accepted
	refused
)

// liveness is a session as it ought to be: used with success until it ends,
// and never again.
var liveness = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		of := map[int][]porcupine.Operation{}
		for _, op := range history {
			session := op.Input.(act).session
			of[session] = append(of[session], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range of {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return true },
	Step: func(state, input, output any) (bool, any) {
		live := state.(bool)
		if input.(act).what == end {
			return true, false
		}
		return live == (output.(result) == accepted), live
	},
}

// recorder keeps what happened to sessions, and when.
type recorder struct {
	began time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
	count map[result]int
	loose map[int]bool // sessions with an end that was not answered
}

// record asks, and keeps what says something. A use without an answer says
// nothing. An end without one may happen at any time since; as nothing comes
// after an end, the first of those stands for all.
func (rec *recorder) record(client int, in act, ask func() answer) result {
	called := time.Since(rec.began)
	a := ask()
	op := porcupine.Operation{ClientId: client, Input: in, Call: int64(called), Output: unknown, Return: int64(time.Since(rec.began))}
	switch {
	case a.ok():
		op.Output = accepted
	case a.code == "POST_COMMIT_SIDE_EFFECT_FAILURE":
		op.Output, op.Return = accepted, op.Return+int64(stale)
		op.ClientId = -1 - in.session // it goes on, while its client does too
	case !a.failed():
		op.Output = refused
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.count[op.Output.(result)]++
	if op.Output == unknown {
		if in.what == use || rec.loose[in.session] {
			return unknown
		}
		rec.loose[in.session] = true
		op.ClientId, op.Return = -1-in.session, math.MaxInt64
	}
	rec.ops = append(rec.ops, op)
	return op.Output.(result)
}

func TestAUseAfterAnEndIsFoundInAHistory(t *testing.T) {
	history := []porcupine.Operation{
		{ClientId: 1, Input: act{1, use}, Output: accepted, Call: 0, Return: 1},
		{ClientId: 2, Input: act{1, end}, Output: accepted, Call: 2, Return: 3},
		{ClientId: 1, Input: act{1, use}, Output: accepted, Call: 4, Return: 5},
		{ClientId: 1, Input: act{2, use}, Output: accepted, Call: 4, Return: 5},
	}
	if porcupine.CheckOperations(liveness, history) {
		t.Error("it is not found")
	}
	history[2].Call = 2 // it may have come first
	if !porcupine.CheckOperations(liveness, history) {
		t.Error("what is no fault is found")
	}
}

// stale is how long a cache may believe what ended, if the answer says that it
// has not been told.
const stale = 5 * time.Second

// Q3, under F05 and F93: once an end was answered, no use that begins later is
// accepted, whoever answers it, while the database is restarted and connections
// break, with a cache and without. The history of all uses and ends is checked
// as that of one register.
func TestQ3NoSessionIsAcceptedAfterItsEndWasAnsweredWhateverHappensMeanwhile(t *testing.T) {
	t.Run("without a cache", func(t *testing.T) {
		c := newCluster(t)
		c.history(t, []func() error{c.pg.bounce, restart(t), c.pg.bounce, c.pg.bounce})
	})
	t.Run("with a cache", func(t *testing.T) {
		c, s := newCached(t)
		s.Start()
		c.cacheIs(t, 1)
		flush := func() error { s.Do("FLUSHALL"); return nil }
		c.history(t, []func() error{c.pg.bounce, s.ways[0].bounce, restart(t), flush, s.ways[1].bounce, c.pg.bounce})
	})
}

func restart(t *testing.T) func() error {
	return func() error {
		database.Stop(syscall.SIGQUIT)
		return database.Start(t.Context())
	}
}

func (c *cluster) history(t *testing.T, harms []func() error) {
	t.Helper()
	rec := &recorder{began: time.Now(), count: map[result]int{}, loose: map[int]bool{}}
	over := make(chan struct{})
	var harm sync.WaitGroup
	harm.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-time.After(200 * time.Millisecond):
			}
			if err := harms[i%len(harms)](); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const atOnce = 8
	people := rounds(1, 25) * atOnce
	for from := 0; from < people; from += atOnce {
		together(atOnce, func(i int) struct{} { c.useAndEnd(rec, from+i); return struct{}{} })
	}
	close(over)
	harm.Wait()
	for _, part := range liveness.Partition(rec.ops) {
		if verdict := porcupine.CheckOperationsTimeout(liveness, part, time.Minute); verdict != porcupine.Ok {
			t.Errorf("the history of a session is %s:\n%s", verdict, told(part))
		}
	}
	if rec.count[accepted] == 0 || rec.count[refused] == 0 {
		t.Error("the history shows nothing")
	}
	t.Logf("%d sessions used by two clients each until after their end, over broken connections and restarts of PostgreSQL: "+
		"%d accepted, %d refused, %d unknown; the history is that of a register", people, rec.count[accepted], rec.count[refused], rec.count[unknown])
}

// told is a history from shortly before the first end.
func told(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	first := slices.IndexFunc(history, func(op porcupine.Operation) bool { return op.Input.(act).what == end })
	var b strings.Builder
	for _, op := range history[max(0, first-3):] {
		fmt.Fprintf(&b, "client %d, from %s to %s: %s, %s\n", op.ClientId, time.Duration(op.Call), time.Duration(op.Return),
			[]string{"use", "end"}[op.Input.(act).what], []string{"unknown", "accepted", "refused"}[op.Output.(result)])
	}
	return b.String()
}

// useAndEnd signs somebody in, and lets two clients use the session, one at each
// replica, until after a third has ended it.
func (c *cluster) useAndEnd(rec *recorder, session int) {
	p := c.persistentPerson(session)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for k := range 2 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					rec.record(3*session+k, act{session, use}, func() answer { return c.of(k).listSessions(p.AccessToken) })
				}
			}
		})
	}
	const some = 20 * time.Millisecond // before the end, and after
	time.Sleep(some)
	for k, ended := 0, false; !ended; k++ {
		ended = rec.record(3*session+2, act{session, end}, func() answer {
			return c.of(session+k).ask("POST", "/api/auth/logout", p.AccessToken, "")
		}) == accepted
	}
	time.Sleep(some)
	close(stop)
	clients.Wait()
}

// persistentPerson registers and signs in however often it takes.
func (c *cluster) persistentPerson(i int) pair {
	address := newAddress()
	for k := i; ; k++ {
		if c.of(k).register(address).ok() {
			if a := c.of(k).signIn(address, password); a.ok() {
				return a.pair()
			}
		}
	}
}
