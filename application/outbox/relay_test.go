package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/adapters/memory"
	"gatehouse/application/outbox"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// post is a mailer that does as told and remembers.
type post struct {
	mu      sync.Mutex
	script  func(ctx context.Context, n notice.Notice, attempt int) error
	tries   map[string][]time.Duration // by notice: when, since start
	taken   map[string]int
	under   int
	busiest int
	start   time.Time
}

func newPost(script func(context.Context, notice.Notice, int) error) *post {
	return &post{script: script, tries: map[string][]time.Duration{}, taken: map[string]int{}, start: time.Now()}
}

func (p *post) Deliver(ctx context.Context, n notice.Notice) error {
	p.mu.Lock()
	p.tries[n.ID] = append(p.tries[n.ID], time.Since(p.start))
	attempt := len(p.tries[n.ID])
	p.under++
	p.busiest = max(p.busiest, p.under)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.under--
		p.mu.Unlock()
	}()
	if p.script != nil {
		if err := p.script(ctx, n, attempt); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[n.ID]++
	return nil
}

func (p *post) of(id string) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tries[id])
}

func (p *post) delivered(t *testing.T, want map[string]int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !maps.Equal(p.taken, want) {
		t.Errorf("delivered %v, want %v", p.taken, want)
	}
}

// rig is a relay with what it works on. Its store outlives it.
type rig struct {
	deps outbox.Deps
	log  *bytes.Buffer
	mu   *sync.Mutex
}

func newRig(work outbound.UnitOfWork, mail outbound.Mailer) *rig {
	log := &bytes.Buffer{}
	mu := &sync.Mutex{}
	return &rig{outbox.Deps{
		Work: work, Mail: mail, Owner: "me", Now: time.Now,
		Jitter:   func(d time.Duration) time.Duration { return d }, // the longest there is
		Log:      slog.New(slog.NewJSONHandler(locked{mu, log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Announce: func(context.Context) error { return nil },
		Tried:    func(string) {},
		Batch:    20, Parallel: 8, Every: time.Second, Alone: false,
	}, log, mu}
}

type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (g *rig) logged() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

// run starts a relay; stop ends it and waits until it has returned.
func (g *rig) run(t *testing.T) (relay *outbox.Relay, stop func()) {
	t.Helper()
	relay = outbox.NewRelay(g.deps)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		relay.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return relay, stop
}

// letter is a notice promised now.
func letter(id string) notice.Notice {
	to, broken := email.Parse("ada." + id + "@example.com")
	if broken != nil {
		panic(fmt.Sprint(broken))
	}
	now := time.Now()
	return notice.Notice{
		ID: id, Kind: notice.EmailVerification, To: to, Name: "Ada", Locale: "en",
		CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour), Token: secret.New("t0k3n-" + id),
	}
}

func at(n notice.Notice, domain string) notice.Notice {
	n.To, _ = email.Parse(n.To.LocalPart() + "@" + domain)
	return n
}

// linkOf is what makes the link of a notice work, for longer than anybody wants
// the notice.
func linkOf(n notice.Notice) onetime.Item {
	kind := onetime.EmailVerification
	if n.Kind == notice.PasswordReset {
		kind = onetime.PasswordReset
	}
	return onetime.Item{Hash: onetime.HashOf(n.Token), Kind: kind, CreatedAt: n.CreatedAt, ExpiresAt: n.CreatedAt.Add(240 * time.Hour)}
}

func add(t *testing.T, work outbound.UnitOfWork, all ...notice.Notice) {
	t.Helper()
	err := work.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		for _, n := range all {
			if err := errors.Join(s.Outbox.Add(ctx, n), s.OneTime.Add(ctx, linkOf(n))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func backlog(t *testing.T, work outbound.UnitOfWork, queued, dead int) {
	t.Helper()
	b, err := work.Single().Outbox.Backlog(t.Context())
	if err != nil || b.Queued != queued || b.Dead != dead {
		t.Errorf("backlog %d queued, %d dead, %v, want %d and %d", b.Queued, b.Dead, err, queued, dead)
	}
}

func failing(class string) error { return &outbound.DeliveryError{Class: class} }

func TestWhatIsAnnouncedLeavesAtOnceAndTheRestWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, mail := memory.New(), newPost(nil)
		relay, _ := newRig(store, mail).run(t)
		synctest.Wait()
		add(t, outbox.Waking(store, relay.Wake), letter("n1"))
		synctest.Wait()
		mail.delivered(t, map[string]int{"n1": 1})
		add(t, store, letter("n2"))
		synctest.Wait()
		mail.delivered(t, map[string]int{"n1": 1})
		relay.Hear()
		synctest.Wait()
		mail.delivered(t, map[string]int{"n1": 1, "n2": 1})
		add(t, store, letter("n3"))
		time.Sleep(time.Second)
		synctest.Wait()
		mail.delivered(t, map[string]int{"n1": 1, "n2": 1, "n3": 1})
		backlog(t, store, 0, 0)
	})
}

func TestOthersAreToldOfWhatThereIsNoRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, told, free := memory.New(), 0, make(chan struct{})
		mail := newPost(func(context.Context, notice.Notice, int) error { <-free; return nil })
		g := newRig(store, mail)
		g.deps.Parallel = 2
		g.deps.Announce = func(context.Context) error { told++; return errors.New("no one there") }
		relay, stop := g.run(t)
		for i, want := range []int{0, 0, 1, 2} {
			add(t, outbox.Waking(store, relay.Wake), letter(fmt.Sprintf("n%d", i)))
			synctest.Wait()
			if told != want {
				t.Errorf("told %d times after %d mails, want %d", told, i+1, want)
			}
		}
		relay.Hear()
		synctest.Wait()
		if told != 2 {
			t.Error("told others what others told")
		}
		close(free)
		synctest.Wait()
		mail.delivered(t, map[string]int{"n0": 1, "n1": 1, "n2": 1, "n3": 1})
		stop()
		if got := strings.Count(g.logged(), "not announced"); told != 2 || got != 2 {
			t.Errorf("told %d times, %d lines in the log", told, got)
		}
	})
}

func TestABacklogGoesOutInOneGoWithBoundedParallelism(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mail := newPost(func(context.Context, notice.Notice, int) error {
			time.Sleep(time.Second)
			return nil
		})
		store := memory.New()
		want := map[string]int{}
		for i := range 100 {
			id := fmt.Sprintf("n%03d", i)
			want[id] = 1
			add(t, store, letter(id))
		}
		newRig(store, mail).run(t)
		time.Sleep(13*time.Second + time.Millisecond) // 100 mails of a second, 8 at a time
		synctest.Wait()
		mail.delivered(t, want)
		if mail.busiest != 8 {
			t.Errorf("at most %d deliveries at once, want 8", mail.busiest)
		}
	})
}

// Faults F20: what was claimed by a process that died is delivered one lease
// later, or at once by a process that is alone.
func TestMailsOfAKilledProcessAreDelivered(t *testing.T) {
	for _, alone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store, mail := memory.New(), newPost(nil)
			add(t, store, letter("n1"), letter("n2"))
			now := time.Now()
			if _, err := store.Single().Outbox.Claim(t.Context(), "dead", now, now.Add(20*time.Second), 1); err != nil {
				t.Fatal(err)
			}
			g := newRig(store, mail)
			g.deps.Alone = alone
			g.run(t)
			time.Sleep(20*time.Second + time.Millisecond)
			synctest.Wait()
			mail.delivered(t, map[string]int{"n1": 1, "n2": 1})
			if waited := mail.of("n1")[0] >= 19*time.Second; waited == alone {
				t.Errorf("alone: %v, delivered after %v", alone, mail.of("n1"))
			}
		})
	}
}

// deaf is a store that loses what it is told about outcomes.
type deaf struct {
	outbound.UnitOfWork
	times int
}

func (d *deaf) Single() outbound.Stores {
	s := d.UnitOfWork.Single()
	s.Outbox = deafOutbox{s.Outbox, d}
	return s
}

type deafOutbox struct {
	outbound.Outbox
	d *deaf
}

func (o deafOutbox) Settle(ctx context.Context, c outbound.Claim, out outbound.Outcome) error {
	if o.d.times > 0 {
		o.d.times--
		return errors.New("connection lost")
	}
	return o.Outbox.Settle(ctx, c, out)
}

// Faults F21: delivered, but not written down, means delivered once more.
func TestAnOutcomeThatIsLostMeansOneDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, mail := &deaf{memory.New(), 1}, newPost(nil)
		add(t, store, letter("n1"))
		g := newRig(store, mail)
		g.run(t)
		time.Sleep(time.Hour)
		mail.delivered(t, map[string]int{"n1": 2})
		backlog(t, store, 0, 0)
		if got := mail.of("n1")[1]; got < 20*time.Second || got > 21*time.Second {
			t.Errorf("the second delivery was after %v, want one lease", got)
		}
		if !strings.Contains(g.logged(), "outcome of a mail not stored") {
			t.Error("nothing was logged")
		}
	})
}

func TestRetriesDoubleUpToTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(context.Context, notice.Notice, int) error { return failing("smtp_451") })
		add(t, store, letter("n1"))
		newRig(store, mail).run(t)
		time.Sleep(time.Hour)
		tries := mail.of("n1")
		want := []int{2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600}
		for i, w := range want {
			if i+1 >= len(tries) {
				t.Fatalf("only %d attempts", len(tries))
			}
			least := time.Duration(w) * time.Second
			if gap := tries[i+1] - tries[i]; gap < least || gap > least+time.Second {
				t.Errorf("after attempt %d it waited %v, want %v", i+1, gap, least)
			}
		}
	})
}

func TestRetriesAreSpreadByJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(context.Context, notice.Notice, int) error { return failing("network") })
		add(t, store, letter("n1"))
		g := newRig(store, mail)
		var asked []time.Duration
		g.deps.Jitter = func(d time.Duration) time.Duration {
			asked = append(asked, d)
			return d / 2
		}
		_, stop := g.run(t)
		time.Sleep(10 * time.Second)
		stop()
		if want := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}; !slices.Equal(asked[:3], want) {
			t.Errorf("jitter was asked for parts of %v, want %v", asked, want)
		}
		if tries := mail.of("n1"); tries[1] > 2*time.Second || tries[2] > 4*time.Second {
			t.Errorf("attempts at %v", tries)
		}
	})
}

// Faults F24: an hour without a mail server delays mails, and loses none that
// is still of use.
func TestAnHourWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		start := time.Now()
		mail := newPost(func(context.Context, notice.Notice, int) error {
			if time.Since(start) < time.Hour {
				return failing("network")
			}
			return nil
		})
		g := newRig(store, mail)
		g.run(t)
		want := map[string]int{}
		for i := range 60 {
			id := fmt.Sprintf("n%02d", i)
			n := letter(id)
			if i%10 == 0 { // its link is dead before the server is back
				n = n.Linking(n.Token, time.Minute/2)
			} else {
				want[id] = 1
			}
			add(t, store, n)
			time.Sleep(time.Minute)
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		mail.delivered(t, want)
		backlog(t, store, 0, 6)
		if got := strings.Count(g.logged(), `"class":"expired"`); got != 6 {
			t.Errorf("%d mails were logged as expired, want 6", got)
		}
	})
}

func TestWhatNobodyTakesDiesAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(context.Context, notice.Notice, int) error { return failing("network") })
		n := letter("n1")
		n.ExpiresAt = time.Time{}
		add(t, store, n)
		newRig(store, mail).run(t)
		time.Sleep(24*time.Hour - time.Minute)
		synctest.Wait()
		backlog(t, store, 1, 0)
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		backlog(t, store, 0, 1)
		tries := mail.of("n1")
		if last := tries[len(tries)-1]; last >= 24*time.Hour {
			t.Errorf("the last attempt was after %v", last)
		}
	})
}

func TestRefusalsEndANotice(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		tries int
	}{
		"the recipient is refused":   {&outbound.DeliveryError{Class: "smtp_550", Permanent: true, Rejected: true}, 1},
		"the mail is refused":        {&outbound.DeliveryError{Class: "smtp_554", Permanent: true}, 3},
		"it is refused, and wrapped": {fmt.Errorf("x: %w", &outbound.DeliveryError{Class: "smtp_554", Permanent: true}), 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.New()
				mail := newPost(func(context.Context, notice.Notice, int) error { return tc.err })
				add(t, store, letter("n1"))
				newRig(store, mail).run(t)
				time.Sleep(time.Hour)
				synctest.Wait()
				backlog(t, store, 0, 1)
				if got := len(mail.of("n1")); got != tc.tries {
					t.Errorf("%d attempts, want %d", got, tc.tries)
				}
			})
		})
	}
}

func TestAnErrorNobodyExplainsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(_ context.Context, _ notice.Notice, attempt int) error {
			if attempt < 6 {
				return errors.New("550 <ada@example.com> is unknown")
			}
			return nil
		})
		add(t, store, letter("n1"))
		newRig(store, mail).run(t)
		time.Sleep(time.Hour)
		mail.delivered(t, map[string]int{"n1": 1})
	})
}

// Faults F25: whatever happens to some mails, the others leave.
func TestBadMailsHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(ctx context.Context, n notice.Notice, _ int) error {
			switch {
			case strings.HasPrefix(n.ID, "tarpit"):
				<-ctx.Done()
				return failing("timeout")
			case strings.HasPrefix(n.ID, "poison"):
				panic("ada@example.com " + n.Token.Reveal())
			}
			return nil
		})
		add(t, store, letter("tarpit1"), letter("poison"), letter("tarpit2"), letter("tarpit3"), letter("good1"), letter("good2"))
		g := newRig(store, mail)
		g.run(t)
		time.Sleep(time.Second)
		synctest.Wait()
		mail.delivered(t, map[string]int{"good1": 1, "good2": 1})
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := len(mail.of("poison")); got != 3 {
			t.Errorf("the poison was tried %d times, want 3", got)
		}
		backlog(t, store, 3, 1)
		if log := g.logged(); !strings.Contains(log, "mailer panicked") || !strings.Contains(log, "relay_test.go") {
			t.Error("the log has no stack of the panic")
		}
	})
}

// A mail is left alone before its lease has passed to somebody else.
func TestADeliveryEndsBeforeItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var took time.Duration
		mail := newPost(func(ctx context.Context, _ notice.Notice, _ int) error {
			begun := time.Now()
			<-ctx.Done()
			took = time.Since(begun)
			return failing("timeout")
		})
		add(t, store, letter("n1"))
		newRig(store, mail).run(t)
		time.Sleep(13 * time.Second)
		synctest.Wait()
		if took != 12*time.Second {
			t.Errorf("a delivery may take %v, want 12s", took)
		}
	})
}

func TestASlowDomainDoesNotKeepTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var down atomic.Bool
		down.Store(true)
		mail := newPost(func(ctx context.Context, n notice.Notice, _ int) error {
			if down.Load() && strings.HasSuffix(n.To.Normal(), "@slow.example") {
				<-ctx.Done()
				return failing("timeout")
			}
			return nil
		})
		for i := range 200 {
			add(t, store, at(letter(fmt.Sprint("slow", i)), "SLOW.example"))
		}
		newRig(store, mail).run(t)
		time.Sleep(13 * time.Second) // now it is known
		for i := range 20 {
			id := fmt.Sprint("good", i)
			add(t, store, letter(id))
			begun := time.Since(mail.start)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if tries := mail.of(id); len(tries) != 1 || tries[0]-begun > 2*time.Second {
				t.Errorf("%s, promised after %v, was delivered after %v", id, begun, tries)
			}
		}
		down.Store(false)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		backlog(t, store, 0, 0)
	})
}

// sealed is a store with notices nobody can open.
type sealed struct{ outbound.UnitOfWork }

func (u sealed) Single() outbound.Stores {
	s := u.UnitOfWork.Single()
	s.Outbox = sealedOutbox{s.Outbox}
	return s
}

type sealedOutbox struct{ outbound.Outbox }

func (o sealedOutbox) Claim(ctx context.Context, owner string, now, until time.Time, limit int) ([]outbound.Claim, error) {
	all, err := o.Outbox.Claim(ctx, owner, now, until, limit)
	for i, c := range all {
		if strings.HasPrefix(c.Notice.ID, "broken") {
			all[i].Notice = notice.Notice{ID: c.Notice.ID, Kind: c.Notice.Kind}
			all[i].Broken = errors.New("cannot be opened")
		}
	}
	return all, err
}

func TestANoticeThatCannotBeOpenedIsGivenUpVisibly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, mail := sealed{memory.New()}, newPost(nil)
		add(t, store, letter("broken"), letter("good"))
		g := newRig(store, mail)
		g.run(t)
		synctest.Wait()
		mail.delivered(t, map[string]int{"good": 1})
		backlog(t, store, 0, 1)
		if !strings.Contains(g.logged(), "mail cannot be opened") || len(mail.of("broken")) != 0 {
			t.Errorf("attempts %v, log:\n%s", mail.of("broken"), g.logged())
		}
	})
}

func TestTwoRelaysDeliverEachMailOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(context.Context, notice.Notice, int) error {
			time.Sleep(10 * time.Millisecond)
			return nil
		})
		want := map[string]int{}
		for i := range 200 {
			id := fmt.Sprint("n", i)
			want[id] = 1
			add(t, store, letter(id))
		}
		for _, owner := range []string{"one", "two"} {
			g := newRig(store, mail)
			g.deps.Owner = owner
			g.run(t)
		}
		time.Sleep(time.Minute)
		mail.delivered(t, want)
		backlog(t, store, 0, 0)
	})
}

// A relay that was suspended for longer than its lease has lost it.
func TestAMailTakenOverIsSettledByTheOtherRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var ahead atomic.Int64 // of the clock
		clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		mail := newPost(nil)
		mail.script = func(context.Context, notice.Notice, int) error {
			ahead.Add(int64(time.Minute)) // the lease is over
			now := clock()
			_, err := store.Single().Outbox.Claim(context.Background(), "other", now, now.Add(time.Hour), 9)
			return err
		}
		add(t, store, letter("n1"))
		g := newRig(store, mail)
		g.deps.Now = clock
		_, stop := g.run(t)
		synctest.Wait()
		stop()
		backlog(t, store, 1, 0)
		if !strings.Contains(g.logged(), "taken over by another relay") || strings.Contains(g.logged(), `"level":"ERROR"`) {
			t.Errorf("log:\n%s", g.logged())
		}
	})
}

func TestAStopLetsDeliveriesFinishAndFreesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(ctx context.Context, n notice.Notice, _ int) error {
			if n.ID == "slow" {
				time.Sleep(5 * time.Second)
				return ctx.Err()
			}
			<-ctx.Done()
			return failing("timeout")
		})
		add(t, store, letter("slow"), letter("tarpit"))
		_, stop := newRig(store, mail).run(t)
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took != 12*time.Second {
			t.Errorf("the stop took %v, want the rest of the tarpit's deadline", took)
		}
		mail.delivered(t, map[string]int{"slow": 1})
		backlog(t, store, 1, 0)

		add(t, store, letter("later"))
		again := newPost(nil)
		newRig(store, again).run(t)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		again.delivered(t, map[string]int{"tarpit": 1, "later": 1})
	})
}

// Even a mailer that heeds no context delays a stop only so long.
func TestAStopDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		hang := make(chan struct{})
		mail := newPost(func(context.Context, notice.Notice, int) error {
			<-hang
			return nil
		})
		add(t, store, letter("n1"))
		_, stop := newRig(store, mail).run(t)
		synctest.Wait()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("the stop took %v", took)
		}
		now := time.Now()
		freed, err := store.Single().Outbox.Claim(t.Context(), "next", now, now.Add(time.Minute), 9)
		if err != nil || len(freed) != 1 {
			t.Errorf("%d notices are free, %v", len(freed), err)
		}
		close(hang)
	})
}

// sick is a store that cannot be asked while it is down.
type sick struct {
	outbound.UnitOfWork
	down func() bool
}

func (u sick) Single() outbound.Stores {
	s := u.UnitOfWork.Single()
	s.Outbox = sickOutbox{s.Outbox, u.down}
	return s
}

type sickOutbox struct {
	outbound.Outbox
	down func() bool
}

func (o sickOutbox) Claim(ctx context.Context, owner string, now, until time.Time, limit int) ([]outbound.Claim, error) {
	if o.down() {
		return nil, errors.New("no connection")
	}
	return o.Outbox.Claim(ctx, owner, now, until, limit)
}

func TestADatabaseThatIsDownIsSaidOnceAndOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		store := sick{memory.New(), func() bool { return time.Since(start) < time.Minute }}
		mail := newPost(nil)
		add(t, store, letter("n1"))
		g := newRig(store, mail)
		g.run(t)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		mail.delivered(t, map[string]int{"n1": 1})
		if got := strings.Count(g.logged(), "outbox cannot be read"); got != 1 {
			t.Errorf("said %d times, want once", got)
		}
	})
}

func TestLogsKnowNothingButIDKindAndClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		mail := newPost(func(_ context.Context, n notice.Notice, attempt int) error {
			switch attempt {
			case 1:
				return failing("smtp_451")
			case 2:
				return fmt.Errorf("451 %s %s", n.To.Typed(), n.Token.Reveal())
			case 3:
				panic(n)
			}
			return nil
		})
		add(t, store, letter("n1"), letter("n2"))
		g := newRig(store, mail)
		g.run(t)
		time.Sleep(time.Hour)
		log := g.logged()
		for _, s := range []string{"ada", "example.com", "t0k3n", "Ada"} {
			if strings.Contains(log, s) {
				t.Errorf("the log holds %q:\n%s", s, log)
			}
		}
		for _, s := range []string{`"notice":"n1"`, `"kind":"email_verification"`, `"class":"smtp_451"`, `"class":"unknown"`, `"class":"panic"`} {
			if !strings.Contains(log, s) {
				t.Errorf("the log lacks %s:\n%s", s, log)
			}
		}
	})
}

// What a link was good for may be over before its mail leaves. Notices without
// a link are owed to the address they were promised to, whatever became of the
// account since (faults F86).
func TestMailsOfVoidLinksAreDropped(t *testing.T) {
	for name, tc := range map[string]struct {
		kind  notice.Kind
		after func(ctx context.Context, s outbound.OneTime, n notice.Notice) error
		sent  int
	}{
		"a link that is good":       {notice.EmailVerification, nil, 1},
		"a reset link":              {notice.PasswordReset, nil, 1},
		"a link that was used":      {notice.EmailVerification, used, 0},
		"a reset link, used":        {notice.PasswordReset, used, 0},
		"a reset link, voided":      {notice.PasswordReset, voided, 0},
		"a link that has gone":      {notice.EmailVerification, gone, 0},
		"a notice without a link":   {notice.PasswordChanged, gone, 1},
		"a notice of a new address": {notice.EmailChanged, voided, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, mail := memory.New(), newPost(nil)
				n := letter("n1")
				n.Kind = tc.kind
				add(t, store, n)
				if tc.after != nil {
					if err := tc.after(t.Context(), store.Single().OneTime, n); err != nil {
						t.Fatal(err)
					}
				}
				g := newRig(store, mail)
				var outcomes []string
				g.deps.Tried = func(outcome string) { outcomes = append(outcomes, outcome) }
				_, stop := g.run(t)
				time.Sleep(time.Hour)
				stop()
				if got := len(mail.of("n1")); got != tc.sent {
					t.Errorf("%d attempts, want %d", got, tc.sent)
				}
				backlog(t, store, 0, 0)
				if want := []string{"dropped", "delivered"}[tc.sent]; !slices.Equal(outcomes, []string{want}) {
					t.Errorf("outcomes %q, want %q", outcomes, want)
				}
				if dropped := strings.Contains(g.logged(), `"class":"void"`); dropped != (tc.sent == 0) {
					t.Errorf("logged: %s", g.logged())
				}
			})
		})
	}
}

func used(ctx context.Context, s outbound.OneTime, n notice.Notice) error {
	return s.Use(ctx, linkOf(n).Kind, onetime.HashOf(n.Token), time.Now())
}

func voided(ctx context.Context, s outbound.OneTime, _ notice.Notice) error {
	_, err := s.VoidEvery(ctx, time.Now())
	return err
}

func gone(ctx context.Context, s outbound.OneTime, _ notice.Notice) error {
	_, err := s.Purge(ctx, time.Now().Add(480*time.Hour), 9)
	return err
}

// A link that cannot be looked up is no reason to lose its mail, nor to send it.
func TestAMailWhoseLinkCannotBeLookedUpWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, mail := memory.New(), newPost(nil)
		add(t, store, letter("n1"))
		begun := time.Now()
		blinded := blindToLinks{store, func() bool { return time.Since(begun) < time.Minute }}
		newRig(blinded, mail).run(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		mail.delivered(t, map[string]int{"n1": 1})
		if tries := mail.of("n1"); len(tries) != 1 || tries[0] < time.Minute {
			t.Errorf("tried after %v", tries)
		}
	})
}

// blindToLinks is a database in which links cannot be found for a while.
type blindToLinks struct {
	outbound.UnitOfWork

	blind func() bool
}

func (b blindToLinks) Single() outbound.Stores {
	s := b.UnitOfWork.Single()
	s.OneTime = unreadable{s.OneTime, b.blind}
	return s
}

type unreadable struct {
	outbound.OneTime

	blind func() bool
}

func (u unreadable) Find(ctx context.Context, k onetime.Kind, h onetime.Hash) (onetime.Item, error) {
	if u.blind() {
		return onetime.Item{}, errors.New("out of reach")
	}
	return u.OneTime.Find(ctx, k, h)
}
