package redis_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"gatehouse/adapters/redis"
	"gatehouse/adapters/redis/redistest"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

// open returns a cache that is connected, if there is something to connect to.
func open(t *testing.T, url string, patience time.Duration) *redis.Cache {
	t.Helper()
	c, err := redis.Open(redis.Config{
		URL: secret.New(url), Index: index, Now: time.Now, Log: slog.New(slog.DiscardHandler), Patience: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	run(t, c)
	return c
}

func index(key string) []byte {
	sum := sha256.Sum256([]byte("secret" + key))
	return sum[:]
}

// run connects, and keeps the cache connected until the test ends.
func run(t *testing.T, c *redis.Cache) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func up(c *redis.Cache) func() bool { return func() bool { return c.Stats().Up } }

func connected(t *testing.T, url string) *redis.Cache {
	t.Helper()
	c := open(t, url, 10*time.Second)
	eventually(t, "connected", up(c))
	return c
}

func TestBuckets(t *testing.T) {
	outboundtest.Buckets(t, func(t *testing.T) outboundtest.BucketStore {
		s := redistest.Start(t)
		return outboundtest.BucketStore{
			Replicas: []outbound.Buckets{connected(t, s.URL), connected(t, s.URL)},
			Pass:     func(d time.Duration) { pass(s, d) },
			Cut:      s.Kill,
		}
	})
}

// pass moves what buckets say into the past.
func pass(s *redistest.Server, d time.Duration) {
	s.Do("EVAL", `
		for _, key in ipairs(redis.call('KEYS', '*bucket*')) do
			redis.call('SET', key, string.format('%.0f', redis.call('GET', key) - ARGV[1]), 'KEEPTTL')
		end`, "0", strconv.FormatInt(d.Microseconds(), 10))
}

func TestMarks(t *testing.T) {
	outboundtest.Marks(t, func(t *testing.T) outboundtest.MarkStore {
		s := redistest.Start(t)
		return outboundtest.MarkStore{
			Replicas: []outbound.Marks{connected(t, s.URL), connected(t, s.URL)},
			Flush:    func() { s.Do("FLUSHALL") },
		}
	})
}
