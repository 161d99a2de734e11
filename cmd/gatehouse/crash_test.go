package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// child is a process of its own, which can be killed.
type child struct {
	t                *testing.T
	cmd              *exec.Cmd
	public, internal string
	client           *http.Client
}

// spawn serves from a data directory in a process of its own.
func spawn(t *testing.T, data string, environ ...string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "gatehouse", "serve")
	cmd.Env = append(append(cmd.Environ(),
		"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0", "GATEHOUSE_DATA_DIR="+data,
		"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=64", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1", "GATEHOUSE_LIMITS_ENABLED=false",
		"GATEHOUSE_APP_BASE_URL=http://127.0.0.1:8080",
	), environ...)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, client: &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}}
	t.Cleanup(c.kill)
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		var l struct{ Msg, Side, Address string }
		switch _ = json.Unmarshal(lines.Bytes(), &l); {
		case l.Side == "public":
			c.public = "http://" + l.Address
		case l.Side == "internal":
			c.internal = "http://" + l.Address
		case l.Msg == "ready":
			go func() { _, _ = io.Copy(io.Discard, logs) }()
			return c
		}
	}
	t.Fatal("the process did not become ready")
	return nil
}

// kill ends the process as a power cut would, and whoever talks to it.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	c.client.CloseIdleConnections()
}

// terminate asks the process to stop.
func (c *child) terminate() {
	c.t.Helper()
	must(c.t, c.cmd.Process.Signal(syscall.SIGTERM))
}

// exit waits for the end of the process and returns its code.
func (c *child) exit() int {
	_ = c.cmd.Wait() // the code says it all
	c.client.CloseIdleConnections()
	return c.cmd.ProcessState.ExitCode()
}

// killAmid kills the process while clients work, once they have had enough
// answers between them, and returns when they have noticed.
func (c *child) killAmid(enough int, client func(w int, answered func())) {
	c.t.Helper()
	var count atomic.Int32
	var clients sync.WaitGroup
	reached, over := make(chan struct{}), make(chan struct{})
	for w := range 4 {
		clients.Go(func() {
			client(w, func() {
				if int(count.Add(1)) == enough {
					close(reached)
				}
			})
		})
	}
	go func() {
		clients.Wait()
		close(over)
	}()
	select {
	case <-reached:
	case <-over:
		c.t.Errorf("the clients ended by themselves, after %d answers", count.Load())
	}
	c.kill()
	<-over
}

// device is a browser: it keeps cookies, wherever the process listens.
type device struct {
	*child
	http.CookieJar
}

// deaf is a jar that no answer changes.
type deaf struct{ http.CookieJar }

// SetCookies implements [http.CookieJar].
func (deaf) SetCookies(*url.URL, []*http.Cookie) {}

func (c *child) device() device {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return device{c, jar}
}

// ask returns the status and body of an answer, 0 when there was none.
func (d device) ask(method, path, body string) (int, string) {
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.public+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	client := *d.client
	client.Jar = d.CookieJar
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(answer)
}

func (d device) must(method, path, body string) {
	d.t.Helper()
	if status, answer := d.ask(method, path, body); status != http.StatusOK {
		d.t.Errorf("%s %s: %d: %s", method, path, status, answer)
	}
}

func (d device) signIn(address, password string) int {
	status, _ := d.ask("POST", "/api/auth/login", `{"email":"`+address+`","password":"`+password+`"}`)
	return status
}

func credentialsOf(address, more string) string {
	return `{"email":"` + address + `","password":"` + first + `"` + more + `}`
}

// owed returns who of these has not got the verification mail.
func (c *child) owed(to []string) (missing []string) {
	_, body := c.device().ask("GET", "/dev/mailbox/messages", "")
	var all []struct{ To, Kind string }
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		c.t.Fatal(err)
	}
	got := map[string]bool{}
	for _, m := range all {
		got[m.To] = got[m.To] || m.Kind == "email_verification"
	}
	for _, address := range to {
		if !got[address] {
			missing = append(missing, address)
		}
	}
	return missing
}

// F20, Q1, Q4: what was acknowledged is there after a kill, and every mail that
// is owed leaves.
func TestAKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var mu sync.Mutex
	var acknowledged []string
	for round := range 2 {
		c := spawn(t, data)
		c.killAmid(24, func(w int, answered func()) {
			for i := 0; ; i++ {
				address := fmt.Sprintf("r%d-w%d-%d@example.com", round, w, i)
				if status, _ := c.device().ask("POST", "/api/auth/register", credentialsOf(address, `,"name":"Ada"`)); status != http.StatusOK {
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, address)
				mu.Unlock()
				answered()
			}
		})
	}
	c := spawn(t, data)
	for _, address := range acknowledged {
		if got := c.device().signIn(address, first); got != http.StatusOK {
			t.Errorf("%s cannot sign in: %d", address, got)
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for missing := acknowledged; len(missing) > 0; missing = c.owed(acknowledged) {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("%d mails are still owed, such as to %s", len(missing), missing[0])
		}
	}
}

// account registers somebody and signs them in.
func (c *child) account(w int) (address string, d device) {
	address, d = fmt.Sprintf("w%d@example.com", w), c.device()
	d.must("POST", "/api/auth/register", credentialsOf(address, `,"name":"Ada"`))
	d.must("POST", "/api/auth/login", credentialsOf(address, ""))
	return address, d
}

// F22: whether or not the last rotation was stored before the kill, the token
// its client still has leads on to a pair that works, and nobody loses the
// session. The grace is so long that a slow machine stays inside it.
func TestAKillAmidRefreshesCostsNobodyTheSession(t *testing.T) {
	const grace = "GATEHOUSE_TOKENS_REFRESH_REUSE_GRACE=60s"
	data := filepath.Join(t.TempDir(), "data")
	var devices [4]device
	c := spawn(t, data, grace)
	for w := range devices {
		_, devices[w] = c.account(w)
	}
	c.killAmid(40, func(w int, answered func()) {
		for {
			d := devices[w]
			if w%2 == 1 { // its answer is lost
				d.CookieJar = deaf{d.CookieJar}
			}
			if status, _ := d.ask("POST", "/api/auth/refresh", ""); status != http.StatusOK || w%2 == 1 {
				return
			}
			answered()
		}
	})
	c = spawn(t, data, grace)
	for _, d := range devices {
		d.child = c
		for range 2 { // with the token from before, then with its successor
			d.must("POST", "/api/auth/refresh", "")
			d.must("GET", "/api/users/me", "")
		}
	}
}

// F22: after a kill there is one password, the old one with the other sessions
// it had, or the new one without them.
func TestAKillAmidPasswordChangesLeavesTheOldStateOrTheNew(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	type change struct {
		address    string
		from, to   string
		at, beside device
	}
	changes := map[int]*change{}
	c := spawn(t, data)
	for w := range 4 {
		address, d := c.account(w)
		d.must("POST", "/api/auth/step-up", `{"password":"`+first+`"}`)
		changes[w] = &change{address: address, from: first, to: second, at: d, beside: c.device()}
		if got := changes[w].beside.signIn(address, first); got != http.StatusOK {
			t.Fatalf("the other device cannot sign in: %d", got)
		}
	}
	c.killAmid(12, func(w int, answered func()) {
		for ch := changes[w]; ; {
			body := `{"oldPassword":"` + ch.from + `","newPassword":"` + ch.to + `"}`
			if status, _ := ch.at.ask("PUT", "/api/users/me/password", body); status != http.StatusOK || w%2 == 1 { // its answer is lost
				return
			}
			other := c.device()
			if other.signIn(ch.address, ch.to) != http.StatusOK {
				ch.from, ch.to, ch.beside = ch.to, "", other // killed between two changes
				return
			}
			ch.from, ch.to, ch.beside = ch.to, ch.from, other
			answered()
		}
	})
	c = spawn(t, data)
	for ch := range maps.Values(changes) {
		ch.at.child, ch.beside.child = c, c
		ch.at.must("GET", "/api/users/me", "")
		old := c.device().signIn(ch.address, ch.from)
		if ch.to == "" {
			if old != http.StatusOK {
				t.Errorf("%s: an acknowledged password is refused: %d", ch.address, old)
			}
			continue
		}
		renewed := c.device().signIn(ch.address, ch.to)
		beside, _ := ch.beside.ask("GET", "/api/users/me", "")
		switch [3]int{old, renewed, beside} {
		case [3]int{http.StatusOK, http.StatusUnauthorized, http.StatusOK}: // not stored
		case [3]int{http.StatusUnauthorized, http.StatusOK, http.StatusUnauthorized}: // stored
		default:
			t.Errorf("%s: the old password gets %d, the new one %d, the other session %d", ch.address, old, renewed, beside)
		}
	}
}
