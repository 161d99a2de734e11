package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/adapters/argon2"
	"gatehouse/adapters/gorm/pgtest"
)

// wire leads to a PostgreSQL server and counts how often an answer is waited
// for: each Sync and each simple Query (PostgreSQL, Message Formats), BEGIN and
// COMMIT like any other.
type wire struct {
	url   string
	trips atomic.Int32
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	u, err := url.Parse(to)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server, w := u.Host, &wire{}
	u.Host = l.Addr().String()
	w.url = u.String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.lead(client, server) })
		}
	})
	t.Cleanup(func() {
		must(t, l.Close())
		all.Wait()
	})
	return w
}

// lead ends when either end hangs up.
func (w *wire) lead(client net.Conn, server string) {
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		_ = client.Close()
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, upstream)
		_ = client.Close()
	})
	for head := 4; w.pass(client, upstream, head); head = 5 { // the first message has no type
	}
	_ = upstream.Close()
	back.Wait()
}

// pass passes one message on, whose head is its type and its length.
func (w *wire) pass(client io.Reader, upstream io.Writer, size int) bool {
	head := make([]byte, size)
	if _, err := io.ReadFull(client, head); err != nil {
		return false
	}
	if size == 5 && strings.IndexByte("SQ", head[0]) >= 0 {
		w.trips.Add(1)
	}
	rest := int64(binary.BigEndian.Uint32(head[size-4:])) - 4
	_, err := io.CopyN(upstream, io.MultiReader(bytes.NewReader(head), client), int64(size)+rest)
	return err == nil
}

// newWired is a stack on PostgreSQL with one connection, none of whose round
// trips go unnoticed.
func newWired(t *testing.T) (*stack, *wire) {
	t.Helper()
	w := newWire(t, pgtest.URL(t))
	cfg, err := loadConfig("", nil, []string{
		"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0", "GATEHOUSE_DATA_DIR=" + t.TempDir(),
		"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=64", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1",
		"GATEHOUSE_DATABASE_URL=" + w.url, "GATEHOUSE_DATABASE_MAX_CONNECTIONS=1", "GATEHOUSE_LIMITS_IP_LOGIN=1000",
	}, quiet)
	must(t, err)
	f, err := lay(t.Context(), cfg, quiet)
	must(t, err)
	d, err := bind(t.Context(), cfg.config)
	must(t, err)
	service, err := build(t.Context(), f, d, later(func() (*argon2.Hasher, error) { return newHasher(cfg) }))
	must(t, err)
	t.Cleanup(func() {
		d.close()
		must(t, errors.Join(service.close(), f.Close()))
	})
	return &stack{t: t, public: service.public, cookies: map[string]*http.Cookie{}}, w
}

// What every request asks of PostgreSQL, counted where it costs: on the wire.
func TestRoundTripsPerRequest(t *testing.T) {
	s, w := newWired(t)
	var least map[string]int32
	// Statements are prepared in the first round, and a connection that idled
	// for a second is asked whether it lives.
	for round := range 4 {
		ada := credentialsOf(fmt.Sprintf("ada%d@example.com", round), "")
		took := map[string]int32{}
		ask := func(name, method, path, body string, status int) {
			before := w.trips.Load()
			if got := s.request(method, path, body); got.Code != status {
				t.Fatalf("%s: %d %s", name, got.Code, got.Body)
			}
			took[name] = w.trips.Load() - before
		}
		named := strings.TrimSuffix(ada, "}") + `,"name":"Ada"}`
		ask("register", "POST", "/api/auth/register", named, http.StatusOK)
		ask("register again", "POST", "/api/auth/register", named, http.StatusOK)
		ask("login, wrong", "POST", "/api/auth/login", strings.Replace(ada, "password\":\"", "password\":\"x", 1), http.StatusUnauthorized)
		ask("login, nobody", "POST", "/api/auth/login", strings.Replace(ada, "ada", "eve", 1), http.StatusUnauthorized)
		ask("login", "POST", "/api/auth/login", ada, http.StatusOK)
		ask("who am I", "GET", "/api/users/me", "", http.StatusOK)
		ask("refresh", "POST", "/api/auth/refresh", "", http.StatusOK)
		ask("who am I, refreshed", "GET", "/api/users/me", "", http.StatusOK)
		clear(s.cookies)
		if least == nil {
			least = took
		}
		for name, n := range took {
			least[name] = min(n, least[name])
		}
	}
	for name, want := range map[string]int32{
		"register": 2, "register again": 2, "login": 3, "login, wrong": 2, "login, nobody": 2,
		"who am I": 1, "refresh": 2, "who am I, refreshed": 1,
	} {
		if got := least[name]; got != want {
			t.Errorf("%s took %d round trips, want %d", name, got, want)
		}
	}
}

// request sends a request with the cookies there are, and keeps those it gets.
func (s *stack) request(method, path, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.send(method, path, "application/json", body)
}

func (s *stack) send(method, path, contentType, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	req := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, cookie := range s.cookies {
		req.AddCookie(cookie)
	}
	rec := httptest.NewRecorder()
	s.public.ServeHTTP(rec, req)
	for _, cookie := range rec.Result().Cookies() {
		s.cookies[cookie.Name] = cookie
	}
	return rec
}
