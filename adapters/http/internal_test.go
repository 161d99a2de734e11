package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	adapter "gatehouse/adapters/http"
)

// inside serves the internal address of a world.
func (w *world) inside() string {
	w.t.Helper()
	s := httptest.NewServer(w.internal(nil))
	w.t.Cleanup(s.Close)
	return s.URL
}

func (w *world) internal(edit func(*adapter.InternalDeps)) http.Handler {
	w.t.Helper()
	d := adapter.InternalDeps{
		Deps: w.deps, Ready: func() bool { return !w.stopping.Load() },
		Metrics: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "requests 1\n") }),
		Checks: map[string]adapter.Check{
			"database": func(context.Context) error { return w.faults.at("check") },
			"keys":     func(context.Context) error { return nil },
		},
	}
	if edit != nil {
		edit(&d)
	}
	h, err := adapter.NewInternal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func TestReadinessTellsWhatWasFound(t *testing.T) {
	w := newWorld(t)
	base := w.inside()
	ready := exchange(t, base, req("GET /readyz", ""), false)
	if ready.status != 200 {
		t.Errorf("%d", ready.status)
	}
	golden(t, ready, `{"status":"ready","checks":{"database":"ok","keys":"ok"}}`)

	w.faults.plan("check", errors.New("dial tcp 10.1.2.3: refused"))
	notReady(t, base, map[string]any{"database": "failed", "keys": "ok"})
	w.faults.clear()
	w.stopping.Store(true)
	notReady(t, base, map[string]any{"database": "ok", "keys": "ok"})
	if a := exchange(t, base, req("GET /livez", ""), false); a.status != 200 {
		t.Errorf("livez %d while stopping", a.status)
	}
	if strings.Count(w.log.String(), "10.1.2.3") != 1 {
		t.Errorf("log %s", w.log.String())
	}
}

// What we can do without does not take us out of service.
func TestReadinessReportsWhatHelpsNoMore(t *testing.T) {
	w := newWorld(t)
	s := httptest.NewServer(w.internal(func(d *adapter.InternalDeps) {
		d.Helps = map[string]adapter.Check{
			"cache": func(context.Context) error { return errors.New("down") },
			"spare": func(context.Context) error { return nil },
		}
	}))
	t.Cleanup(s.Close)
	ready := exchange(t, s.URL, req("GET /readyz", ""), false)
	if ready.status != 200 {
		t.Errorf("%d", ready.status)
	}
	golden(t, ready, `{"status":"ready","checks":{"cache":"degraded","database":"ok","keys":"ok","spare":"ok"}}`)
}

func notReady(t *testing.T, base string, checks map[string]any) {
	t.Helper()
	in, err := wire.Get(base + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(in.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	found, _ := got["checks"].(map[string]any)
	if in.StatusCode != 503 || got["code"] != "SERVICE_OVERLOADED" || got["status"] != 503.0 || !maps.Equal(found, checks) ||
		in.Header.Get("Content-Type") != "application/problem+json" || in.Header.Get("Retry-After") == "" ||
		in.Header.Get("Content-Language") != "en" || got["requestId"] != in.Header.Get("X-Request-Id") {
		t.Errorf("%d %v %v", in.StatusCode, got, in.Header)
	}
}

func TestReadinessDoesNotWaitForever(t *testing.T) {
	w := newWorld(t)
	h := w.internal(func(d *adapter.InternalDeps) {
		d.Checks = map[string]adapter.Check{"stuck": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	})
	synctest.Test(t, func(t *testing.T) {
		began, rec := time.Now(), httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		if took := time.Since(began); took > 2*time.Second || rec.Code != http.StatusServiceUnavailable {
			t.Errorf("%d after %s", rec.Code, took)
		}
	})
}

func TestTheInternalAddressServesNothingElse(t *testing.T) {
	w := newWorld(t)
	base := w.inside()
	if a := exchange(t, base, req("GET /metrics", ""), false); string(a.body) != "requests 1\n" {
		t.Errorf("metrics %s", a.body)
	}
	golden(t, exchange(t, base, req("GET /livez", ""), false), `{"status":"live"}`)
	for _, path := range []string{"/dev/mailbox", "/dev/mailbox/messages", "/dev/api", "/api/users/me", "/", "/debug/pprof/"} {
		if a := exchange(t, base, req("GET "+path, ""), false); a.code() != "ROUTE_NOT_FOUND" {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := exchange(t, base, req("POST /readyz", ""), false); a.code() != "METHOD_NOT_ALLOWED" || a.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%d, Allow %q", a.status, a.header.Get("Allow"))
	}
	if a := exchange(t, base, req("HEAD /readyz", ""), false); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD: %d %s", a.status, a.body)
	}
}

func TestProfilesAreForTheInternalAddressAndOnlyIfWanted(t *testing.T) {
	w := newWorld(t)
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	on := serve(w.internal(func(d *adapter.InternalDeps) { d.Profile = true }))
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine", "/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=0.01"} {
		in, err := wire.Get(on + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in.Body)
		if in.Body.Close(); err != nil || in.StatusCode != 200 || len(text) == 0 {
			t.Errorf("%s: %d, %d bytes, %v", path, in.StatusCode, len(text), err)
		}
		for name, base := range map[string]string{"off": w.inside(), "public": w.server.URL} {
			if a := exchange(t, base, req("GET "+path, ""), false); a.code() != "ROUTE_NOT_FOUND" {
				t.Errorf("%s, %s: %d", path, name, a.status)
			}
		}
	}
	in, err := wire.Get(on + "/debug/pprof/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Body.Close()
	if text, err := io.ReadAll(in.Body); err != nil || in.StatusCode != 404 || strings.Contains(string(text), "-test.") {
		t.Errorf("the command line: %d %s, %v", in.StatusCode, text, err)
	}
}

func TestTheMailboxIsThereWhenThereIsOne(t *testing.T) {
	mailbox := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(rw, r.Method+" "+r.URL.Path) })
	w := newWorld(t, with(func(d *adapter.Deps) { d.Mailbox = mailbox }))
	for _, base := range []string{w.inside(), w.server.URL} {
		for _, line := range []string{"GET /dev/mailbox", "GET /dev/mailbox/messages", "DELETE /dev/mailbox/messages"} {
			if a := exchange(t, base, req(line, ""), false); string(a.body) != line {
				t.Errorf("%s: %d %s", line, a.status, a.body)
			}
		}
		if a := exchange(t, base, req("GET /dev/mailbox/x", ""), false); a.code() != "ROUTE_NOT_FOUND" {
			t.Errorf("%d", a.status)
		}
	}
}

func TestAStoppingServiceAnswersBeforeAnythingElse(t *testing.T) {
	w := newWorld(t)
	w.stopping.Store(true)
	for _, line := range []string{"GET /livez", "GET /nowhere", "PATCH /livez", "POST /api/auth/login", "OPTIONS /livez", "HEAD /livez"} {
		a := w.send(req(line, ""))
		if a.status != 503 || a.header.Get("Retry-After") != "1" {
			t.Errorf("%s: %d, Retry-After %q", line, a.status, a.header.Get("Retry-After"))
		}
		if !strings.HasPrefix(line, "HEAD") && a.code() != "SERVICE_OVERLOADED" {
			t.Errorf("%s: %s", line, a.code())
		}
	}
}

func TestAnUnfitServiceAnswersNothingFromTheDatabase(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) { d.Unfit = func(context.Context) error { return errStorage } }))
	for _, line := range []string{"POST /api/auth/login", "GET /api/users/me", "POST /api/auth/register"} {
		if a := w.want(503, "SERVICE_OVERLOADED", req(line, "{}")); a.header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After %q", line, a.header.Get("Retry-After"))
		}
	}
	w.ok(req("GET /livez", ""))
}

func TestTheReferencePageIsForDevelopersOnly(t *testing.T) {
	w := newWorld(t)
	w.want(404, "ROUTE_NOT_FOUND", req("GET /dev/api", ""))
	dev := newWorld(t, with(func(d *adapter.Deps) { d.Development = true }))
	in, err := wire.Get(dev.server.URL + "/dev/api")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Body.Close()
	if in.StatusCode != 200 || in.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d %v", in.StatusCode, in.Header)
	}
	if a := exchange(t, dev.inside(), req("GET /dev/api", ""), false); a.code() != "ROUTE_NOT_FOUND" {
		t.Errorf("internal: %d", a.status)
	}
}
