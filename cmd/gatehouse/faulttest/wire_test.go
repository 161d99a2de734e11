package faulttest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"gatehouse/adapters/gorm/pgtest"
)

// wire is the way of the replicas to something they need.
type wire struct{ proxy *toxiproxy.Proxy }

var switchboard = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())

func newWire(t testing.TB, name, to string) *wire {
	t.Helper()
	port, err := pgtest.FreePort()
	must(t, err)
	w := &wire{toxiproxy.NewProxy(switchboard, name, net.JoinHostPort("127.0.0.1", port), to)}
	w.mend(t)
	return w
}

func (w *wire) address() string { return w.proxy.Listen }

// cut breaks what is connected, and refuses to connect.
func (w *wire) cut() { w.proxy.Stop() }

// mend ends a cut.
func (w *wire) mend(t testing.TB) {
	t.Helper()
	must(t, w.proxy.Start())
}

// bounce breaks what is connected, no more.
func (w *wire) bounce() error {
	w.cut()
	return w.proxy.Start()
}

// swallow takes everything the replicas send, and never answers.
func (w *wire) swallow(t testing.TB) {
	t.Helper()
	w.toxic(t, `{"name":"swallow","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`)
}

// slow holds every answer back.
func (w *wire) slow(t testing.TB, by time.Duration) {
	t.Helper()
	w.toxic(t, fmt.Sprintf(`{"name":"slow","type":"latency","stream":"downstream","attributes":{"latency":%d}}`, by.Milliseconds()))
}

// lead breaks what is connected, and leads elsewhere from now on.
func (w *wire) lead(t testing.TB, to string) {
	t.Helper()
	w.cut()
	w.proxy.Upstream = to
	w.mend(t)
}

func (w *wire) toxic(t testing.TB, description string) {
	t.Helper()
	_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(description))
	must(t, err)
}

// heal ends what swallow and slow do. What was swallowed is broken.
func (w *wire) heal() { w.proxy.Toxics.ResetToxics(context.Background()) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
