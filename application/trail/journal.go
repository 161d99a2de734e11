// Package trail holds the record of what was asked: how it gets into the
// chain, how it is read, and whether it holds. What is recorded is decided where
// use cases are put together.
package trail

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/ports/outbound"
)

const (
	// batch keeps each transaction short, because others wait for the chain.
	batch = 500

	// retryIn is how long a failure is left alone.
	retryIn = 2 * time.Second

	// notedEvery is how often the end of the chain is logged: a record outside
	// of the database, which shows when entries were cut off.
	notedEvery = time.Hour
)

// JournalDeps are what a [Journal] works with. All are required.
type JournalDeps struct {
	Work   outbound.UnitOfWork
	NewID  func() string
	Now    func() time.Time
	Log    *slog.Logger
	Room   int           // entries that may wait to be stored
	Gather time.Duration // how long the first one waits for others
}

// Journal takes entries from those who must not wait, and stores them in the
// background. While the database is out of reach they wait, as far as there is
// room; what then finds none is counted, and missing in the chain: everybody who
// records writes a line to the log besides.
type Journal struct {
	d    JournalDeps
	wake chan struct{}
	turn sync.Mutex // of who stores what waits

	mu      sync.Mutex
	waiting []audit.Entry
	stats   Stats
	full    bool // the last entry found no room
	failing bool // the last attempt to store failed
	head    audit.Head
	noted   audit.Head
	notedAt time.Time
}

// Stats is what a journal has done.
type Stats struct {
	Waiting, Stored, Dropped int
}

// NewJournal returns a Journal, which stores nothing until [Journal.Run].
func NewJournal(d JournalDeps) *Journal { return &Journal{d: d, wake: make(chan struct{}, 1)} }

var _ outbound.AuditLog = (*Journal)(nil)

// Record implements [outbound.AuditLog]. It never waits.
func (j *Journal) Record(ctx context.Context, e audit.Entry) { j.wait(ctx, j.named(e)) }

func (j *Journal) named(e audit.Entry) audit.Entry {
	e.ID = j.d.NewID()
	return e.Storable()
}

func (j *Journal) wait(ctx context.Context, e audit.Entry) {
	j.mu.Lock()
	room := len(j.waiting) < j.d.Room
	tell := !room && !j.full
	j.full = !room
	if room {
		j.waiting = append(j.waiting, e)
	} else {
		j.stats.Dropped++
	}
	j.mu.Unlock()
	if tell {
		j.d.Log.ErrorContext(ctx, "no room for audit entries, they are in the log alone", "waiting", j.d.Room)
	}
	select {
	case j.wake <- struct{}{}:
	default: // somebody has waked it, which is enough
	}
}

// AtOnce returns the log of what has to be stored before anybody hears that it
// was done. What cannot be is stored later, as everything else is.
func (j *Journal) AtOnce() outbound.AuditLog { return atOnce{j} }

type atOnce struct{ j *Journal }

// Record implements [outbound.AuditLog]. It waits as long as ctx lets it.
func (a atOnce) Record(ctx context.Context, e audit.Entry) {
	e = a.j.named(e)
	if err := a.j.store(ctx, []audit.Entry{e}); err != nil {
		a.j.d.Log.ErrorContext(ctx, "audit entry not stored before the answer", "id", e.ID, "command", e.Command, "err", err)
		a.j.wait(ctx, e)
	}
}

// Refusals returns a log that hears of what was not carried out alone: for what
// everybody does all the time.
func Refusals(log outbound.AuditLog) outbound.AuditLog { return refusals{log} }

type refusals struct{ next outbound.AuditLog }

// Record implements [outbound.AuditLog].
func (r refusals) Record(ctx context.Context, e audit.Entry) {
	if e.Outcome != "" {
		r.next.Record(ctx, e)
	}
}

// Logs returns several logs as one.
func Logs(all ...outbound.AuditLog) outbound.AuditLog { return logs(all) }

type logs []outbound.AuditLog

// Record implements [outbound.AuditLog].
func (l logs) Record(ctx context.Context, e audit.Entry) {
	for _, one := range l {
		one.Record(ctx, e)
	}
}

// Run stores until ctx ends. What waits then is left to [Journal.Flush].
func (j *Journal) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		}
		for pause := j.d.Gather; ; pause = retryIn {
			if !rest(ctx, pause) {
				return
			}
			if j.Flush(ctx) == nil {
				break
			}
		}
	}
}

func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Flush stores what waits, or fails.
func (j *Journal) Flush(ctx context.Context) error {
	j.turn.Lock()
	defer j.turn.Unlock()
	for {
		some := j.next()
		if len(some) == 0 {
			return nil
		}
		if err := j.store(ctx, some); err != nil {
			j.failed(ctx, err)
			return err
		}
		j.mu.Lock()
		j.waiting, j.failing = j.waiting[len(some):], false
		j.mu.Unlock()
	}
}

func (j *Journal) next() []audit.Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting[:min(batch, len(j.waiting))]
}

// failed tells of the first failure of a row.
func (j *Journal) failed(ctx context.Context, err error) {
	j.mu.Lock()
	tell := !j.failing
	j.failing = true
	j.mu.Unlock()
	if tell {
		j.d.Log.ErrorContext(ctx, "audit entries not stored, they wait", "err", err)
	}
}

func (j *Journal) store(ctx context.Context, some []audit.Entry) error {
	head, err := j.d.Work.Single().Trail.Append(ctx, some...)
	if err != nil {
		return err
	}
	now := j.d.Now()
	j.mu.Lock()
	j.stats.Stored += len(some)
	if head.Position > j.head.Position {
		j.head = head
	}
	due := now.Sub(j.notedAt) >= notedEvery
	if due {
		j.noted, j.notedAt = j.head, now
	}
	j.mu.Unlock()
	if due {
		j.note(ctx, head)
	}
	return nil
}

func (j *Journal) note(ctx context.Context, head audit.Head) {
	j.d.Log.InfoContext(ctx, "audit trail", "head", head.String())
}

// Close stores what waits, and notes where the chain ended. What cannot be
// stored is in the log alone.
func (j *Journal) Close(ctx context.Context) {
	if err := j.Flush(ctx); err != nil {
		j.d.Log.ErrorContext(ctx, "last audit entries not stored, they are in the log alone", "entries", j.Stats().Waiting, "err", err)
	}
	j.mu.Lock()
	head, anew := j.head, j.head != j.noted
	j.noted = head
	j.mu.Unlock()
	if anew {
		j.note(ctx, head)
	}
}

// Stats tells what was done so far.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Waiting = len(j.waiting)
	return s
}
