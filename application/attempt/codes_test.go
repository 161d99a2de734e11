package attempt_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/attempt"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

type world struct {
	store *memory.Store
	taker *attempt.Taker
	now   time.Time
	of    throttle.Subject
}

func newWorld(p throttle.Policy) *world {
	from, _ := client.ParseAddress("192.0.2.7")
	w := &world{store: memory.New(), now: noon, of: attempt.Subject("Ada@example.com", from)}
	w.taker = attempt.New(attempt.Deps{Work: w.store, Policy: p, Now: func() time.Time { return w.now }})
	return w
}

var policy = throttle.Policy{Attempts: 5, TotalAttempts: 50, MaxDelay: 15 * time.Minute}

func (w *world) counted(t *testing.T) int {
	t.Helper()
	st, err := w.store.Single().Attempts.State(t.Context(), w.of)
	if err != nil {
		t.Fatal(err)
	}
	return st.Network.Failures
}

func (w *world) code(right bool) attempt.Code {
	return attempt.Code{
		Subject: w.of, Wrong: fault.WrongTwoFactorCode,
		Try:   func(context.Context, outbound.Stores) error { return nil },
		Right: func() (bool, error) { return right, nil },
	}
}

func TestCodesAreCountedBeforeTheyAreJudged(t *testing.T) {
	w := newWorld(policy)
	tried := false
	c := w.code(false)
	c.Try = func(context.Context, outbound.Stores) error { tried = true; return nil }
	c.Right = func() (bool, error) {
		if !tried || w.counted(t) != 1 {
			t.Errorf("judged when tried is %v and %d are counted", tried, w.counted(t))
		}
		return false, nil
	}
	if err := w.taker.JudgeCode(t.Context(), c); fault.CodeOf(err) != fault.WrongTwoFactorCode {
		t.Errorf("a wrong code: %v", err)
	}
	if err := w.taker.JudgeCode(t.Context(), w.code(true)); err != nil {
		t.Errorf("a right code: %v", err)
	}
	if n := w.counted(t); n != 2 {
		t.Errorf("%d are counted, want 2: what a right code resets is not decided here", n)
	}
}

func TestCodesCannotBeTriedWhileTheAccountWaits(t *testing.T) {
	w := newWorld(policy)
	for range 5 {
		_ = w.taker.JudgeCode(t.Context(), w.code(false))
	}
	c := w.code(true)
	c.Right = func() (bool, error) { t.Error("looked at"); return true, nil }
	if err := w.taker.JudgeCode(t.Context(), c); fault.CodeOf(err) != fault.TooManyAttempts || w.counted(t) != 5 {
		t.Errorf("while the account waits: %v, %d counted", err, w.counted(t))
	}
}

func TestWhatCannotBeTriedIsNotCounted(t *testing.T) {
	w := newWorld(policy)
	gone := errors.New("gone")
	c := w.code(true)
	c.Try = func(context.Context, outbound.Stores) error { return gone }
	c.Right = func() (bool, error) { t.Error("looked at"); return true, nil }
	if err := w.taker.JudgeCode(t.Context(), c); !errors.Is(err, gone) || w.counted(t) != 0 {
		t.Errorf("%v, %d counted", err, w.counted(t))
	}
	c = w.code(true)
	c.Right = func() (bool, error) { return false, gone }
	if err := w.taker.JudgeCode(t.Context(), c); !errors.Is(err, gone) || w.counted(t) != 1 {
		t.Errorf("what cannot be judged: %v, %d counted", err, w.counted(t))
	}
}

func TestCodesAreTriedWhereAccountsAreNotThrottled(t *testing.T) {
	p := policy
	p.Off = true
	w := newWorld(p)
	tries := 0
	c := w.code(false)
	c.Try = func(context.Context, outbound.Stores) error { tries++; return nil }
	for range 9 {
		if err := w.taker.JudgeCode(t.Context(), c); fault.CodeOf(err) != fault.WrongTwoFactorCode {
			t.Fatal(err)
		}
	}
	if tries != 9 || w.counted(t) != 0 {
		t.Errorf("%d tries, %d counted", tries, w.counted(t))
	}
}

// Of parallel guesses no more are judged than there may be (faults F13).
func TestParallelCodesDoNotSlipThrough(t *testing.T) {
	w := newWorld(policy)
	var judged atomic.Int32
	c := w.code(false)
	c.Right = func() (bool, error) { judged.Add(1); return false, nil }
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { _ = w.taker.JudgeCode(context.WithoutCancel(t.Context()), c) })
	}
	all.Wait()
	if judged.Load() != 5 || w.counted(t) != 5 {
		t.Errorf("%d were judged, %d counted, want 5", judged.Load(), w.counted(t))
	}
}
