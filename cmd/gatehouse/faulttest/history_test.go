package faulttest

import (
	"math"
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
func (rec *recorder) record(client int, in act, ask func() answer) {
	called := time.Since(rec.began)
	a := ask()
	op := porcupine.Operation{ClientId: client, Input: in, Call: int64(called), Output: unknown, Return: int64(time.Since(rec.began))}
	switch {
	case a.ok():
		op.Output = accepted
	case !a.failed():
		op.Output = refused
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.count[op.Output.(result)]++
	if op.Output == unknown {
		if in.what == use || rec.loose[in.session] {
			return
		}
		rec.loose[in.session] = true
		op.ClientId, op.Return = -1-in.session, math.MaxInt64
	}
	rec.ops = append(rec.ops, op)
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

// Q3, under F05 and F93: once an end was answered, no use that begins later is
// accepted, whoever answers it, while the database is restarted and connections
// break. The history of all uses and ends is checked as that of one register.
func TestQ3NoSessionIsAcceptedAfterItsEndWasAnsweredWhateverHappensMeanwhile(t *testing.T) {
	c := newCluster(t)
	rec := &recorder{began: time.Now(), count: map[result]int{}, loose: map[int]bool{}}
	people := rounds(16, 200)
	over := make(chan struct{})
	var harm sync.WaitGroup
	harm.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-time.After(150 * time.Millisecond):
			}
			if i%4 == 0 {
				database.Stop(syscall.SIGQUIT)
				if err := database.Start(t.Context()); err != nil {
					t.Error(err)
				}
				continue
			}
			if err := c.pg.bounce(); err != nil {
				t.Error(err)
			}
		}
	})
	for from := 0; from < people; from += 8 {
		together(8, func(i int) struct{} {
			session := from + i
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
							rec.record(3*session+k, act{session, use}, func() answer { return c.of(k).whoAmI(p.AccessToken) })
						}
					}
				})
			}
			time.Sleep(20 * time.Millisecond) // some uses before the end, some after
			ended := false
			for k := 0; !ended; k++ {
				rec.record(3*session+2, act{session, end}, func() answer {
					a := c.of(session+k).ask("POST", "/api/auth/logout", p.AccessToken, "")
					ended = a.ok()
					return a
				})
			}
			time.Sleep(20 * time.Millisecond)
			close(stop)
			clients.Wait()
			return struct{}{}
		})
	}
	close(over)
	harm.Wait()
	if verdict := porcupine.CheckOperationsTimeout(liveness, rec.ops, time.Minute); verdict != porcupine.Ok {
		t.Errorf("the history is %s", verdict)
	}
	if rec.count[accepted] == 0 || rec.count[refused] == 0 {
		t.Error("the history shows nothing")
	}
	t.Logf("%d sessions used by two clients each until after their end, over broken connections and restarts of PostgreSQL: "+
		"%d accepted, %d refused, %d unknown; the history is that of a register", people, rec.count[accepted], rec.count[refused], rec.count[unknown])
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
