package faulttest

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// crowd is who uses the service all along, whatever happens to it.
type crowd struct {
	c        *cluster
	over     <-chan struct{}
	end      func() // waits until they have noticed
	busy     sync.WaitGroup
	answered atomic.Int64
	failed   atomic.Int64

	mu         sync.Mutex
	registered []string
	wrongs     []string // what must not happen
	changers   []*changer
}

// changer is somebody who keeps changing their password, and knows which one
// was acknowledged.
type changer struct {
	*crowd
	address  string
	password string
	unsure   string // asked for, without an answer that says whether it was stored
	stepUp   string
	stored   int // changes
	pair
}

func (cr *crowd) wrong(format string, args ...any) {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	cr.wrongs = append(cr.wrongs, fmt.Sprintf(format, args...))
}

// saw counts an answer, and returns whether it was one of success. Nothing but
// success and failure may be seen: a refusal would sign people out.
func (cr *crowd) saw(what string, a answer) bool {
	switch {
	case a.ok():
		cr.answered.Add(1)
	case a.failed():
		cr.failed.Add(1)
		time.Sleep(10 * time.Millisecond) // as a client backs off
	default:
		cr.wrong("%s: %s", what, a)
	}
	return a.ok()
}

// begin lets n people register others, and n change passwords, over both
// replicas.
func (c *cluster) begin(t *testing.T, n int) *crowd {
	t.Helper()
	over := make(chan struct{})
	cr := &crowd{c: c, over: over}
	cr.end = sync.OnceFunc(func() {
		close(over)
		cr.busy.Wait()
	})
	t.Cleanup(cr.end)
	for i := range n {
		address, p := c.person(t)
		stepUp, a := c.a.stepUp(p.AccessToken, password)
		a.must(t)
		ch := &changer{crowd: cr, address: address, password: password, stepUp: stepUp, pair: p}
		cr.changers = append(cr.changers, ch)
		cr.busy.Go(func() { cr.until(i, ch.step) })
		cr.busy.Go(func() { cr.until(i, cr.register) })
	}
	return cr
}

func (cr *crowd) until(from int, step func(*replica)) {
	for i := from; ; i++ {
		select {
		case <-cr.over:
			return
		default:
			step(cr.c.of(i))
		}
	}
}

func (cr *crowd) register(r *replica) {
	address := newAddress()
	if cr.saw("register", r.register(address)) {
		cr.mu.Lock()
		defer cr.mu.Unlock()
		cr.registered = append(cr.registered, address)
	}
}

func (ch *changer) step(r *replica) {
	ch.saw("who am I", r.whoAmI(ch.AccessToken))
	if a := r.refresh(ch.RefreshToken); ch.saw("refresh", a) {
		ch.pair = a.pair()
	}
	if ch.unsure != "" {
		ch.find(r)
		return
	}
	next := password
	if ch.password == password {
		next = another
	}
	if ch.unsure = next; ch.saw("change password", r.changePassword(ch.AccessToken, ch.stepUp, ch.password, next)) {
		ch.settle(true)
	}
}

func (ch *changer) settle(stored bool) {
	if stored {
		ch.password = ch.unsure
		ch.stored++
	}
	ch.unsure = ""
}

// find tries which password counts. Either does, but one of them must: when
// neither seems to, the change was stored between the two attempts.
func (ch *changer) find(r *replica) {
	for range 3 {
		for stored, text := range map[bool]string{true: ch.unsure, false: ch.password} {
			switch a := r.signIn(ch.address, text); {
			case a.ok():
				ch.settle(stored)
				return
			case a.failed():
				return
			case a.code != "INVALID_CREDENTIALS":
				ch.wrong("sign in: %s", a)
			}
		}
	}
	ch.wrong("%s has no password", ch.address)
}

// recovery is how long a replica takes until it answers somebody again.
func recovery(t *testing.T, r *replica, access string) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, "the replica recovers", func() bool {
		a := r.whoAmI(access)
		if !a.ok() && !a.failed() {
			t.Errorf("while it recovers: %s", a)
		}
		return a.ok()
	})
	return time.Since(began)
}

// The promise Q1, Q4, Q6 and Q7, under F20, F22 and F27: a replica killed and
// the database stopped, at once, under load, again and again.
func TestF22KillsOfAReplicaAndOfTheDatabaseUnderLoadLoseNothingAndSignNobodyOut(t *testing.T) {
	c := newCluster(t)
	n := rounds(2, 4)
	_, witness := c.person(t)
	cr := c.begin(t, 2)
	var slowest time.Duration
	for i := range n {
		for goal := cr.answered.Load() + int64(rounds(60, 400)); cr.answered.Load() < goal; {
			time.Sleep(time.Millisecond)
		}
		victim, survivor := c.of(i), c.of(i+1)
		victim.kill()
		database.Stop([]syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL}[i%2])
		eventually(t, "an answer says that the database is away", func() bool { return survivor.whoAmI(witness.AccessToken).failed() })
		must(t, database.Start(t.Context()))
		slowest = max(slowest, recovery(t, survivor, witness.AccessToken))
		if !victim.start() {
			t.Fatal(victim.said())
		}
	}
	cr.end()
	if slowest > 5*time.Second {
		t.Errorf("recovery took %s", slowest)
	}
	for _, w := range cr.wrongs {
		t.Error(w)
	}
	changes := cr.verify(t)
	duplicates := cr.mails(t)
	t.Logf("%d rounds of kill -9 of a replica and a stop of PostgreSQL: %d answers, %d failures, no refusal; recovery at most %s; "+
		"%d registrations and %d password changes all there; every mail arrived, %d duplicates",
		n, cr.answered.Load(), cr.failed.Load(), slowest.Round(time.Millisecond), len(cr.registered), changes, duplicates)
}

// verify signs everybody in, and returns how many passwords were changed.
func (cr *crowd) verify(t *testing.T) (changes int) {
	t.Helper()
	for i, address := range cr.registered {
		if a := cr.c.of(i).signIn(address, password); !a.ok() {
			t.Errorf("%s was registered, and cannot sign in: %s", address, a)
		}
	}
	for i, ch := range cr.changers {
		for ch.unsure != "" {
			ch.find(cr.c.of(i))
		}
		old := password
		if ch.password == password {
			old = another
		}
		cr.c.of(i).signIn(ch.address, ch.password).must(t)
		cr.c.of(i+1).signIn(ch.address, old).wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
		cr.c.of(i).whoAmI(ch.AccessToken).must(t)
		cr.c.of(i + 1).refresh(ch.RefreshToken).must(t)
		changes += ch.stored
	}
	return changes
}

// mails waits for every mail that is owed, and returns how many came twice.
// Each registration and each change owes one, which has one Message-ID however
// often it comes.
func (cr *crowd) mails(t *testing.T) (duplicates int) {
	t.Helper()
	cr.c.forgetLeases(t)
	cr.c.settled(t)
	if dead := cr.c.count(t, "SELECT count(*) FROM outbox WHERE state = 'dead'"); dead > 0 {
		t.Errorf("%d mails were given up", dead)
	}
	type letter struct{ to, subject string }
	ids, seen := map[letter][]string{}, map[string]bool{}
	for _, m := range cr.c.post.Taken() {
		if seen[m.ID] {
			duplicates++
			continue
		}
		seen[m.ID] = true
		l := letter{m.To, m.Subject}
		ids[l] = append(ids[l], m.ID)
	}
	for _, address := range cr.registered {
		if got := ids[letter{address, verification}]; len(got) != 1 {
			t.Errorf("%s got the verification mails %v", address, got)
		}
	}
	for _, ch := range cr.changers {
		if got := len(ids[letter{ch.address, changed}]); got != ch.stored {
			t.Errorf("%s got %d mails about %d changes", ch.address, got, ch.stored)
		}
	}
	return duplicates
}
