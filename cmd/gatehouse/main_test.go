package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// runLog is what a program logs, and where it listens.
type runLog struct {
	mu        sync.Mutex
	text      bytes.Buffer
	addresses map[string]string
	ready     chan struct{}
	awaited   map[string]chan struct{} // by message
}

// Write implements [io.Writer]; slog writes one line at a time.
func (l *runLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var r struct{ Msg, Side, Address string }
	if json.Unmarshal(line, &r) == nil {
		switch r.Msg {
		case "listening":
			l.addresses[r.Side] = r.Address
		case "ready":
			close(l.ready)
		}
		if c := l.awaited[r.Msg]; c != nil {
			delete(l.awaited, r.Msg)
			close(c)
		}
	}
	return l.text.Write(line)
}

// says returns what is closed once a message has been logged.
func (l *runLog) says(msg string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan struct{})
	if strings.Contains(l.text.String(), `"msg":"`+msg+`"`) {
		close(c)
		return c
	}
	l.awaited[msg] = c
	return c
}

func (l *runLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// program is one that serves.
type program struct {
	t                *testing.T
	log              *runLog
	public, internal string
	client           *http.Client
	stop             func() error // once
}

// start serves with a cheap hash on free ports, until the test ends.
func start(t *testing.T, environ ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log := &runLog{addresses: map[string]string{}, ready: make(chan struct{}), awaited: map[string]chan struct{}{}}
	ended := make(chan error, 1)
	environ = append([]string{
		"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0",
		"GATEHOUSE_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=64", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1",
	}, environ...)
	go func() {
		ended <- run(ctx, []string{"serve"}, environ, streams{in: strings.NewReader(""), out: io.Discard, err: log})
	}()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	select {
	case <-log.ready:
	case err := <-ended:
		cancel()
		t.Fatalf("did not start: %v\n%s", err, log)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
	return &program{
		t: t, log: log, stop: stop, client: &http.Client{Transport: transport, Jar: jar, Timeout: 20 * time.Second},
		public: "http://" + log.addresses["public"], internal: "http://" + log.addresses["internal"],
	}
}

// call returns status and body of an answer.
func (p *program) call(method, url, body string) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (p *program) must(method, url, body string, status int) string {
	p.t.Helper()
	got, answer := p.call(method, url, body)
	if got != status {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, url, got, status, answer)
	}
	return answer
}

type letter struct{ Kind, Locale, Subject, Text string }

// mail waits for the mail of a kind, which comes shortly after its cause.
func (p *program) mail(kind string) letter {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx := p.t.Context(); ; {
		var all []letter
		if err := json.Unmarshal([]byte(p.must("GET", p.public+"/dev/mailbox/messages", "", 200)), &all); err != nil {
			p.t.Fatal(err)
		}
		if i := slices.IndexFunc(all, func(m letter) bool { return m.Kind == kind }); i >= 0 {
			return all[i]
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("no mail of kind %s", kind)
		}
	}
}

const (
	first  = "sample-Passphrase-4-reading"
	second = "another-Passphrase-5-writing"
)

func TestAnAccountFromRegistrationToANewPassword(t *testing.T) {
	p := start(t, "GATEHOUSE_ELSE=1")
	p.must("POST", p.public+"/api/auth/register?locale=de", `{"email":"ada@example.com","name":"Ada","password":"`+first+`"}`, 200)
	_, link, ok := strings.Cut(p.mail("email_verification").Text, p.public+"/auth/verify-email?token=")
	if !ok {
		t.Fatal("the mail has no link that begins with the bound address")
	}
	token, _, _ := strings.Cut(link, "\n")
	p.must("POST", p.public+"/api/auth/email/verification", `{"token":"`+token+`"}`, 200)
	p.must("POST", p.public+"/api/auth/login", `{"email":"ada@example.com","password":"`+first+`"}`, 200)
	p.must("POST", p.public+"/api/auth/step-up", `{"password":"`+first+`"}`, 200)
	p.must("PUT", p.public+"/api/users/me/password?locale=de", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`, 200)
	if m := p.mail("security_alert.password_changed"); m.Locale != "de" || !strings.Contains(m.Subject, "Passwort") {
		t.Errorf("the mail is in %q: %s", m.Locale, m.Subject)
	}
	if me := p.must("GET", p.public+"/api/users/me", "", 200); !strings.Contains(me, `"emailVerified":true`) {
		t.Errorf("I am %s", me)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	log := p.log.String()
	for _, secret := range []string{first, second, token, "ada@example.com"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log knows %q", secret)
		}
	}
	if !strings.Contains(log, `"name":"GATEHOUSE_ELSE"`) {
		t.Error("no word of the unknown variable")
	}
}

func TestBothAddressesAnswerWhatIsTheirs(t *testing.T) {
	p := start(t)
	for url, status := range map[string]int{
		p.public + "/livez": 200, p.internal + "/livez": 200,
		p.public + "/readyz": 404, p.internal + "/readyz": 200,
		p.public + "/metrics": 404, p.internal + "/metrics": 200,
		p.public + "/dev/mailbox": 200, p.internal + "/dev/mailbox": 200,
		p.public + "/dev/api": 200, p.internal + "/dev/api": 404,
		p.public + "/api/openapi": 200, p.internal + "/api/openapi": 404,
		p.public + "/internal/x": 404,
	} {
		if got, _ := p.call("GET", url, ""); got != status {
			t.Errorf("%s: status %d, want %d", strings.TrimPrefix(url, "http://"), got, status)
		}
	}
	if m := p.must("GET", p.internal+"/metrics", "", 200); !strings.Contains(m, "gatehouse_hash_slots_in_use") {
		t.Error("no metrics of the hasher")
	}
}

func TestMailsOffMeansNoMailbox(t *testing.T) {
	p := start(t, "GATEHOUSE_MAIL_URL=disabled:")
	p.must("GET", p.public+"/dev/mailbox", "", 404)
}

func TestTheBootstrapAdminExistsAndKeepsTheirPassword(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for _, password := range []string{first, second} {
		p := start(t, "GATEHOUSE_DATA_DIR="+data, "GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL=root@example.com", "GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD="+password)
		if got := p.must("POST", p.public+"/api/auth/login", `{"email":"root@example.com","password":"`+first+`"}`, 200); !strings.Contains(got, "ADMIN") {
			t.Errorf("no admin: %s", got)
		}
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
	}
	err := run(t.Context(), []string{"serve"}, []string{
		"GATEHOUSE_DATA_DIR=" + data, "GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL=new@example.com", "GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD=hello",
		"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0",
	}, streams{out: io.Discard, err: io.Discard})
	if exitCode(err) != 2 || !strings.Contains(err.Error(), "min_length") {
		t.Errorf("a weak password: %v", err)
	}
}

func TestASecondProcessOnTheSameDataRefusesToStart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start(t, "GATEHOUSE_DATA_DIR="+data)
	err := run(t.Context(), []string{"serve"}, []string{
		"GATEHOUSE_DATA_DIR=" + data, "GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0",
	}, streams{out: io.Discard, err: io.Discard})
	if exitCode(err) != 1 || !strings.Contains(err.Error(), "another process") {
		t.Errorf("err = %v", err)
	}
}

func TestAPortThatIsTakenStopsTheStart(t *testing.T) {
	p := start(t)
	err := run(t.Context(), []string{"serve"}, []string{
		"GATEHOUSE_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=" + strings.TrimPrefix(p.internal, "http://"),
	}, streams{out: io.Discard, err: io.Discard})
	if exitCode(err) != 1 || !strings.Contains(err.Error(), "internal.address") {
		t.Errorf("err = %v", err)
	}
}

func TestTheHealthcheckAsksTheInternalAddress(t *testing.T) {
	p := start(t)
	var out bytes.Buffer
	environ := []string{"GATEHOUSE_INTERNAL_ADDRESS=" + strings.TrimPrefix(p.internal, "http://")}
	if err := run(t.Context(), []string{"healthcheck"}, environ, streams{out: &out, err: io.Discard}); err != nil || out.String() != "ready\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestACollectorThatIsDownHoldsNobodyUp(t *testing.T) {
	p := start(t, "GATEHOUSE_INTERNAL_TRACE_URL=http://127.0.0.1:1")
	p.must("POST", p.public+"/api/guests", `{"name":"Gus"}`, 200)
	if err := p.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}
