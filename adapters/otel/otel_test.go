package otel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"gatehouse/adapters/otel"
	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

type requestKey struct{}

func config(url string) otel.Config {
	return otel.Config{URL: url, Version: "1.2.3", Log: slog.New(slog.DiscardHandler), RequestID: func(ctx context.Context) string {
		id, _ := ctx.Value(requestKey{}).(string)
		return id
	}}
}

func TestObserver(t *testing.T) {
	outboundtest.Observer(t, func(t *testing.T) outbound.Observer {
		tracer := otel.Over(tracetest.NewInMemoryExporter(), config(""))
		t.Cleanup(func() { _ = tracer.Close(context.Background()) })
		return tracer
	})
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestAUseCaseIsAPartOfTheCallersTrace(t *testing.T) {
	seen := &kept{tracetest.NewInMemoryExporter()}
	tracer := otel.Over(seen, config(""))
	h := tracer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "r1")
		_, end := tracer.Begin(context.WithValue(r.Context(), requestKey{}, "r1"), "SignIn")
		end(fmt.Errorf("sign in: %w", fault.New(fault.InvalidCredentials).Because(errors.New("secret cause"))))
	}))
	r := httptest.NewRequest(http.MethodPost, "/api/auth/login?token=secret", nil)
	r.Header.Set("Traceparent", traceparent)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := seen.GetSpans()
	if len(spans) != 2 || spans[0].Name != "SignIn" || spans[1].Name != "request" {
		t.Fatalf("spans: %v", spans)
	}
	for _, s := range spans {
		if got := s.SpanContext.TraceID().String(); !strings.Contains(traceparent, got) {
			t.Errorf("%s belongs to trace %s", s.Name, got)
		}
		if !slices.Contains(s.Attributes, attribute.String("requestId", "r1")) {
			t.Errorf("%s does not tell its request: %v", s.Name, s.Attributes)
		}
		if text := fmt.Sprintf("%+v", s); strings.Contains(text, "secret") || strings.Contains(text, "/api/") {
			t.Errorf("%s tells %s", s.Name, text)
		}
	}
	if got := fmt.Sprint(spans[0].Attributes); !strings.Contains(got, "INVALID_CREDENTIALS") {
		t.Errorf("attributes: %s", got)
	}
}

// kept stays readable after the shutdown, which empties the exporter.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

func TestSpansGoToTheCollector(t *testing.T) {
	var got atomic.Int32
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			got.Add(1)
		}
	}))
	defer collector.Close()
	tracer, err := otel.New(t.Context(), config(collector.URL))
	if err != nil {
		t.Fatal(err)
	}
	_, end := tracer.Begin(t.Context(), "WhoAmI")
	end(nil)
	if err := tracer.Close(t.Context()); err != nil || got.Load() == 0 {
		t.Errorf("%v, %d exports", err, got.Load())
	}
}
