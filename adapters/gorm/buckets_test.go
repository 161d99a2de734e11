package gorm_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/limit"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

// bucketStore is replicas with buckets in one schema. Their clocks stand at
// odds with each other and with that of the database.
type bucketStore struct {
	t        *testing.T
	db       []*gorm.DB
	replicas []*gorm.Buckets
	passed   time.Duration
	onlooker *sql.DB
	asked    atomic.Int32 // statements
}

func newBucketStore(t *testing.T, patience time.Duration) *bucketStore {
	t.Helper()
	url, v := pgtest.URL(t), newVault(t)
	s := &bucketStore{t: t}
	for range 2 {
		db := open(t, gorm.Config{URL: url, OnStatement: func(context.Context) { s.asked.Add(1) }})
		s.db = append(s.db, db)
		s.replicas = append(s.replicas, gorm.NewBuckets(db, gorm.BucketsConfig{
			Index: func(key string) []byte { return v.Index("bucket", key) },
			Now:   func() time.Time { return bucketTime.Add(s.passed) },
			Log:   slog.New(slog.DiscardHandler), Patience: patience,
		}))
	}
	var err error
	s.onlooker, err = sql.Open("pgx", url)
	must(t, err)
	t.Cleanup(func() { must(t, s.onlooker.Close()) })
	return s
}

// bucketTime is where the suite begins.
var bucketTime = outboundtest.Start()

func (s *bucketStore) exec(query string, args ...any) {
	s.t.Helper()
	_, err := s.onlooker.ExecContext(s.t.Context(), query, args...)
	must(s.t, err)
}

func (s *bucketStore) pass(d time.Duration) {
	s.passed += d
	s.exec("UPDATE buckets SET full_at = full_at - $1", d.Microseconds())
}

func (s *bucketStore) settle() {
	for range 2 { // whoever told first hears of the others then
		for _, b := range s.replicas {
			must(s.t, b.Report(s.t.Context()))
		}
	}
}

func (s *bucketStore) cut() {
	for _, db := range s.db {
		must(s.t, db.Close())
	}
}

func TestBucketsOnPostgres(t *testing.T) {
	outboundtest.Buckets(t, func(t *testing.T) outboundtest.BucketStore {
		s := newBucketStore(t, time.Minute)
		return outboundtest.BucketStore{
			Replicas: []outbound.Buckets{s.replicas[0], s.replicas[1]}, Pass: s.pass, Settle: s.settle, Cut: s.cut,
		}
	})
}

var (
	login = limit.Take{Key: "login 192.0.2.7", Budget: limit.Budget{Count: 10, Per: 10 * time.Hour}}
	often = limit.Take{Key: "ip 192.0.2.7", Budget: limit.Budget{Count: 200, Per: 200 * time.Hour}}
)

// given counts how many of n requests a replica lets through.
func (s *bucketStore) given(replica, n int, of limit.Take) (given int) {
	for range n {
		if refused, _ := s.replicas[replica].Take(s.t.Context(), bucketTime.Add(s.passed), of); refused < 0 {
			given++
		}
	}
	return given
}

// cost counts the statements of do.
func (s *bucketStore) cost(do func()) int32 {
	before := s.asked.Load()
	do()
	return s.asked.Load() - before
}

func TestBucketsAskTheDatabaseOnlyAboutExactBudgets(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	if n := s.cost(func() { s.given(0, 300, often) }); n != 0 {
		t.Errorf("300 requests that are counted in memory cost %d statements", n)
	}
	if n := s.cost(func() { must(t, s.replicas[0].Report(t.Context())) }); n != 1 {
		t.Errorf("telling of them costs %d statements, want 1", n)
	}
	if n := s.cost(func() { s.given(0, 10, login) }); n != 10 {
		t.Errorf("10 requests that have to be exact cost %d statements", n)
	}
	if n := s.cost(func() { s.given(0, 100, login) }); n != 0 {
		t.Errorf("100 requests for a bucket that is known to be empty cost %d statements", n)
	}
	if n := s.cost(func() { must(t, s.replicas[1].Report(t.Context())) }); n != 0 {
		t.Errorf("a replica that gave nothing tells so with %d statements", n)
	}
}

func TestManyBucketsAreToldAtOnce(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	told := s.cost(func() {
		var all sync.WaitGroup
		for r := range s.replicas {
			all.Go(func() { // both in no order: one that locks rows in its own would wait for the other
				for range 5 {
					for i := range 700 {
						s.given(r, 1, limit.Take{Key: "ip " + string(rune(i)), Budget: often.Budget})
					}
					if err := s.replicas[r].Report(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
	var n int
	must(t, s.onlooker.QueryRowContext(t.Context(), "SELECT count(*) FROM buckets").Scan(&n))
	if n != 700 {
		t.Errorf("%d buckets are shared, want 700", n)
	}
	if told != 2*5*2 {
		t.Errorf("10 reports of 700 buckets took %d statements, want 20: none is repeated, as after a deadlock", told)
	}
}

func TestRunTellsOtherReplicas(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	var loop sync.WaitGroup
	loop.Go(func() { s.replicas[0].Run(ctx) })
	s.given(0, 200, often)
	const all = "SELECT count(*) FROM buckets WHERE full_at > EXTRACT(EPOCH FROM now() + interval '199 hours') * 1000000"
	for told := 0; told == 0; {
		must(t, s.onlooker.QueryRowContext(t.Context(), all).Scan(&told))
	}
	stop()
	loop.Wait()
	s.given(1, 1, often)
	must(t, s.replicas[1].Report(t.Context()))
	if n := s.given(1, 1, often); n != 0 {
		t.Error("another replica did not hear of it")
	}
}

// A replica that cannot ask goes on by itself, does not ask again and again, and
// tells what it gave when it can.
func TestBucketsOutliveTheirDatabase(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	if n := s.given(0, 3, login); n != 3 {
		t.Fatalf("%d of 3 were let through", n)
	}
	s.exec("ALTER TABLE buckets RENAME TO elsewhere")
	if n := s.cost(func() {
		if n := s.given(0, 20, login); n != 7 {
			t.Errorf("%d more were let through, want 7", n)
		}
	}); n != 1 {
		t.Errorf("a database that fails was asked %d times within a second", n)
	}
	s.given(0, 150, often)
	if s.replicas[0].Report(t.Context()) == nil {
		t.Error("Report = nil while there is no table")
	}
	s.exec("ALTER TABLE elsewhere RENAME TO buckets")
	s.settle()
	s.passed += 2 * time.Second
	if n := s.given(1, 20, login); n != 0 {
		t.Errorf("another replica lets %d through of what was given meanwhile", n)
	}
	s.given(1, 1, often)
	s.settle()
	if n := s.given(1, 200, often); n != 49 {
		t.Errorf("another replica gives %d after 151 of 200, want 49", n)
	}
	if n := s.cost(func() { s.given(0, 1, limit.Take{Key: "login 192.0.2.8", Budget: login.Budget}) }); n != 1 {
		t.Errorf("a second later the database was asked %d times, want once", n)
	}
}

// What was counted long ago has refilled since, and must not be told as if it
// were taken now.
func TestWhatRefilledIsNotOwed(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	s.given(0, 200, often)
	s.passed += 150 * time.Hour // without a word to the database
	s.settle()
	s.given(1, 1, often)
	s.settle()
	if n := s.given(1, 200, often); n != 149 {
		t.Errorf("another replica gives %d more, want 149", n)
	}
}

func TestASlowDatabaseDoesNotHoldARequestUp(t *testing.T) {
	s := newBucketStore(t, 10*time.Millisecond)
	s.given(0, 1, login) // all is prepared
	tx, err := s.onlooker.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), "LOCK TABLE buckets")
	must(t, err)
	if n := s.given(0, 20, login); n < 9 || n > 10 { // 10 if the first was too slow already
		t.Errorf("%d were let through while the table was locked, want 9", n)
	}
	must(t, tx.Rollback())
}

func TestWhatIsGivenDuringAReportCounts(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	s.given(1, 150, often)
	must(t, s.replicas[1].Report(t.Context()))
	tx, err := s.onlooker.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), "LOCK TABLE buckets")
	must(t, err)
	s.given(0, 1, often)
	before, told := s.asked.Load(), make(chan error)
	go func() { told <- s.replicas[0].Report(t.Context()) }()
	for s.asked.Load() == before {
		runtime.Gosched()
	}
	s.given(0, 10, often)
	must(t, tx.Rollback())
	must(t, <-told)
	if n := s.given(0, 200, often); n != 39 {
		t.Errorf("%d more are given after 161 of 200, want 39", n)
	}
}

func TestSweepRemovesBucketsThatAreFull(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	s.given(0, 1, login)
	s.given(0, 200, often)
	s.settle()
	s.pass(2 * time.Hour)
	must(t, s.replicas[1].Sweep(t.Context()))
	var left int
	must(t, s.onlooker.QueryRowContext(t.Context(), "SELECT count(*) FROM buckets").Scan(&left))
	if left != 1 || s.given(1, 1, often) != 1 {
		t.Errorf("%d buckets are left, want that which is not full", left)
	}
}

// Addresses are personal data.
func TestBucketsDoNotStoreWhatNamesThem(t *testing.T) {
	s := newBucketStore(t, time.Minute)
	s.given(0, 1, login)
	s.given(0, 1, often)
	s.settle()
	rows, err := s.onlooker.QueryContext(t.Context(), "SELECT key FROM buckets")
	must(t, err)
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var key []byte
		must(t, rows.Scan(&key))
		if bytes.Contains(key, []byte("192.0.2.7")) || len(key) != 32 {
			t.Errorf("stored key %q", key)
		}
	}
	must(t, rows.Err())
	if n != 2 {
		t.Errorf("%d keys are stored, want 2", n)
	}
}
