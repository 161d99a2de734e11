// Package prometheus measures requests and use cases for Prometheus. It owns
// the names, labels and buckets of the metrics, in a registry of its own, and
// the handler that shows them. Labels hold nothing that a client can choose,
// and nothing about anybody: no path, id, name or address.
package prometheus

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
)

var _ outbound.Observer = (*Metrics)(nil)

// Metrics measures one process. It is safe for concurrent use.
type Metrics struct {
	now      func() time.Time
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	problems *prometheus.CounterVec
	useCases *prometheus.HistogramVec
	restarts *prometheus.CounterVec
	mails    *prometheus.CounterVec
}

// New returns Metrics that also tell what the program was built from and the
// state of its process.
func New(version, commit string, now func() time.Time) *Metrics {
	m := &Metrics{
		now: now, registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_http_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_http_problems_total", Help: "Requests that were refused or failed, by the code of the answer.",
		}, []string{"code"}),
		useCases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_use_case_seconds", Help: "Time a use case takes.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"use_case", "outcome"}),
	}
	m.restarts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_loop_restarts_total", Help: "Background loops that panicked and were started again.",
	}, []string{"loop"})
	m.mails = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_outbox_attempts_total", Help: "Mails that were tried, by how that ended.",
	}, []string{"outcome"})
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version, "commit": commit},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.problems, m.useCases, m.restarts, m.mails, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler shows the metrics as text.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Served counts an answer: route is the pattern, "" when there was none, code
// that of the problem, "" when there was none.
func (m *Metrics) Served(route, method string, status int, code string, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, known(method), strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
	if code != "" {
		m.problems.WithLabelValues(code).Inc()
	}
}

// Gauge shows a value that goes up and down. A name can be used once.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Counter shows a value that only grows. A name can be used once.
func (m *Metrics) Counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Tried counts an attempt to deliver a mail.
func (m *Metrics) Tried(outcome string) { m.mails.WithLabelValues(outcome).Inc() }

// Started shows a background loop that has never panicked.
func (m *Metrics) Started(loop string) { m.restarts.WithLabelValues(loop).Add(0) }

// Restarted counts a background loop that panicked.
func (m *Metrics) Restarted(loop string) { m.restarts.WithLabelValues(loop).Inc() }

// Begin implements [outbound.Observer].
func (m *Metrics) Begin(ctx context.Context, useCase string) (context.Context, func(error)) {
	began := m.now()
	return ctx, func(err error) {
		outcome := "done"
		if code := fault.CodeOf(err); code != "" {
			outcome = string(code)
		}
		m.useCases.WithLabelValues(useCase, outcome).Observe(m.now().Sub(began).Seconds())
	}
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// known keeps clients, who may call a method anything, from making labels.
func known(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return "other"
}
