package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"gatehouse/adapters/telemetry"
)

type key struct{}

func idOf(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

func TestCorrelateAddsTheIdOfTheRequestOnce(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(telemetry.Correlate(slog.NewTextHandler(&out, nil), idOf))
	within := context.WithValue(t.Context(), key{}, "r1")
	for _, c := range []struct {
		name string
		line func()
		want int
	}{
		{"within a request", func() { log.InfoContext(within, "x") }, 1},
		{"with attributes", func() { log.With("a", 1).InfoContext(within, "x") }, 1},
		{"that has it", func() { log.InfoContext(within, "x", "requestId", "r1") }, 1},
		{"outside", func() { log.InfoContext(t.Context(), "x") }, 0},
	} {
		out.Reset()
		if c.line(); strings.Count(out.String(), "requestId=r1") != c.want || strings.Count(out.String(), "requestId") != c.want {
			t.Errorf("a line %s: %s", c.name, out.String())
		}
	}
}
