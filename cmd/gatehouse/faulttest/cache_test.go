package faulttest

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/redis/redistest"
)

// cache is a Redis, and the way of each replica to it.
type cache struct {
	*redistest.Server
	ways []*wire
}

// newCached starts replicas that share a cache. It is down.
func newCached(t *testing.T, environ ...string) (*cluster, cache) {
	t.Helper()
	c := prepare(t, environ...)
	t.Cleanup(c.stop)
	s := cache{Server: redistest.New(t)}
	for i := range 2 {
		way := newWire(t, fmt.Sprintf("redis%d", i), s.Address())
		c.later(way.cut)
		s.ways = append(s.ways, way)
		c.own[i] = []string{"GATEHOUSE_CACHE_URL=" + strings.Replace(s.URL, s.Address(), way.address(), 1)}
	}
	c.boot(t)
	return c, s
}

func (s cache) each(do func(*wire)) {
	for _, way := range s.ways {
		do(way)
	}
}

// cacheIs waits until both replicas say whether the cache is up.
func (c *cluster) cacheIs(t *testing.T, up float64) {
	t.Helper()
	for _, r := range c.both() {
		eventually(t, "the cache is up or down", func() bool { return r.metric(t, "gatehouse_cache_up") == up })
	}
}

// babble answers everything with what nobody asked for.
func babble(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for b := make([]byte, 4096); ; {
					if _, err := conn.Read(b); err != nil {
						return
					}
					if _, err := conn.Write([]byte("*3\r\n:1\r\n$-1\r\n+OK\r\n:99999\r\n$4\r\nlive\r\n")); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// oneCut leaves the other replica with what the cache remembers, which nobody
// can tell to forget.
const oneCut = "cut off from one replica"

// harms are what may become of a cache, and how that ends.
var harms = []struct {
	name     string
	do, undo func(*testing.T, cache)
}{
	{"down at the start", func(*testing.T, cache) {}, func(_ *testing.T, s cache) { s.Start() }},
	{"up", func(*testing.T, cache) {}, func(*testing.T, cache) {}},
	{"flushed", func(_ *testing.T, s cache) { s.Do("FLUSHALL") }, func(*testing.T, cache) {}},
	{
		"slow", func(t *testing.T, s cache) { s.each(func(w *wire) { w.slow(t, 400*time.Millisecond) }) },
		func(_ *testing.T, s cache) { s.each((*wire).heal) },
	},
	{
		"swallowing everything", func(t *testing.T, s cache) { s.each(func(w *wire) { w.swallow(t) }) },
		func(_ *testing.T, s cache) { s.each((*wire).heal) },
	},
	{
		"cut off", func(_ *testing.T, s cache) { s.each((*wire).cut) },
		func(t *testing.T, s cache) { s.each(func(w *wire) { w.mend(t) }) },
	},
	{
		oneCut, func(_ *testing.T, s cache) { s.ways[0].cut() },
		func(t *testing.T, s cache) { s.ways[0].mend(t) },
	},
	{
		"answering what nobody asked", func(t *testing.T, s cache) {
			to := babble(t)
			s.each(func(w *wire) { w.lead(t, to) })
		},
		func(t *testing.T, s cache) { s.each(func(w *wire) { w.lead(t, s.Address()) }) },
	},
	{"killed", func(_ *testing.T, s cache) { s.Kill() }, func(_ *testing.T, s cache) { s.Start() }},
}

// F26, F93, Q5, Q6: whatever becomes of the cache, everybody signs in and goes
// on, what ends has ended for the next request to the other replica, or within
// five seconds if the answer says so, and limits are kept, if need be by each
// replica for itself.
func TestF26WhateverBecomesOfTheCacheNobodyNoticesAndNothingIsRevivedOrUnlimited(t *testing.T) {
	t.Parallel()
	const limit = 12
	c, s := newCached(t, "GATEHOUSE_LIMITS_ENABLED=true", "GATEHOUSE_LIMITS_IP=100000", "GATEHOUSE_LIMITS_USER=100000",
		fmt.Sprintf("GATEHOUSE_LIMITS_IP_LOGIN=%d", limit), "GATEHOUSE_HTTP_TRUSTED_PROXIES=127.0.0.1")
	for range rounds(1, 2) {
		for _, harm := range harms {
			var hunts []hunt
			for i, at := range c.both() {
				for name := range ways {
					if !*long && len(name)%2 == i { // half of them
						continue
					}
					hunts = append(hunts, hunt{name, c.prey(t), at, c.of(i + 1)})
				}
			}
			harm.do(t, s)
			late := 0
			for _, told := range together(len(hunts), func(i int) bool { return hunts[i].succeeds(t, harm.name) }) {
				if !told {
					late++
				}
			}
			judged := c.guess()
			if judged < limit || judged > 2*(limit+1) { // one more may have come back meanwhile
				t.Errorf("%s: %d sign-ins were judged, with a limit of %d", harm.name, judged, limit)
			}
			harm.undo(t, s)
			c.cacheIs(t, 1)
			t.Logf("a cache %s: %d of %d ends not told at once, all in time; %d of 40 sign-ins from one address judged by two replicas", harm.name, late, len(hunts), judged)
		}
		s.Kill()
	}
}

// hunt ends a session at one replica.
type hunt struct {
	way string
	prey
	at, elsewhere *replica
}

// succeeds reports whether everybody was told at once. If not, they know by
// themselves in time.
func (h hunt) succeeds(t *testing.T, when string) (told bool) {
	t.Helper()
	a := ways[h.way].end(h.at, h.prey)
	if !a.ok() && a.code != "POST_COMMIT_SIDE_EFFECT_FAILURE" {
		t.Errorf("%s, %s: %s", when, h.way, a)
	}
	if !a.ok() && when == oneCut {
		time.Sleep(stale)
	}
	h.over(t, h.elsewhere)
	h.over(t, h.at)
	return a.ok()
}

// guess signs in to nothing from one address, over both replicas, and returns
// how often that was judged.
func (c *cluster) guess() (judged int) {
	from := somewhere()
	for i := range 40 {
		a := c.of(i).ask("POST", "/api/auth/login", "", object("email", newAddress(), "password", password), "X-Forwarded-For", from)
		if a.code != "IP_LOGIN_RATE_LIMIT_EXCEEDED" {
			judged++
		}
	}
	return judged
}
