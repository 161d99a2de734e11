package gorm

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gatehouse/domain/limit"
	"gatehouse/ports/outbound"
)

var _ outbound.Buckets = (*Buckets)(nil)

const (
	maxBuckets = 100_000 // known to a replica: some 20 MB

	// patience is how long a request waits for the database, before this
	// replica counts for itself; quiet is how long nobody waits after that.
	patience = 100 * time.Millisecond
	quiet    = time.Second

	gather     = 20 * time.Millisecond // between two reports
	reportSize = 500                   // buckets in one statement
	reportTime = 2 * time.Second       // that a statement may take

	sweepEvery = 10 * time.Minute
	sweepSize  = 1000
)

// BucketsConfig is what [Buckets] work with.
type BucketsConfig struct {
	// Index hides what names a bucket: addresses of clients, for one.
	Index func(key string) []byte
	Now   func() time.Time
	Log   *slog.Logger
	// Patience is how long a request waits for the database. Zero is 100 ms.
	Patience time.Duration
}

// Buckets is an [outbound.Buckets] whose replicas meet in PostgreSQL. About an
// exact budget the database is asked. For any other one the replica decides by
// what it knows, and [Buckets.Run] tells the database in the background, many
// buckets with one statement, and takes over what comes back: no read waits for
// a write. What a replica knows to be empty is refused without a statement.
//
// Instants are the database's own. Replicas, whose clocks may differ, are told
// how long something takes.
type Buckets struct {
	c    *conn
	cfg  BucketsConfig
	wake chan struct{}

	mu    sync.Mutex
	known *limit.Table
	owed  map[string]time.Duration // what was given, and the database does not know yet
	quiet time.Time                // nobody waits for the database until then
}

// NewBuckets returns the buckets in db, which has to be PostgreSQL.
func NewBuckets(db *DB, cfg BucketsConfig) *Buckets {
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	return &Buckets{
		c: db.single(), cfg: cfg, wake: make(chan struct{}, 1),
		known: limit.NewTable(maxBuckets), owed: map[string]time.Duration{},
	}
}

// Take implements [outbound.Buckets].
func (b *Buckets) Take(ctx context.Context, now time.Time, takes ...limit.Take) (refused int, wait time.Duration) {
	for i, t := range takes {
		if wait := b.take(ctx, now, t); wait > 0 {
			return i, wait
		}
	}
	return -1, 0
}

func (b *Buckets) take(ctx context.Context, now time.Time, t limit.Take) (wait time.Duration) {
	if t.Budget.Exact() && b.worthAsking(now, t) {
		if wait, err := b.ask(ctx, now, t); err == nil {
			return wait
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, wait = b.known.Take(now, t); wait > 0 {
		return wait
	}
	b.owe(t.Key, t.Budget.Interval())
	select {
	case b.wake <- struct{}{}:
	default: // it is awake
	}
	return 0
}

// owe forgets what is too much: the database is told less then, never nothing.
func (b *Buckets) owe(key string, cost time.Duration) {
	if _, listed := b.owed[key]; listed || len(b.owed) < maxBuckets {
		b.owed[key] += cost
	}
}

// worthAsking reports whether the database is to decide: not when the bucket is
// known to be empty, nor when the database failed a moment ago.
func (b *Buckets) worthAsking(now time.Time, t limit.Take) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known.Wait(now, t) == 0 && !now.Before(b.quiet)
}

type bucketRow struct {
	Key       []byte
	Taken     bool
	Remaining int64 // microseconds until it is full again
}

func (r bucketRow) remaining() time.Duration { return time.Duration(r.Remaining) * time.Microsecond }

// sqlNow is the beginning of the transaction, in microseconds; nextFull is
// [limit.Budget.Next] without its refusal.
const (
	sqlNow   = "(EXTRACT(EPOCH FROM now()) * 1000000)::bigint"
	nextFull = "excluded.full_at + GREATEST(b.full_at - " + sqlNow + ", 0)"
	fits     = nextFull + " <= " + sqlNow + " + ?"

	askQuery = "INSERT INTO buckets AS b (key, full_at, taken) VALUES (?, " + sqlNow + " + ?, true)" +
		" ON CONFLICT (key) DO UPDATE SET taken = " + fits +
		", full_at = CASE WHEN " + fits + " THEN " + nextFull + " ELSE b.full_at END" +
		" RETURNING key, taken, full_at - " + sqlNow + " AS remaining"

	// Rows are locked in order, so that two replicas do not wait for each other.
	reportQuery = "INSERT INTO buckets AS b (key, full_at, taken)" +
		" SELECT decode(k, 'hex'), " + sqlNow + " + cost, true FROM unnest(?::text[], ?::bigint[]) AS given (k, cost) ORDER BY k" +
		" ON CONFLICT (key) DO UPDATE SET taken = true, full_at = " + nextFull +
		" RETURNING key, taken, full_at - " + sqlNow + " AS remaining"

	sweepQuery = "DELETE FROM buckets WHERE key IN" +
		" (SELECT key FROM buckets WHERE full_at < " + sqlNow + " LIMIT ? FOR UPDATE SKIP LOCKED)"
)

// ask takes a request out of a bucket in the database. The count stands, even
// if whoever asked is gone.
func (b *Buckets) ask(ctx context.Context, now time.Time, t limit.Take) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.Patience)
	defer cancel()
	each, per := t.Budget.Interval().Microseconds(), t.Budget.Per.Microseconds()
	rows, err := returning[bucketRow](ctx, b.c, "take from bucket", askQuery, b.cfg.Index(t.Key), each, per, per)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.quiet = now.Add(quiet)
		b.cfg.Log.WarnContext(ctx, "requests are counted by this replica alone", "err", err)
		return 0, err
	}
	b.known.Learn(now, t.Key, rows[0].remaining())
	if rows[0].Taken {
		return 0, nil
	}
	return max(1, rows[0].remaining()+t.Budget.Interval()-t.Budget.Per), nil
}

// Run tells the database what this replica gave, until ctx ends.
func (b *Buckets) Run(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		pause := gather
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			b.logged(ctx, "full buckets are not removed", b.Sweep(ctx))
		case <-b.wake:
			if err := b.Report(ctx); err != nil {
				b.logged(ctx, "other replicas do not hear what this one gave", err)
				pause = quiet
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (b *Buckets) logged(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		b.cfg.Log.WarnContext(ctx, "shared request limits", "what", what, "err", err)
	}
}

// Report tells the database all that this replica gave, and learns what the
// others did. What it could not tell it tells next time.
func (b *Buckets) Report(ctx context.Context) error {
	var errs []error
	for chunk := range slices.Chunk(b.debts(b.cfg.Now()), reportSize) {
		errs = append(errs, b.report(ctx, chunk))
	}
	return errors.Join(errs...)
}

type debt struct {
	key   string
	index string // in hexadecimal digits
	cost  time.Duration
}

// debts are what is owed. What refilled meanwhile is owed no more.
func (b *Buckets) debts(now time.Time) []debt {
	b.mu.Lock()
	owed := b.owed
	b.owed = map[string]time.Duration{}
	for key, cost := range owed {
		owed[key] = min(cost, b.known.Left(now, key))
	}
	b.mu.Unlock()
	all := make([]debt, 0, len(owed))
	for key, cost := range maps.All(owed) {
		if cost > 0 {
			all = append(all, debt{key, hex.EncodeToString(b.cfg.Index(key)), cost})
		}
	}
	return all
}

func (b *Buckets) report(ctx context.Context, debts []debt) error {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	keys, costs, now := make([]string, len(debts)), make([]string, len(debts)), b.cfg.Now()
	named := make(map[string]string, len(debts))
	for i, d := range debts {
		keys[i], costs[i], named[d.index] = d.index, strconv.FormatInt(d.cost.Microseconds(), 10), d.key
	}
	rows, err := returning[bucketRow](ctx, b.c, "report buckets", reportQuery, array(keys), array(costs))
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		for _, d := range debts {
			b.owe(d.key, d.cost)
		}
		return err
	}
	for _, r := range rows {
		key := named[hex.EncodeToString(r.Key)]
		b.known.Learn(now, key, r.remaining()+b.owed[key]) // what was given since is not in it
	}
	return nil
}

// array writes a literal of plain words.
func array(words []string) string { return "{" + strings.Join(words, ",") + "}" }

// Sweep removes buckets that are full, as one that is missing is.
func (b *Buckets) Sweep(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := b.c.exec(ctx, "sweep buckets", sweepQuery, sweepSize)
		if err != nil || n < sweepSize {
			return err
		}
	}
	return ctx.Err()
}
