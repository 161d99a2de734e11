package housekeeping_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/adapters/memory"
	app "gatehouse/application/housekeeping"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

const day = 24 * time.Hour

// store is a memory store that writes down what is purged, and how much.
type store struct {
	*memory.Store

	mu     sync.Mutex
	calls  []string
	rows   map[string][]int // what the next purges claim to have removed
	fails  map[string]error
	onCall func()
	ahead  time.Duration // of the bubble's clock, which would take its time to the end of a month
}

func (s *store) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}

// sleepUntil lets the last minute before an instant pass, and skips the rest.
func (s *store) sleepUntil(at time.Time) {
	if left := at.Sub(s.now()) - time.Minute; left > 0 {
		s.mu.Lock()
		s.ahead += left
		s.mu.Unlock()
	}
	time.Sleep(at.Sub(s.now()))
	synctest.Wait()
}

func newStore() *store {
	return &store{Store: memory.New(), rows: map[string][]int{}, fails: map[string]error{}}
}

func (s *store) Single() outbound.Stores {
	in := s.Store.Single()
	return outbound.Stores{
		Sessions: sessions{in.Sessions, s}, OneTime: oneTime{in.OneTime, s}, Outbox: outbox{in.Outbox, s},
		Attempts: attempts{in.Attempts, s}, Cooldowns: cooldowns{in.Cooldowns, s},
		Devices: devices{in.Devices, s}, Principals: principals{in.Principals, s}, Keys: in.Keys, Trail: trail{in.Trail, s},
		Setups: setups{in.Setups, s}, MailedCodes: mailedCodes{in.MailedCodes, s},
	}
}

func (s *store) purge(what string, limit int, do func() (int, error)) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, what)
	if s.onCall != nil {
		s.onCall()
	}
	if limit != 500 {
		s.calls = append(s.calls, fmt.Sprint("limit ", limit))
	}
	if err := s.fails[what]; err != nil {
		return 0, err
	}
	if next := s.rows[what]; len(next) > 0 {
		s.rows[what] = next[1:]
		return next[0], nil
	}
	return do()
}

func (s *store) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.calls
	s.calls = nil
	return out
}

// journal is what was logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

type sessions struct {
	outbound.Sessions
	s *store
}

func (t sessions) Purge(ctx context.Context, now, before time.Time, limit int) (int, error) {
	return t.s.purge("sessions", limit, func() (int, error) { return t.Sessions.Purge(ctx, now, before, limit) })
}

type oneTime struct {
	outbound.OneTime
	s *store
}

func (t oneTime) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.s.purge("one-time", limit, func() (int, error) { return t.OneTime.Purge(ctx, before, limit) })
}

type outbox struct {
	outbound.Outbox
	s *store
}

func (t outbox) Purge(ctx context.Context, delivered, dead time.Time, limit int) (int, error) {
	return t.s.purge("outbox", limit, func() (int, error) { return t.Outbox.Purge(ctx, delivered, dead, limit) })
}

type attempts struct {
	outbound.Attempts
	s *store
}

func (t attempts) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.s.purge("attempts", limit, func() (int, error) { return t.Attempts.Purge(ctx, before, limit) })
}

type cooldowns struct {
	outbound.Cooldowns
	s *store
}

func (t cooldowns) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	return t.s.purge("cooldowns", limit, func() (int, error) { return t.Cooldowns.Purge(ctx, now, limit) })
}

type setups struct {
	outbound.Setups
	s *store
}

func (t setups) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.s.purge("setups", limit, func() (int, error) { return t.Setups.Purge(ctx, before, limit) })
}

type mailedCodes struct {
	outbound.MailedCodes
	s *store
}

func (t mailedCodes) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.s.purge("mailed codes", limit, func() (int, error) { return t.MailedCodes.Purge(ctx, before, limit) })
}

type principals struct {
	outbound.Principals
	s *store
}

func (t principals) PurgeGuests(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.s.purge("guests", limit, func() (int, error) { return t.Principals.PurgeGuests(ctx, before, limit) })
}

type devices struct {
	outbound.Devices
	s *store
}

type trail struct {
	outbound.Trail
	s *store
}

func (t trail) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.s.purge("audit", limit, func() (int, error) { return t.Trail.Purge(ctx, before, limit) })
}

func (t devices) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.s.purge("devices", limit, func() (int, error) { return t.Devices.Purge(ctx, before, limit) })
}

// sweeping prepares a store and runs a sweeper over it in a bubble, until test
// returns.
func sweeping(t *testing.T, prepare func(*testing.T, *store), test func(*testing.T, *store, *journal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, logs := newStore(), &journal{}
		prepare(t, s)
		sweeper := app.NewSweeper(app.SweeperDeps{
			Work: s, Every: time.Minute, Idle: 30 * day, Audit: 365 * day, Now: s.now, Log: slog.New(slog.NewTextHandler(logs, nil)),
		})
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { sweeper.Run(ctx) })
		synctest.Wait()
		test(t, s, logs)
		stop()
		run.Wait()
	})
}

var round = []string{"one-time", "setups", "mailed codes", "outbox", "attempts", "cooldowns", "devices", "guests", "audit"}

func TestItSweepsAtOnceAndThenInRounds(t *testing.T) {
	sweeping(t, func(*testing.T, *store) {}, func(t *testing.T, s *store, _ *journal) {
		sameCalls(t, "at once", s.seen(), append([]string{"sessions"}, round...))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		sameCalls(t, "after 5 s", s.seen(), []string{"sessions"})
		time.Sleep(55 * time.Second)
		synctest.Wait()
		calls := s.seen()
		if n := count(calls, "sessions"); n != 11 {
			t.Errorf("sessions were swept %d times in 55 s", n)
		}
		sameCalls(t, "after a minute", without(calls, "sessions"), round)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := count(s.seen(), "cooldowns"); n != 10 {
			t.Errorf("%d rounds in ten minutes", n)
		}
	})
}

func TestItWorksInBatchesUntilOneIsNotFull(t *testing.T) {
	prepare := func(_ *testing.T, s *store) {
		s.rows["sessions"] = []int{1000, 500, 499, 500}
		s.rows["outbox"] = []int{500, 0}
	}
	sweeping(t, prepare, func(t *testing.T, s *store, _ *journal) {
		sameCalls(t, "calls", s.seen(), []string{"sessions", "sessions", "sessions", "one-time", "setups", "mailed codes", "outbox", "outbox", "attempts", "cooldowns", "devices", "guests", "audit"})
	})
}

func TestAFailureIsLoggedAndTheNextRoundTriesAgain(t *testing.T) {
	prepare := func(_ *testing.T, s *store) {
		s.fails["outbox"] = io.ErrUnexpectedEOF
		s.fails["sessions"] = errors.New("disk full")
	}
	sweeping(t, prepare, func(t *testing.T, s *store, logs *journal) {
		sameCalls(t, "calls", s.seen(), append([]string{"sessions"}, round...))
		for _, want := range []string{"housekeeping failed", "what=outbox", "unexpected EOF", "what=sessions", `err="disk full"`} {
			if !strings.Contains(logs.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, logs)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		sameCalls(t, "next round", without(s.seen(), "sessions"), round)
	})
}

func TestStoppingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, logs := newStore(), &journal{}
		s.rows["sessions"] = slices.Repeat([]int{500}, 1000)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		app.NewSweeper(app.SweeperDeps{Work: s, Every: time.Minute, Idle: 30 * 24 * time.Hour, Audit: 0, Now: time.Now, Log: slog.New(slog.NewTextHandler(logs, nil))}).Run(ctx)
		if calls := s.seen(); len(calls) > 0 || logs.String() != "" {
			t.Errorf("after the end: %q, logs %s", calls, logs)
		}
	})
}

func TestBeingStoppedMidwayIsNoFailure(t *testing.T) {
	s, logs := newStore(), &journal{}
	ctx, stop := context.WithCancel(t.Context())
	s.onCall = stop // the memory store refuses whoever has gone
	app.NewSweeper(app.SweeperDeps{Work: s, Every: time.Minute, Idle: 30 * 24 * time.Hour, Audit: 0, Now: time.Now, Log: slog.New(slog.NewTextHandler(logs, nil))}).Run(ctx)
	if calls := s.seen(); len(calls) != 1 || logs.String() != "" {
		t.Errorf("calls %q, logs %s", calls, logs)
	}
}

func TestThingsAreKeptAsLongAsSomebodyNeedsThem(t *testing.T) {
	sweeping(t, fill, func(t *testing.T, s *store, logs *journal) {
		began := time.Now()
		for _, tc := range []struct {
			after time.Duration
			left  string
		}{
			{9 * time.Second, "pair session ended item setup code attempts cooldown delivered dead device"},
			{20 * time.Second, "session ended item setup code attempts cooldown delivered dead device"},
			{2 * time.Minute, "session ended item setup code attempts delivered dead device"},
			{10*time.Minute - time.Second, "session ended item setup code attempts delivered dead device"},
			{11*time.Minute + time.Second, "session ended item setup attempts delivered dead device"},
			{16*time.Minute + time.Second, "session ended item attempts delivered dead device"},
			{day - time.Second, "session ended item attempts delivered dead device"},
			{day + time.Minute, "session item delivered dead device"},
			{day + time.Hour - time.Second, "session item delivered dead device"},
			{day + time.Hour + time.Minute, "session delivered dead device"},
			{7*day - time.Second, "session delivered dead device"},
			{7*day + time.Minute, "session dead device"},
			{30*day - time.Second, "session dead device"},
			{30*day + time.Minute, "session device"},
			{51*day - time.Second, "session device"},
			{51*day + time.Minute, "device"},
			{180*day - time.Second, "device"},
			{180*day + time.Minute, ""},
		} {
			s.sleepUntil(began.Add(tc.after))
			if got := left(t, s, began); got != tc.left {
				t.Errorf("after %v left %q, want %q", tc.after, got, tc.left)
			}
		}
		if logs.String() != "" {
			t.Errorf("logs: %s", logs)
		}
	})
}

var subject = throttle.Subject{Account: "ada@example.com", Network: "n"}

// fill stores one thing of each kind.
func fill(t *testing.T, s *store) {
	t.Helper()
	now := time.Now()
	ada, _ := email.Parse("ada@example.com")
	p := principal.NewUser("ada", "Ada", ada, password.NewHash("x"), now)
	ctx, st, end := t.Context(), s.Store.Single(), now.Add(50*day)
	check(t, st.Principals.Add(ctx, p))
	for _, id := range []session.ID{"live", "ended"} {
		check(t, st.Sessions.Add(ctx, session.Session{ID: id, PrincipalID: "ada", RefreshID: "r1", StartedAt: now, ExpiresAt: end, Until: end}))
	}
	_, err := st.Sessions.Rotate(ctx, session.Rotation{
		SessionID: "live", PrincipalID: "ada", Presented: "r1", Next: "r2", At: now, ExpiresAt: end, GraceUntil: now.Add(10 * time.Second),
	})
	check(t, err)
	_, err = st.Sessions.End(ctx, "ada", "ended", session.SignedOut, now)
	check(t, err)
	check(t, st.OneTime.Add(ctx, onetime.Item{Hash: onetime.Hash{1}, Kind: onetime.PasswordReset, Principal: "ada", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}))
	check(t, st.Attempts.Save(ctx, subject, throttle.State{}.Count(now)))
	check(t, st.Setups.Put(ctx, "ada", factor.Setup{ID: "setup", CreatedAt: now, ExpiresAt: now.Add(15 * time.Minute)}))
	check(t, st.MailedCodes.Put(ctx, "ada", factor.MailedCode{CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute)}))
	_, err = st.Cooldowns.Start(ctx, notice.EmailVerification, "ada@example.com", now, time.Minute)
	check(t, err)
	for _, device := range []string{"old", "new"} { // the one used last stays
		_, _, err = st.Devices.Mark(ctx, "ada", device, now, now)
		check(t, err)
	}
	for _, id := range []string{"delivered", "dead"} {
		check(t, st.Outbox.Add(ctx, notice.To(p, notice.LoginAlert, id, "en", now)))
	}
	claims, err := st.Outbox.Claim(ctx, "test", now, now.Add(time.Minute), 9)
	check(t, err)
	for _, c := range claims {
		check(t, st.Outbox.Settle(ctx, c, outbound.Outcome{At: now, Dead: c.Notice.ID == "dead"}))
	}
}

// left names what is still there. It puts back what it has to take to see it.
func left(t *testing.T, s *store, began time.Time) string {
	t.Helper()
	var names []string
	note := func(name string, there bool) {
		if there {
			names = append(names, name)
		}
	}
	ctx, long := t.Context(), began.Add(10000*day)
	errUndo := errors.New("undo")
	err := s.Within(ctx, func(ctx context.Context, st outbound.Stores) error {
		_, pair, _ := st.Sessions.Refreshable(ctx, "live", "r1", began)
		note("pair", pair != nil)
		_, err := st.Sessions.Access(ctx, "live")
		note("session", err == nil)
		_, err = st.Sessions.Access(ctx, "ended")
		note("ended", err == nil)
		_, err = st.OneTime.Find(ctx, onetime.PasswordReset, onetime.Hash{1})
		note("item", err == nil)
		_, err = st.Setups.Of(ctx, "ada")
		note("setup", err == nil)
		n, err := st.MailedCodes.Purge(ctx, long, 9)
		note("code", err == nil && n > 0)
		counted, err := st.Attempts.State(ctx, subject)
		note("attempts", err == nil && counted.Network.Failures > 0)
		n, err = st.Cooldowns.Purge(ctx, long, 9)
		note("cooldown", err == nil && n > 0)
		n, err = st.Outbox.Purge(ctx, long, time.Time{}, 9)
		note("delivered", err == nil && n > 0)
		n, err = st.Outbox.Purge(ctx, time.Time{}, long, 9)
		note("dead", err == nil && n > 0)
		n, err = st.Devices.Purge(ctx, long, 9)
		note("device", err == nil && n > 0)
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func count(calls []string, what string) int { return len(calls) - len(without(calls, what)) }

func without(calls []string, what string) []string {
	return slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return c == what })
}

func sameCalls(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestGuestsGoWhenTheyHaveBeenIdleForLong(t *testing.T) {
	prepare := func(t *testing.T, s *store) {
		t.Helper()
		for id, active := range map[principal.ID]time.Duration{"idle": 0, "active": time.Hour} {
			if err := s.Single().Principals.Add(t.Context(), principal.NewGuest(id, "Gus", time.Now().Add(active))); err != nil {
				t.Fatal(err)
			}
		}
	}
	sweeping(t, prepare, func(t *testing.T, s *store, _ *journal) {
		there := func(id principal.ID) bool {
			_, err := s.Single().Principals.ByID(t.Context(), id)
			return err == nil
		}
		start := s.now()
		s.sleepUntil(start.Add(30 * day))
		if !there("idle") || !there("active") {
			t.Error("a guest is gone too early")
		}
		s.sleepUntil(start.Add(30*day + 2*time.Minute))
		if there("idle") || !there("active") {
			t.Errorf("idle: %t, active: %t", there("idle"), there("active"))
		}
	})
}
