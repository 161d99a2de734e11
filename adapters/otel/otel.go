// Package otel tells traces to an OpenTelemetry collector, by OTLP over HTTP.
// It opens one span per request and one per use case. No span holds a path, an
// address, a header or a value of a request but its id, and a collector that is slow or
// down never slows a request: spans are dropped.
package otel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
)

var _ outbound.Observer = (*Tracer)(nil)

// Tracer is an [outbound.Observer] that opens spans.
type Tracer struct {
	provider  *sdk.TracerProvider
	tracer    trace.Tracer
	requestID func(context.Context) string
}

// Config is what a [Tracer] is built from. All is required.
type Config struct {
	URL     string // of the collector, such as http://127.0.0.1:4318
	Version string // of the program
	// RequestID returns the id of the request a context belongs to, "" outside
	// of one.
	RequestID func(context.Context) string
	Log       *slog.Logger
}

const requestID = "requestId"

// New returns a Tracer, which dials nothing yet. What cannot be exported is
// told to the log, for the whole process, since the library has one place for
// that.
func New(ctx context.Context, cfg Config) (*Tracer, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		cfg.Log.WarnContext(context.WithoutCancel(ctx), "traces not exported", "err", err)
	}))
	url := strings.TrimRight(cfg.URL, "/") + "/v1/traces"
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url), otlptracehttp.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("trace exporter: %w", err)
	}
	return over(exporter, cfg), nil
}

func over(exporter sdk.SpanExporter, cfg Config) *Tracer {
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "gatehouse"), attribute.String("service.version", cfg.Version))),
	)
	return &Tracer{provider, provider.Tracer("gatehouse"), cfg.RequestID}
}

// Close exports what is left, for as long as ctx allows.
func (t *Tracer) Close(ctx context.Context) error {
	if err := errors.Join(t.provider.ForceFlush(ctx), t.provider.Shutdown(ctx)); err != nil {
		return fmt.Errorf("end of traces: %w", err)
	}
	return nil
}

// Begin implements [outbound.Observer]. A refusal is an answer, no error of the
// span; its code is an attribute.
func (t *Tracer) Begin(ctx context.Context, useCase string) (context.Context, func(error)) {
	ctx, span := t.tracer.Start(ctx, useCase)
	if id := t.requestID(ctx); id != "" {
		span.SetAttributes(attribute.String(requestID, id))
	}
	return ctx, func(err error) {
		defer span.End()
		if err == nil {
			return
		}
		span.SetAttributes(attribute.String("gatehouse.code", string(fault.CodeOf(err))))
		if fault.CodeOf(err) == fault.InternalError {
			span.SetStatus(codes.Error, "")
		}
	}
}

// Handler opens a span for every request, as a part of the trace that the
// caller names (W3C Trace Context).
func (t *Tracer) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
		span.SetAttributes(attribute.String(requestID, w.Header().Get("X-Request-Id"))) // next has set it
	})
}
