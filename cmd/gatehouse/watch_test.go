package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/adapters/redis/redistest"
)

// walk asks for one thing after another, and returns the ids of the requests.
func (p *program) walk() (ids []string) {
	p.t.Helper()
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`), 200},
		{"POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`), 200},
		{"POST", "/api/auth/register", `{"email":"ada"}`, 400},
		{"POST", "/api/auth/login", `{"email":"ada@example.com","password":"` + second + `"}`, 401},
		{"POST", "/api/auth/login", credentialsOf("ada@example.com", ""), 200},
		{"GET", "/api/users/me", "", 200},
		{"GET", "/api/users/me/sessions", "", 200},
		{"POST", "/api/auth/refresh", "", 200},
		{"POST", "/api/auth/step-up", credentialsOf("ada@example.com", ""), 200},
		{"PUT", "/api/users/me/password", `{"oldPassword":"` + first + `","newPassword":"` + second + `"}`, 200},
		{"POST", "/api/auth/email/verification", `{"token":"none"}`, 401},
		{"POST", "/api/guests", `{"name":"Gus"}`, 409},
		{"GET", "/nowhere", "", 404},
		{"POST", "/api/auth/logout", "", 200},
	} {
		req, err := http.NewRequestWithContext(p.t.Context(), step.method, p.public+step.path, strings.NewReader(step.body))
		must(p.t, err)
		req.Header.Set("Content-Type", "application/json")
		res, err := p.client.Do(req)
		must(p.t, err)
		text, err := io.ReadAll(res.Body)
		must(p.t, err)
		must(p.t, res.Body.Close())
		if res.StatusCode != step.status {
			p.t.Errorf("%s %s: %d %s", step.method, step.path, res.StatusCode, text)
		}
		ids = append(ids, res.Header.Get("X-Request-Id"))
	}
	return ids
}

func TestEveryLogLineOfARequestNamesIt(t *testing.T) {
	p := start(t, "GATEHOUSE_APP_LOG_LEVEL=debug")
	ids := p.walk()
	must(t, p.stop())
	of := map[string][]string{}
	_, serving, _ := strings.Cut(p.log.String(), `"msg":"ready"`) // a start does things of its own
	_, serving, _ = strings.Cut(serving, "\n")
	for line := range strings.Lines(serving) {
		var l struct{ Msg, RequestID string }
		must(t, json.Unmarshal([]byte(line), &l))
		of[l.RequestID] = append(of[l.RequestID], l.Msg)
	}
	for _, id := range ids {
		if id == "" || !slices.Contains(of[id], "request") {
			t.Errorf("request %q has the lines %q", id, of[id])
		}
	}
	for _, msg := range of[""] {
		if !slices.Contains([]string{"mail delivered", "audit trail", "stopping"}, msg) {
			t.Errorf("a line %q names no request", msg)
		}
	}
	for id := range maps.Keys(of) {
		if id != "" && !slices.Contains(ids, id) {
			t.Errorf("%q is the id of no request", id)
		}
	}
}

// A collector sees which requests there were, and nothing of what was in them.
func TestTracesNameRequestsAndHoldNothingElseOfThem(t *testing.T) {
	var mu sync.Mutex
	var told strings.Builder
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&told, r.Body)
	}))
	defer collector.Close()
	p := start(t, "GATEHOUSE_INTERNAL_TRACE_URL="+collector.URL)
	ids := p.walk()
	must(t, p.stop())
	for _, id := range ids {
		if !strings.Contains(told.String(), id) {
			t.Errorf("no span names request %s", id)
		}
	}
	for _, secret := range []string{first, second, "ada@", "Ada", "127.0.0.1:", "SELECT", "INSERT", "eyJ"} {
		if strings.Contains(told.String(), secret) {
			t.Errorf("the traces hold %q", secret)
		}
	}
}

var (
	documented = regexp.MustCompile("(?m)^\\| `(gatehouse_[a-z_]+)(?:\\{([a-z_, ]+)\\})?` \\|")
	typed      = regexp.MustCompile(`(?m)^# TYPE (gatehouse_[a-z_]+) `)
	sampled    = regexp.MustCompile(`(?m)^(gatehouse_[a-z_]+)(?:\{(.*)\})? `)
	labelled   = regexp.MustCompile(`([a-z_]+)="`)
)

// The names are API: dashboards and alerts are made of them.
func TestEveryMetricIsDocumentedAndHasNoOtherLabels(t *testing.T) {
	p := start(t, "GATEHOUSE_CACHE_URL="+redistest.Start(t).URL)
	p.walk()
	p.mail("email_verification")
	shown := p.must("GET", p.internal+"/metrics", "", 200)
	text, err := os.ReadFile("../../docs/operating.md")
	must(t, err)
	want := map[string][]string{}
	for _, m := range documented.FindAllStringSubmatch(string(text), -1) {
		want[m[1]] = slices.Sorted(slices.Values(strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })))
	}
	got := map[string][]string{}
	for _, m := range typed.FindAllStringSubmatch(shown, -1) {
		got[m[1]] = nil
	}
	for _, m := range sampled.FindAllStringSubmatch(shown, -1) {
		name := m[1]
		for _, part := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			whole, cut := strings.CutSuffix(m[1], part)
			if _, ok := got[whole]; cut && ok {
				name = whole
			}
		}
		labels := []string{}
		for _, l := range labelled.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" {
				labels = append(labels, l[1])
			}
		}
		got[name] = slices.Sorted(slices.Values(labels))
	}
	for name := range maps.Keys(got) {
		if w, ok := want[name]; !ok || !slices.Equal(w, got[name]) {
			t.Errorf("%s has labels %q, documented are %q (%t)", name, got[name], w, ok)
		}
	}
	for name := range maps.Keys(want) {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is documented and not shown", name)
		}
	}
	for _, secret := range []string{"ada@", "Ada", "127.0.0.1"} {
		if strings.Contains(shown, secret) {
			t.Errorf("the metrics hold %q", secret)
		}
	}
}
