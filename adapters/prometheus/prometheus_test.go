package prometheus_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/prometheus"
	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

func scrape(t *testing.T, m *prometheus.Metrics) string {
	t.Helper()
	res := httptest.NewRecorder()
	m.Handler().ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if res.Code != http.StatusOK {
		t.Fatalf("status %d", res.Code)
	}
	return res.Body.String()
}

func TestObserver(t *testing.T) {
	outboundtest.Observer(t, func(*testing.T) outbound.Observer { return prometheus.New("", "", time.Now) })
}

func TestServedCountsByPatternAndNeverByWhatAClientChose(t *testing.T) {
	m := prometheus.New("1.2.3", "abc", time.Now)
	m.Served("/api/auth/login", "POST", 401, "INVALID_CREDENTIALS", 20*time.Millisecond)
	m.Served("", "X-MADE-UP", 404, "ROUTE_NOT_FOUND", time.Millisecond)
	m.Served("/livez", "GET", 200, "", time.Millisecond)
	got := scrape(t, m)
	for _, want := range []string{
		`gatehouse_http_request_seconds_count{method="POST",route="/api/auth/login",status="4xx"} 1`,
		`gatehouse_http_request_seconds_count{method="other",route="none",status="4xx"} 1`,
		`gatehouse_http_problems_total{code="INVALID_CREDENTIALS"} 1`,
		`gatehouse_build_info{commit="abc",version="1.2.3"} 1`,
		`go_goroutines`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, "MADE-UP") {
		t.Error("a client has made a label")
	}
}

func TestBeginMeasuresUseCasesByOutcome(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := prometheus.New("", "", func() time.Time { at = at.Add(time.Second); return at })
	for _, err := range []error{nil, fault.New(fault.UserNotFound), context.Canceled} {
		_, end := m.Begin(t.Context(), "SignIn")
		end(err)
	}
	got := scrape(t, m)
	for _, outcome := range []string{"done", "USER_NOT_FOUND", "INTERNAL_ERROR"} {
		if want := `gatehouse_use_case_seconds_sum{outcome="` + outcome + `",use_case="SignIn"} 1`; !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestALoopIsShownBeforeItEverPanics(t *testing.T) {
	m := prometheus.New("", "", time.Now)
	for _, want := range []string{"0", "1"} {
		m.Started("outbox")
		if line := `gatehouse_loop_restarts_total{loop="outbox"} ` + want; !strings.Contains(scrape(t, m), line) {
			t.Errorf("no %s", line)
		}
		m.Restarted("outbox")
	}
}

func TestMailsAreCountedByOutcome(t *testing.T) {
	m := prometheus.New("", "", time.Now)
	m.Tried("delivered")
	m.Tried("delivered")
	if line := `gatehouse_outbox_attempts_total{outcome="delivered"} 2`; !strings.Contains(scrape(t, m), line) {
		t.Errorf("no %s", line)
	}
}
