package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/redis/redistest"
)

// pair is two replicas on one PostgreSQL.
type pair struct {
	t       *testing.T
	of      [2]*program
	environ []string
	people  atomic.Int32
}

func newPair(t *testing.T, environ ...string) *pair {
	t.Helper()
	p := &pair{t: t, environ: append([]string{
		"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t), "GATEHOUSE_APP_BASE_URL=http://localhost:8080",
		"GATEHOUSE_KEYS_MASTER=" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
	}, environ...)}
	for i := range p.of {
		p.of[i] = start(t, p.environ...)
	}
	return p
}

// command runs one as an operator does, on neither replica.
func (p *pair) command(args ...string) error {
	p.t.Helper()
	environ := append([]string{"GATEHOUSE_DATA_DIR=" + filepath.Join(p.t.TempDir(), "data")}, p.environ...)
	return run(p.t.Context(), args, environ, streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
}

// person is somebody with a browser, whose cookies both replicas get.
type person struct {
	*pair
	address string
	*http.Client
}

func (p *pair) person() *person {
	p.t.Helper()
	address := fmt.Sprintf("ada%d@example.com", p.people.Add(1))
	who := p.device(address)
	who.must(0, "POST", "/api/auth/register", credentialsOf(address, `,"name":"Ada"`))
	who.signsIn(0)
	return who
}

func (p *pair) device(address string) *person {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	must(p.t, err)
	return &person{p, address, &http.Client{Transport: p.of[0].client.Transport, Jar: jar, Timeout: time.Minute}}
}

func (w *person) signsIn(at int) {
	w.t.Helper()
	w.must(at, "POST", "/api/auth/login", credentialsOf(w.address, ""))
}

func (w *person) do(at int, method, path, body string) error {
	return caller{w.Client, w.of[at].public}.do(w.t.Context(), method, path, body)
}

func (w *person) must(at int, method, path, body string) {
	w.t.Helper()
	must(w.t, w.do(at, method, path, body))
}

// answers are requests whose access check is recalled, and is not.
var answers = []string{"/api/users/me/sessions", "/api/users/me"}

// isKnown asks both replicas, often enough for the session to be remembered.
func (w *person) isKnown() {
	w.t.Helper()
	for range 2 {
		for i := range w.of {
			for _, path := range answers {
				w.must(i, "GET", path, "")
			}
		}
	}
}

// isNobody wants both replicas to refuse.
func (w *person) isNobody(why string) {
	w.t.Helper()
	for i := range w.of {
		for _, path := range answers {
			if err := w.do(i, "GET", path, ""); err == nil || !strings.Contains(err.Error(), "ACCESS_TOKEN_EXPIRED") {
				w.t.Errorf("%s: replica %d says %v", why, i, err)
			}
		}
	}
}

// revocations are ways to end the session of somebody's other device. Each asks
// replica 0, or neither of them.
var revocations = map[string]func(acting *person) error{
	"all sessions end": func(acting *person) error { return acting.do(0, "DELETE", "/api/users/me/sessions", "") },
	"the password changes": func(acting *person) error {
		if err := acting.do(0, "POST", "/api/auth/step-up", `{"password":"`+first+`"}`); err != nil {
			return err
		}
		return acting.do(0, "PUT", "/api/users/me/password", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`)
	},
	"an operator disables them": func(acting *person) error { return acting.command("user", "disable", acting.address) },
	"an operator makes them an admin": func(acting *person) error {
		return acting.command("user", "set-admin", acting.address)
	},
}

// F05, F26, F93: what ends on one replica counts for the next request on any
// other, whatever a cache remembers, and also when it cannot be told.
func TestARevocationCountsEverywhereWhateverTheCacheRemembers(t *testing.T) {
	cache := redistest.Start(t)
	p := newPair(t, "GATEHOUSE_CACHE_URL="+cache.URL, "GATEHOUSE_LIMITS_ENABLED=false")
	for _, r := range p.of {
		<-r.log.says("cache is in reach")
	}
	told := func(what string, err error, up bool) {
		t.Helper()
		if (err == nil) != up || !up && !strings.Contains(err.Error(), "POST_COMMIT_SIDE_EFFECT_FAILURE") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, c := range []struct {
		name string
		harm func()
		up   bool
	}{
		{"a cache that is up", func() {}, true},
		{"a cache that was flushed", func() { cache.Do("FLUSHALL") }, true},
		{"a cache that hangs", cache.Pause, false},
	} {
		bystander := p.person()
		type devices struct{ acting, other *person }
		all := map[string]devices{}
		for what := range revocations {
			acting := p.person()
			other := p.device(acting.address)
			other.signsIn(1)
			all[what] = devices{acting, other}
		}
		for _, d := range all {
			d.acting.isKnown()
			d.other.isKnown()
		}
		bystander.isKnown()
		c.harm()
		for what, d := range all {
			told(c.name+", "+what, revocations[what](d.acting), c.up)
			d.other.isNobody(c.name + ", " + what)
		}
		told(c.name+", an operator ends everything", p.command("sessions", "end-all", "--yes"), c.up)
		bystander.isNobody(c.name + ", an operator ends everything")
	}
	if ready := p.of[0].must("GET", p.of[0].internal+"/readyz", "", 200); !strings.Contains(ready, `"cache":"degraded"`) {
		t.Errorf("while the cache hangs: %s", ready)
	}
	cache.Resume()
	for _, r := range p.of {
		r.becomesReady()
	}
	for _, r := range p.of {
		if hits := r.metric("gatehouse_cache_hits_total"); hits == "0" {
			t.Error("nothing was ever recalled")
		}
	}
}

// becomesReady waits until there is nothing to complain of.
func (p *program) becomesReady() {
	p.t.Helper()
	for strings.Contains(p.must("GET", p.internal+"/readyz", "", 200), "degraded") {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-p.t.Context().Done():
			p.t.Fatal("the cache does not come back")
		}
	}
}

// Ten sign-ins in five minutes are ten, at however many replicas.
func TestReplicasShareTheLimitOfSignIns(t *testing.T) {
	for name, environ := range map[string][]string{
		"through the database": nil,
		"through a cache":      {"GATEHOUSE_CACHE_URL=" + redistest.Start(t).URL},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, environ...)
			if environ != nil {
				for _, r := range p.of {
					<-r.log.says("cache is in reach")
				}
			}
			who, judged := p.device("nobody@example.com"), 0
			for i := range 24 {
				err := who.do(i%2, "POST", "/api/auth/login", credentialsOf(who.address, ""))
				if err == nil || !strings.Contains(err.Error(), "IP_LOGIN_RATE_LIMIT_EXCEEDED") {
					judged++
				}
			}
			most := 10
			for _, r := range p.of { // a machine that is too slow for its own store
				if log := r.log.String(); strings.Contains(log, "by this replica alone") || strings.Contains(log, "out of reach") {
					most = 20
				}
			}
			if judged < 10 || judged > most {
				t.Errorf("%d sign-ins were judged, want 10, and no more than %d", judged, most)
			}
		})
	}
}

// metric returns the value of a metric as it is shown.
func (p *program) metric(name string) string {
	p.t.Helper()
	for line := range strings.Lines(p.must("GET", p.internal+"/metrics", "", 200)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	p.t.Fatalf("there is no metric %s", name)
	return ""
}
