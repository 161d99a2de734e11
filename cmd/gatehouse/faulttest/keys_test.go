package faulttest

import (
	"net/http"
	"syscall"
	"testing"
)

func (r *replica) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	must(t, r.cmd.Process.Signal(s))
}

// F94: a replica that stood still for a whole rotation of keys neither
// refuses whom it does not find under the keys it still has, nor gives an
// address away that somebody took under the new ones. What it is asked the
// moment it wakes up it does right, or says that it cannot.
func TestF94AReplicaThatSleptThroughARotationOfKeysMistakesNobody(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const each = 8
	before, meanwhile := make([]string, each), make([]string, each)
	for i := range before {
		before[i], meanwhile[i] = newAddress(), newAddress()
		c.of(i).register(before[i]).must(t)
	}
	_, p := c.person(t)
	c.b.signal(t, syscall.SIGSTOP)
	c.command(t, "keys", "rotate")
	eventually(t, "the rotation is over", func() bool {
		return c.count(t, "SELECT count(*) FROM rotations WHERE finished_at IS NULL") == 0
	})
	for _, address := range meanwhile {
		c.a.register(address).must(t)
	}
	people := c.count(t, "SELECT count(*) FROM principals")
	answers := make(chan []answer, 1)
	go func() {
		answers <- together(2*each+1, func(i int) answer {
			switch {
			case i < each:
				return c.b.signIn(before[i], password)
			case i < 2*each:
				return c.b.register(meanwhile[i-each])
			}
			return c.b.whoAmI(p.AccessToken)
		})
	}()
	c.b.signal(t, syscall.SIGCONT)
	right, later := 0, 0
	for _, a := range <-answers {
		switch {
		case a.ok():
			right++
		case a.failed():
			later++
		default:
			t.Errorf("the moment it woke up: %s", a)
		}
	}
	if n := c.count(t, "SELECT count(*) FROM principals"); n != people {
		t.Errorf("%d addresses have a second account", n-people)
	}
	for i := range before {
		c.of(i).signIn(before[i], password).must(t)
		c.of(i).signIn(meanwhile[i], password).must(t)
		c.of(i).signIn(meanwhile[i], another).wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
	}
	t.Logf("a replica slept through a rotation: of %d requests that waited for it %d were done and %d failed, none was mistaken; %d people sign in at both", 2*each+1, right, later, 2*each)
}
