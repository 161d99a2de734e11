package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
	appoutbox "gatehouse/application/outbox"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/ports/outbound"
)

// caller is a browser of its own.
type caller struct {
	*http.Client
	base string
}

func (p *program) caller() caller {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	must(p.t, err)
	return caller{&http.Client{Transport: p.client.Transport, Jar: jar, Timeout: time.Minute}, p.public}
}

// do returns an error unless the answer is 200.
func (c caller) do(ctx context.Context, method, path, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return err
}

// Nobody asks for a second connection while they hold one: neither requests nor
// what goes on beside them.
func TestAPoolOfOneConnectionServesSixteenCallers(t *testing.T) {
	p := start(t, "GATEHOUSE_DATABASE_URL="+pgtest.URL(t), "GATEHOUSE_DATABASE_MAX_CONNECTIONS=1", "GATEHOUSE_LIMITS_ENABLED=false")
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			who := fmt.Sprintf("ada%d@example.com", i)
			c := p.caller()
			for _, step := range []struct{ method, path, body string }{
				{"POST", "/api/auth/register", credentialsOf(who, `,"name":"Ada"`)},
				{"POST", "/api/auth/login", credentialsOf(who, "")},
				{"GET", "/api/users/me", ""},
				{"POST", "/api/auth/refresh", ""},
				{"GET", "/api/users/me/sessions", ""},
				{"POST", "/api/auth/step-up", credentialsOf(who, "")},
				{"POST", "/api/auth/logout", ""},
			} {
				if err := c.do(t.Context(), step.method, step.path, step.body); err != nil {
					t.Error(err)
					return
				}
			}
		})
		all.Go(func() {
			c := caller{p.client, p.internal}
			for _, path := range []string{"/readyz", "/metrics"} {
				if err := c.do(t.Context(), "GET", path, ""); err != nil && path != "/readyz" { // which may be late, and say so
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	p.mail("email_verification")
}

func TestARoleThatMayNotChangeTheSchemaCanServe(t *testing.T) {
	owner := pgtest.URL(t)
	command := func(url string, args ...string) error {
		return run(t.Context(), args, []string{
			"GATEHOUSE_DATA_DIR=" + t.TempDir(), "GATEHOUSE_DATABASE_URL=" + url, "GATEHOUSE_DATABASE_MIGRATE=false",
			"GATEHOUSE_KEYS_MASTER=" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
		}, streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	}
	if err := command(owner, "user", "list"); err == nil {
		t.Error("it works without a schema")
	}
	must(t, command(owner, "migrate", "up"))
	role := pgtest.Role(t, owner)
	must(t, command(role, "migrate", "status"))
	if err := command(role, "migrate", "down", "--yes"); err == nil {
		t.Error("the role may change the schema")
	}
	p := start(t, "GATEHOUSE_DATABASE_URL="+role, "GATEHOUSE_DATABASE_MIGRATE=false")
	p.walk()
	p.must("GET", p.internal+"/readyz", "", 200)
}

// replica is one process of several on a database, as far as mails go. Its
// relay looks by itself at the start, and never again.
type replica struct {
	work  outbound.UnitOfWork // that wakes its own relay
	looks chan int            // how many mails each look of the relay has found
}

func newReplica(t *testing.T, cfg settings, deliver mailerFunc) replica {
	t.Helper()
	f, err := lay(t.Context(), cfg, quiet)
	must(t, err)
	looks := make(chan int, 100)
	relay := appoutbox.NewRelay(appoutbox.Deps{
		Work: seen{f.work, looks}, Mail: deliver, Owner: newID(), Now: now, Log: quiet, Announce: f.db.Announce, Tried: func(string) {},
		Jitter: func(d time.Duration) time.Duration { return d }, Batch: 1, Parallel: 2, Every: time.Hour,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var ends sync.WaitGroup
	ends.Go(func() { relay.Run(ctx) })
	ends.Go(func() { f.db.Listen(ctx, relay.Hear, func(err error) { t.Error(err) }) })
	t.Cleanup(func() {
		cancel()
		ends.Wait()
		must(t, f.Close())
	})
	return replica{appoutbox.Waking(f.work, relay.Wake), looks}
}

// promise adds a mail.
func (r replica) promise(t *testing.T) {
	t.Helper()
	to, _ := email.Parse("ada@example.com")
	at := now()
	must(t, r.work.Single().Outbox.Add(t.Context(), notice.Notice{
		ID: newID(), Kind: notice.LoginAlert, To: to, Locale: "en", CreatedAt: at, ExpiresAt: at.Add(time.Hour),
	}))
}

// finds waits for as many looks as it says what they find.
func (r replica) finds(t *testing.T, mails ...int) {
	t.Helper()
	for i, want := range mails {
		select {
		case got := <-r.looks:
			if got != want {
				t.Fatalf("look %d found %d mails, want %d", i+1, got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nothing made it look")
		}
	}
}

// seen is work whose claims are told.
type seen struct {
	outbound.UnitOfWork
	looks chan<- int
}

func (s seen) Single() outbound.Stores {
	all := s.UnitOfWork.Single()
	all.Outbox = seenOutbox{all.Outbox, s.looks}
	return all
}

type seenOutbox struct {
	outbound.Outbox
	looks chan<- int
}

func (s seenOutbox) Claim(ctx context.Context, owner string, now, until time.Time, limit int) ([]outbound.Claim, error) {
	claims, err := s.Outbox.Claim(ctx, owner, now, until, limit)
	s.looks <- len(claims)
	return claims, err
}

// mailerFunc delivers by calling itself.
type mailerFunc func(context.Context, notice.Notice) error

// Deliver implements [outbound.Mailer].
func (f mailerFunc) Deliver(ctx context.Context, n notice.Notice) error { return f(ctx, n) }

func TestAReplicaDeliversAtOnceWhatABusyOneCannot(t *testing.T) {
	cfg, err := loadConfig("", nil, []string{
		"GATEHOUSE_DATA_DIR=" + t.TempDir(), "GATEHOUSE_DATABASE_URL=" + pgtest.URL(t),
	}, quiet)
	must(t, err)
	idle := make(chan struct{})
	busy := newReplica(t, cfg, func(context.Context, notice.Notice) error { <-idle; return nil })
	t.Cleanup(func() { close(idle) })
	busy.finds(t, 0, 0) // at its start, and once it listens
	busy.promise(t)
	busy.promise(t)
	for found := 0; found < 2; {
		found += <-busy.looks
	}
	delivered := make(chan struct{}, 1)
	other := newReplica(t, cfg, func(context.Context, notice.Notice) error { delivered <- struct{}{}; return nil })
	other.finds(t, 0, 0)
	for range 2 {
		busy.promise(t)
		other.finds(t, 1, 0)
		<-delivered
	}
}
