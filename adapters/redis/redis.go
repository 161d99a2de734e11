// Package redis keeps the hot state that replicas share in a Redis or Valkey
// server: request buckets ([outbound.Buckets]) and marks of sessions
// ([outbound.Marks]). It owns the connection, the names and the shapes of what
// is stored. The server is a help and never needed: what it does not answer at
// once, or answers with what was not asked for, counts as unknown, and nothing
// in it is the only copy of anything.
package redis

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/domain/limit"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var (
	_ outbound.Buckets = (*Cache)(nil)
	_ outbound.Marks   = (*Cache)(nil)
)

const (
	// patience is how long a request waits for an answer.
	patience = 50 * time.Millisecond
	// dialTime is how long a connection may take, twice: for the network, and
	// for the greeting.
	dialTime = 500 * time.Millisecond
	// quiet is how long nobody tries again after a connection failed.
	quiet = time.Second

	maxBuckets = 100_000 // known to a replica: some 20 MB

	prefix = "gatehouse:"
)

// Config is what a [Cache] works with.
type Config struct {
	// URL is redis://user:password@host:port/number, or rediss:// for TLS.
	URL secret.Text
	// Index is a keyed hash. It hides what names a bucket, addresses of clients
	// for one, and seals marks, so that who can write to the server makes none.
	Index func(key string) []byte
	Now   func() time.Time
	Log   *slog.Logger
	// Patience is how long a request waits for an answer, a revocation five
	// times as long. Zero is 50 ms.
	Patience time.Duration
}

// Cache is a server, in reach or not. It has one connection at a time, on which
// all requests are pipelined; one that failed is never used again, because
// answers on it may be those to other questions.
type Cache struct {
	cfg    Config
	option rueidis.ClientOption
	name   string // of this process, in tickets
	asked  atomic.Uint64

	live  atomic.Pointer[connection]
	ends  sync.WaitGroup // connections that are being closed
	dial  sync.Mutex
	tried time.Time // when a connection failed last, and how
	cause error

	mu    sync.Mutex
	known *limit.Table // buckets, for when the server is out of reach

	hits, misses, failures, alone atomic.Uint64
	complained                    atomic.Int64 // of a refusal, last: seconds since 1970
}

// Stats counts since the start.
type Stats struct {
	Up           bool
	Hits, Misses uint64 // marks that were recalled, or not
	Failures     uint64 // calls that got no good answer
	Alone        uint64 // requests this replica counted by itself
}

// connection has an identity, so that only the one that failed is given up.
type connection struct {
	rueidis.Client

	life string // of the server, since it started; "" if it does not tell
}

// remembers reports whether there may be marks.
func (at *connection) remembers() bool { return at != nil && at.life != "" }

// Open returns a Cache that is not connected yet. It fails only if the URL is
// none of a server.
func Open(cfg Config) (*Cache, error) {
	o, err := read(cfg.URL.Reveal())
	if err != nil {
		return nil, err
	}
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	o.Dialer = net.Dialer{Timeout: dialTime, KeepAlive: time.Second}
	o.ConnWriteTimeout = max(time.Second, cfg.Patience)
	o.ClientName = "gatehouse"
	o.ForceSingleClient, o.DisableCache, o.DisableRetry = true, true, true
	o.PipelineMultiplex = -1 // one connection
	o.ReadBufferEachConn, o.WriteBufferEachConn = 64<<10, 64<<10
	return &Cache{cfg: cfg, option: o, name: rand.Text(), known: limit.NewTable(maxBuckets)}, nil
}

// Check returns an error if text is not the URL of a server.
func Check(text string) error {
	_, err := read(text)
	return err
}

// Run connects, and connects again when the connection is lost, until ctx ends.
func (c *Cache) Run(ctx context.Context) {
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for {
		if c.live.Load() == nil {
			_, _ = c.reach(ctx) // it has been logged
		} else {
			_ = c.Ping(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Close gives the connection up.
func (c *Cache) Close() {
	if now := c.live.Swap(nil); now != nil {
		now.Close()
	}
	c.ends.Wait()
}

// Ping reports whether the server answers.
func (c *Cache) Ping(ctx context.Context) error {
	return c.call(ctx, c.live.Load(), c.longer(), func(ctx context.Context, s rueidis.Client) error {
		return s.Do(ctx, s.B().Ping().Build()).Error()
	})
}

// Stats returns what was counted.
func (c *Cache) Stats() Stats {
	return Stats{
		Up: c.live.Load() != nil, Hits: c.hits.Load(), Misses: c.misses.Load(),
		Failures: c.failures.Load(), Alone: c.alone.Load(),
	}
}

var (
	errDown     = errors.New("cache is out of reach")
	errStrange  = errors.New("cache answered with what was not asked for")
	errOneDial  = errors.New("connection was lost")
	errRefusing = errors.New("cache refuses")
	errNameless = errors.New("cache does not tell its run_id")
)

// longer is the patience with what cannot be done without.
func (c *Cache) longer() time.Duration { return 5 * c.cfg.Patience }

// call asks the server something, for as long as patience lasts. Whoever hangs
// up meanwhile does not make it a failure.
func (c *Cache) call(ctx context.Context, at *connection, patience time.Duration, ask func(context.Context, rueidis.Client) error) error {
	if at == nil {
		return errDown
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := ask(ctx, at.Client)
	if err == nil {
		return nil
	}
	c.failures.Add(1)
	if class, ok := refusal(err); ok && class != "READONLY" {
		return c.refused(class)
	}
	c.giveUp(at, plain(err))
	return err
}

// refused is an error reply. The connection is good; it is told of now and then.
func (c *Cache) refused(class string) error {
	err, now := fmt.Errorf("%w: %s", errRefusing, class), c.cfg.Now().Unix()
	if last := c.complained.Load(); now-last >= 60 && c.complained.CompareAndSwap(last, now) {
		c.cfg.Log.Warn("cache refuses", "class", class)
	}
	return err
}

func (c *Cache) giveUp(at *connection, err error) {
	if !c.live.CompareAndSwap(at, nil) {
		return // somebody else has
	}
	c.cfg.Log.Warn("cache is out of reach", "err", err)
	c.ends.Go(at.Close)
}

// classes are the error replies that are told apart in logs. The words of
// others, and all that follows, may repeat anything, the password included.
var classes = []string{
	"BUSY", "ERR", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH", "NOPERM", "NOREPLICAS", "OOM", "READONLY", "WRONGPASS", "WRONGTYPE",
}

// refusal returns the class of an error reply.
func refusal(err error) (class string, ok bool) {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return "", false
	}
	class, _, _ = strings.Cut(reply.Error(), " ")
	if !slices.Contains(classes, class) {
		class = "unknown"
	}
	return class, true
}

func plain(err error) error {
	if class, ok := refusal(err); ok {
		return fmt.Errorf("%w: %s", errRefusing, class)
	}
	return err
}

// reach returns the connection, and makes one if there is none. It fails at
// once if that failed a moment ago.
func (c *Cache) reach(ctx context.Context) (*connection, error) {
	if at := c.live.Load(); at != nil {
		return at, nil
	}
	c.dial.Lock()
	defer c.dial.Unlock()
	if at := c.live.Load(); at != nil {
		return at, nil
	}
	if c.cause != nil && c.cfg.Now().Sub(c.tried) < quiet {
		return nil, c.cause
	}
	at, err := c.connect(ctx)
	if err != nil {
		c.failures.Add(1)
		if c.cause == nil {
			c.cfg.Log.WarnContext(ctx, "cache cannot be reached", "err", plain(err))
		}
		c.tried, c.cause = c.cfg.Now(), plain(err)
		return nil, c.cause
	}
	c.cause = nil
	c.live.Store(at)
	c.cfg.Log.InfoContext(ctx, "cache is in reach")
	if !at.remembers() {
		c.cfg.Log.WarnContext(ctx, "cache remembers no access checks", "err", errNameless)
	}
	return at, nil
}

func (c *Cache) connect(ctx context.Context) (*connection, error) {
	client, err := rueidis.NewClient(c.once())
	if err == nil {
		var life string
		if life, err = c.life(ctx, client); err == nil {
			return &connection{client, life}, nil
		}
	}
	if client != nil {
		client.Close()
	}
	return nil, err
}

// runID is what a server calls itself from its start to its end.
var runID = regexp.MustCompile(`(?m)^run_id:([0-9a-zA-Z]{1,64})\r?$`)

// life returns "" if the server answers, but not with that.
func (c *Cache) life(ctx context.Context, s rueidis.Client) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(dialTime, c.longer()))
	defer cancel()
	info, err := s.Do(ctx, s.B().Info().Section("server").Build()).ToMessage()
	if _, refused := refusal(err); err != nil && !refused {
		return "", err
	}
	if found := runID.FindStringSubmatch(text(info)); found != nil {
		return found[1], nil
	}
	return "", nil
}

// once returns the options of a client that makes one connection in its life:
// what is lost is made anew by [Cache.Run], and by no request.
func (c *Cache) once() rueidis.ClientOption {
	o, used := c.option, &atomic.Bool{}
	o.DialCtxFn = func(ctx context.Context, to string, d *net.Dialer, secured *tls.Config) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errOneDial
		}
		return dialWary(ctx, to, d, secured)
	}
	return o
}
