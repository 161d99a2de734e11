package main

import (
	"context"
	"fmt"
	"net/url"

	gormadapter "gatehouse/adapters/gorm"
	httpadapter "gatehouse/adapters/http"
	memoryadapter "gatehouse/adapters/memory"
	prometheusadapter "gatehouse/adapters/prometheus"
	redisadapter "gatehouse/adapters/redis"
	"gatehouse/ports/outbound"
)

// shared is the state that replicas hold in common outside of any transaction,
// and what keeps it up.
type shared struct {
	buckets outbound.Buckets
	marks   outbound.Marks
	cache   *redisadapter.Cache // nil without one
	loops   map[string]func(context.Context)
}

// newShared lets a process that is alone keep to itself, and others meet in
// the cache, if they have one, or in their database.
func newShared(f *foundation) (shared, error) {
	index := func(key string) []byte { return f.vault.Index("bucket", key) }
	switch {
	case f.cfg.Cache.URL.Reveal() != "":
		return newCache(f, index)
	case f.alone():
		return shared{buckets: memoryadapter.NewBuckets(), marks: memoryadapter.NoCache{}}, nil
	}
	b := gormadapter.NewBuckets(f.db, gormadapter.BucketsConfig{Index: index, Now: now, Log: f.log})
	return shared{buckets: b, marks: memoryadapter.NoCache{}, loops: map[string]func(context.Context){"limits": b.Run}}, nil
}

func newCache(f *foundation, index func(string) []byte) (shared, error) {
	c, err := redisadapter.Open(redisadapter.Config{URL: f.cfg.Cache.URL.Text, Index: index, Now: now, Log: f.log})
	if err != nil {
		return shared{}, usageError{fmt.Errorf("cache.url: %w (%s)", err, f.cfg.origin["cache.url"])}
	}
	if u, err := url.Parse(f.cfg.Cache.URL.Reveal()); err == nil && u.Scheme == "redis" && !isLoopback(u.Hostname()) && f.cfg.App.Mode == production {
		f.log.Warn("cache is reached without TLS: rediss:// has it")
	}
	return shared{buckets: c, marks: c, cache: c, loops: map[string]func(context.Context){"cache": c.Run}}, nil
}

// checks are what readiness reports, and does not depend on.
func (s shared) checks() map[string]httpadapter.Check {
	if s.cache == nil {
		return nil
	}
	return map[string]httpadapter.Check{"cache": s.cache.Ping}
}

func (s shared) close() {
	if s.cache != nil {
		s.cache.Close()
	}
}

// watchCache shows how much the cache helps. Labels would have to name somebody.
func watchCache(m *prometheusadapter.Metrics, c *redisadapter.Cache) {
	if c == nil {
		return
	}
	m.Gauge("gatehouse_cache_up", "1 while the cache is in reach.", func() float64 {
		if c.Stats().Up {
			return 1
		}
		return 0
	})
	m.Counter("gatehouse_cache_hits_total", "Access checks that needed no database.", func() float64 { return float64(c.Stats().Hits) })
	m.Counter("gatehouse_cache_misses_total", "Access checks for which nothing was remembered.", func() float64 { return float64(c.Stats().Misses) })
	m.Counter("gatehouse_cache_failures_total", "Calls of the cache without a good answer.", func() float64 { return float64(c.Stats().Failures) })
	m.Counter("gatehouse_cache_limits_alone_total", "Requests that this replica counted by itself, for want of the cache.", func() float64 { return float64(c.Stats().Alone) })
}
