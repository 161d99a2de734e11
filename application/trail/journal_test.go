package trail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/trail"
	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

// store is a memory store that can be out of reach, and may have stored what it
// says it has not.
type store struct {
	*memory.Store

	mu      sync.Mutex
	down    bool
	unsure  bool
	appends int
}

func (s *store) set(down, unsure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.unsure = down, unsure
}

func (s *store) Single() outbound.Stores {
	in := s.Store.Single()
	in.Trail = faulty{in.Trail, s}
	return in
}

type faulty struct {
	outbound.Trail
	s *store
}

var errDown = errors.New("database is down")

func (f faulty) Append(ctx context.Context, entries ...audit.Entry) (audit.Head, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.s.appends++
	if f.s.down && !f.s.unsure {
		return audit.Head{}, errDown
	}
	head, err := f.Trail.Append(ctx, entries...)
	if f.s.down {
		err = errDown
	}
	return head, err
}

func (s *store) kept(t *testing.T) (ids string) {
	t.Helper()
	p, err := s.Store.Single().Trail.Page(t.Context(), audit.Filter{}, page.Request{Size: page.Largest})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Content {
		ids += e.Command + " "
	}
	return ids
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func newJournal(s outbound.UnitOfWork, to *lines) *trail.Journal {
	var mu sync.Mutex
	n := 0
	return trail.NewJournal(trail.JournalDeps{
		Work: s, Now: time.Now, Log: slog.New(slog.NewTextHandler(to, nil)), Room: 3, Gather: time.Second,
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			n++
			return fmt.Sprint("e", n)
		},
	})
}

// keeping runs a journal in a bubble.
func keeping(t *testing.T, test func(t *testing.T, s *store, j *trail.Journal, to *lines)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, to := &store{Store: memory.New()}, &lines{}
		j := newJournal(s, to)
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { j.Run(ctx) })
		test(t, s, j, to)
		stop()
		run.Wait()
	})
}

func did(command string) audit.Entry { return audit.Entry{Command: command} }

func TestEntriesAreStoredTogether(t *testing.T) {
	keeping(t, func(t *testing.T, s *store, j *trail.Journal, _ *lines) {
		for range 2 {
			j.Record(t.Context(), did("a"))
			j.Record(t.Context(), did("b"))
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if s.appends != 2 || s.kept(t) != "a b a b " {
			t.Errorf("kept by %d calls: %q", s.appends, s.kept(t))
		}
		if got := j.Stats(); got != (trail.Stats{Stored: 4}) {
			t.Errorf("Stats = %+v", got)
		}
	})
}

// The database comes back after a while: nothing is missing, nothing is there
// twice, and one line tells of it.
func TestEntriesWaitForTheDatabase(t *testing.T) {
	for _, unsure := range []bool{false, true} {
		keeping(t, func(t *testing.T, s *store, j *trail.Journal, to *lines) {
			s.set(true, unsure)
			j.Record(t.Context(), did("a"))
			time.Sleep(10 * time.Second)
			j.Record(t.Context(), did("b"))
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := j.Stats(); got != (trail.Stats{Waiting: 2}) || to.count("not stored") != 1 {
				t.Errorf("Stats = %+v, and %d lines", got, to.count("not stored"))
			}
			s.set(false, false)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if s.kept(t) != "a b " || j.Stats().Waiting != 0 {
				t.Errorf("kept are %q", s.kept(t))
			}
		})
	}
}

func TestWhatFindsNoRoomIsCounted(t *testing.T) {
	keeping(t, func(t *testing.T, s *store, j *trail.Journal, to *lines) {
		for _, c := range []string{"a", "b", "c", "d", "e"} {
			j.Record(t.Context(), did(c))
		}
		if got := j.Stats(); got != (trail.Stats{Waiting: 3, Dropped: 2}) || to.count("no room") != 1 {
			t.Errorf("Stats = %+v, and %d lines", got, to.count("no room"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		j.Record(t.Context(), did("f"))
		time.Sleep(time.Second)
		synctest.Wait()
		if s.kept(t) != "a b c f " {
			t.Errorf("kept are %q", s.kept(t))
		}
	})
}

func TestWhatIsRecordedAtOnceIsThere(t *testing.T) {
	keeping(t, func(t *testing.T, s *store, j *trail.Journal, to *lines) {
		j.AtOnce().Record(t.Context(), did("a"))
		if s.kept(t) != "a " {
			t.Errorf("kept are %q", s.kept(t))
		}
		s.set(true, true)
		j.AtOnce().Record(t.Context(), did("b"))
		if to.count("not stored before the answer") != 1 || j.Stats().Waiting != 1 {
			t.Errorf("%d wait", j.Stats().Waiting)
		}
		s.set(false, false)
		time.Sleep(time.Second)
		synctest.Wait()
		if s.kept(t) != "a b " || j.Stats() != (trail.Stats{Stored: 2}) {
			t.Errorf("kept are %q: %+v", s.kept(t), j.Stats())
		}
	})
}

func TestClosingStoresWhatWaits(t *testing.T) {
	s, to := &store{Store: memory.New()}, &lines{}
	j := newJournal(s, to)
	j.Record(t.Context(), did("a"))
	j.Close(t.Context())
	if s.kept(t) != "a " || to.count("head=1:") != 1 {
		t.Errorf("kept are %q, and the end is noted %d times", s.kept(t), to.count("head=1:"))
	}
	j.Close(t.Context())
	if to.count("head=") != 1 {
		t.Error("an end is noted twice")
	}
	s.set(true, false)
	j.Record(t.Context(), did("b"))
	j.Close(t.Context())
	if to.count("in the log alone") != 1 {
		t.Error("nobody hears of an entry that is not stored")
	}
}

// The end is logged, where nobody who has the database can change it.
func TestTheEndIsNotedEveryHour(t *testing.T) {
	keeping(t, func(t *testing.T, s *store, j *trail.Journal, to *lines) {
		for range 150 {
			j.Record(t.Context(), did("a"))
			time.Sleep(time.Minute)
		}
		if n := to.count("head="); n != 3 {
			t.Errorf("in two and a half hours the end was noted %d times", n)
		}
	})
}

func TestLogsTellAllAndRefusalsSome(t *testing.T) {
	var got []string
	to := func(name string) outbound.AuditLog {
		return recorder(func(e audit.Entry) { got = append(got, name+string(e.Outcome)) })
	}
	log := trail.Logs(to("all "), trail.Refusals(to("refused ")))
	log.Record(t.Context(), audit.Entry{})
	log.Record(t.Context(), audit.Entry{Outcome: fault.RoleRequired})
	if fmt.Sprint(got) != "[all  all ROLE_REQUIRED refused ROLE_REQUIRED]" {
		t.Errorf("told are %v", got)
	}
}

type recorder func(audit.Entry)

func (r recorder) Record(_ context.Context, e audit.Entry) { r(e) }

func TestAuditLog(t *testing.T) {
	for name, how := range map[string]func(*trail.Journal) outbound.AuditLog{
		"later":   func(j *trail.Journal) outbound.AuditLog { return j },
		"at once": func(j *trail.Journal) outbound.AuditLog { return j.AtOnce() },
	} {
		t.Run(name, func(t *testing.T) {
			outboundtest.AuditLog(t, func(*testing.T) (outbound.AuditLog, func() int) {
				s := memory.New()
				n := make(chan int, 1)
				n <- 0
				j := trail.NewJournal(trail.JournalDeps{
					Work: s, Now: time.Now, Log: slog.New(slog.DiscardHandler), Room: 1000,
					NewID: func() string { i := <-n; n <- i + 1; return fmt.Sprint(i) },
				})
				return how(j), func() int {
					j.Close(context.WithoutCancel(t.Context()))
					ends, err := s.Single().Trail.Ends(context.WithoutCancel(t.Context()))
					if err != nil {
						t.Error(err)
					}
					return ends.Entries()
				}
			})
		})
	}
}
