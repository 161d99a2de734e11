package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// child is a process of its own, which can be killed.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	public string
	client *http.Client
}

// spawn serves from a data directory in a process of its own.
func spawn(t *testing.T, data string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "gatehouse", "serve")
	cmd.Env = append(cmd.Environ(),
		"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0", "GATEHOUSE_DATA_DIR="+data,
		"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=64", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1", "GATEHOUSE_LIMITS_ENABLED=false",
		"GATEHOUSE_APP_BASE_URL=http://127.0.0.1:8080",
	)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, client: &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}}
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		var l struct{ Msg, Side, Address string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Side == "public" {
			c.public = "http://" + l.Address
		}
		if l.Msg == "ready" {
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

// post returns the status of an answer, 0 when there was none.
func (c *child) post(path, body string) int {
	res, err := c.client.Post(c.public+path, "application/json", strings.NewReader(body))
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// register makes accounts, several at a time, until nobody answers any more,
// and returns whose registration was acknowledged.
func (c *child) register(round int, enough chan<- struct{}) (acknowledged []string) {
	var mu sync.Mutex
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				address := fmt.Sprintf("r%d-w%d-%d@example.com", round, w, i)
				if c.post("/api/auth/register", credentialsOf(address, `,"name":"Ada"`)) != http.StatusOK {
					return
				}
				mu.Lock()
				if acknowledged = append(acknowledged, address); len(acknowledged) == 24 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	return acknowledged
}

func credentialsOf(address, more string) string {
	return `{"email":"` + address + `","password":"` + first + `"` + more + `}`
}

// owed returns who of these has not got the verification mail.
func (c *child) owed(to []string) (missing []string) {
	res, err := c.client.Get(c.public + "/dev/mailbox/messages")
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		c.t.Fatal(err)
	}
	var all []struct{ To, Kind string }
	if err := json.Unmarshal(body.Bytes(), &all); err != nil {
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

// F20 to F22, Q1, Q4: what was acknowledged is there after a kill, and every
// mail that is owed leaves.
func TestAKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var acknowledged []string
	for round := range 2 {
		c, enough, written := spawn(t, data), make(chan struct{}), make(chan []string)
		go func() { written <- c.register(round, enough) }()
		<-enough
		c.kill()
		acknowledged = append(acknowledged, <-written...)
	}
	c := spawn(t, data)
	defer c.kill()
	for _, address := range acknowledged {
		if got := c.post("/api/auth/login", credentialsOf(address, "")); got != http.StatusOK {
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
