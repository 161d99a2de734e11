package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A request that is under way when the service stops gets its answer, a new one
// is told to come back, and only then the doors close.
func TestStopLetsRequestsInFlightFinishAndRefusesNewOnes(t *testing.T) {
	d, err := bind(t.Context(), config{
		HTTP: httpConfig{Address: "127.0.0.1:0", MaxConnections: 10}, Internal: internalConfig{Address: "127.0.0.1:0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &flights{}
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.stopping.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		close(entered)
		<-leave
		_, _ = io.WriteString(w, "done")
	})
	base := "http://" + d.public.Addr().String()
	s := serve(t.Context(), d, handler, http.NotFoundHandler(), f, quiet)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

	slow := make(chan string, 1)
	go func() { slow <- get(t, client, base) }()
	<-entered
	f.stop() // as s.stop is about to, so that the next request surely comes later
	stopped := make(chan struct{})
	go func() {
		s.stop(t.Context())
		close(stopped)
	}()
	if got := get(t, client, base); got != "503 " {
		t.Errorf("a new request gets %q", got)
	}
	select {
	case <-stopped:
		t.Error("stopped while a request was in flight")
	default:
	}
	close(leave)
	if got := <-slow; got != "200 done" {
		t.Errorf("the request in flight gets %q", got)
	}
	<-stopped
	if got := get(t, client, base); !strings.Contains(got, "refused") {
		t.Errorf("afterwards: %q", got)
	}
}

func get(t *testing.T, client *http.Client, url string) string {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	res, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return res.Status[:4] + string(b)
}

func TestASupervisedLoopRunsAgainAfterAPanicAndEndsWithItsContext(t *testing.T) {
	calls := 0
	if finished(t.Context(), quiet, "test", func(context.Context) { calls++; panic("secret") }) {
		t.Error("a panic counts as an end")
	}
	if !finished(t.Context(), quiet, "test", func(context.Context) { calls++ }) || calls != 2 {
		t.Errorf("an end does not count, after %d calls", calls)
	}
}
