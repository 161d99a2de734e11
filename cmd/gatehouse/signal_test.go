package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// held is a request whose body has not come yet.
type held struct {
	net.Conn
	answers *bufio.Reader
	body    string
}

// hold begins to register somebody, and returns when the body is waited for.
func (c *child) hold() held {
	c.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(c.t.Context(), "tcp", strings.TrimPrefix(c.public, "http://"))
	must(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	h := held{conn, bufio.NewReader(conn), credentialsOf("ada@example.com", `,"name":"Ada"`)}
	_, err = fmt.Fprintf(conn, "POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(h.body))
	must(c.t, err)
	line, err := h.answers.ReadString('\n')
	must(c.t, err)
	if !strings.Contains(line, "100 Continue") {
		c.t.Fatalf("the request is not waited for: %s", line)
	}
	_, err = h.answers.ReadString('\n')
	must(c.t, err)
	return h
}

// finish sends the body and returns the answer.
func (h held) finish(t *testing.T) *http.Response {
	t.Helper()
	_, err := h.Write([]byte(h.body))
	must(t, err)
	res, err := http.ReadResponse(h.answers, nil)
	must(t, err)
	return res
}

// refusal returns the first answer to a new request that is none of success.
func (c *child) refusal() (status int, body string) {
	for status = http.StatusOK; status == http.StatusOK; {
		status, body = c.device().ask("GET", "/api/auth/status", "")
	}
	return status, body
}

func TestSIGTERMWhileNothingGoesOnEndsTheProcessWithSuccess(t *testing.T) {
	c := spawn(t, filepath.Join(t.TempDir(), "data"))
	c.terminate()
	if code := c.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// F23
func TestAfterSIGTERMWhatIsUnderWayFinishesAndTheRestIsRefused(t *testing.T) {
	c := spawn(t, filepath.Join(t.TempDir(), "data"))
	h := c.hold()
	c.terminate()
	if status, body := c.refusal(); status != http.StatusServiceUnavailable || !strings.Contains(body, `"SERVICE_OVERLOADED"`) {
		t.Errorf("a new request gets %d: %s", status, body)
	}
	res, err := c.client.Get(c.internal + "/readyz")
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("readiness says %s, %v", res.Status, res.Header)
	}
	answer := h.finish(t)
	must(t, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the request under way gets %s", answer.Status)
	}
	if code := c.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// F23: whoever waited for the request would exit with success, when it ends.
func TestASecondSIGTERMEndsTheProcessAtOnce(t *testing.T) {
	c := spawn(t, filepath.Join(t.TempDir(), "data"))
	c.hold()
	c.terminate()
	c.refusal() // it knows
	c.terminate()
	if code := c.exit(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
