package outboundtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// MarkStore is the marks of replicas that share a store, which is in reach and
// empty.
type MarkStore struct {
	Replicas []outbound.Marks
	// Flush empties the store. It is nil for one that remembers nothing.
	Flush func()
}

// Marks runs the suites of [outbound.Marks] and of its [outbound.Revocations].
// open returns a fresh store for each check.
func Marks(t *testing.T, open func(*testing.T) MarkStore) {
	Revocations(t, func(t *testing.T) outbound.Revocations { return open(t).Replicas[0] })
	for _, c := range []struct {
		name string
		run  func(*markWorld)
	}{
		{"RecallWhatOthersRemember", recallWhatOthersRemember},
		{"AreThoseOfOneSession", areThoseOfOneSession},
		{"LastSeconds", marksLastSeconds},
		{"DoNotOutliveARevocation", marksDoNotOutliveARevocation},
		{"AreNotOfBeforeARevocation", areNotOfBeforeARevocation},
		{"AreNotOfBeforeAFlush", areNotOfBeforeAFlush},
		{"AreNotKeptWithoutATicket", areNotKeptWithoutATicket},
		{"NeverRecallWhatWasRevoked", neverRecallWhatWasRevoked},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(&markWorld{t, open(t)}) })
	}
}

type markWorld struct {
	t *testing.T
	MarkStore
}

// markOf7 is what everybody reads.
var markOf7 = outbound.Mark{
	ExpiresAt: at.Add(time.Hour).UTC(), Until: at.Add(2 * time.Hour).UTC(), TokenGen: 7,
}

// learns makes one replica read and remember a session.
func (w *markWorld) learns(replica int, of principal.ID, id session.ID) {
	w.t.Helper()
	m := w.Replicas[replica]
	if _, ticket, known := m.Recall(w.t.Context(), of, id, at); !known {
		m.Remember(w.t.Context(), ticket, markOf7)
	}
}

// recalls wants a replica to recall a session, or not to. One that remembers
// nothing never does.
func (w *markWorld) recalls(what string, replica int, of principal.ID, id session.ID, want bool) {
	w.t.Helper()
	want = want && w.Flush != nil
	got, _, known := w.Replicas[replica].Recall(w.t.Context(), of, id, at)
	if known != want || known && got != markOf7 {
		w.t.Errorf("%s: replica %d recalls %+v, %t, want %t", what, replica, got, known, want)
	}
}

func recallWhatOthersRemember(w *markWorld) {
	w.learns(0, "u1", "s1")
	for i := range w.Replicas {
		w.recalls("remembered by one", i, "u1", "s1", true)
	}
	w.learns(len(w.Replicas)-1, "u1", "s2")
	w.recalls("another session", 0, "u1", "s2", true)
}

func areThoseOfOneSession(w *markWorld) {
	w.learns(0, "u1", "s1")
	w.learns(0, "u2", "s2")
	w.recalls("of another principal", 0, "u2", "s1", false)
	w.recalls("of another session", 0, "u1", "s3", false)
	w.recalls("its own", 0, "u1", "s1", true)
}

func marksLastSeconds(w *markWorld) {
	w.learns(0, "u1", "s1")
	for after, want := range map[time.Duration]bool{0: true, 5 * time.Second: true, 6 * time.Second: false, -6 * time.Second: false} {
		_, _, known := w.Replicas[0].Recall(w.t.Context(), "u1", "s1", at.Add(after))
		if known != (want && w.Flush != nil) {
			w.t.Errorf("after %v: %t, want %t", after, known, want)
		}
	}
}

var revocations = map[string]struct {
	what outbound.Revocation
	kept bool // s2 of the same principal
}{
	"a session":                  {outbound.Revocation{Principal: "u1", Session: "s1"}, true},
	"a principal":                {outbound.Revocation{Principal: "u1"}, false},
	"a principal but one device": {outbound.Revocation{Principal: "u1", Kept: "s9"}, false},
	"everybody":                  {outbound.Revocation{}, false},
}

// ways are how caches hear of a revocation.
var ways = map[string]func(*markWorld, outbound.Revocation){
	"announced":  func(w *markWorld, r outbound.Revocation) { w.Replicas[0].Announce(w.t.Context(), r) },
	"propagated": func(w *markWorld, r outbound.Revocation) { must(w.t, w.Replicas[0].Propagate(w.t.Context(), r)) },
}

func marksDoNotOutliveARevocation(w *markWorld) {
	for what, c := range revocations {
		for how, revoke := range ways {
			of, last := what+", "+how, len(w.Replicas)-1
			if w.Flush != nil {
				w.Flush()
			}
			w.learns(last, "u1", "s1")
			w.learns(last, "u1", "s2")
			w.learns(last, "u2", "s3")
			revoke(w, c.what)
			for range 2 { // nor does it come back
				w.recalls(of, last, "u1", "s1", false)
				w.learns(last, "u1", "s1")
			}
			w.recalls(of+", another session", last, "u1", "s2", c.kept)
			w.recalls(of+", somebody else", last, "u2", "s3", c.what.Principal != "")
		}
	}
}

// Whoever read the database before a revocation, and is slow, finds that their
// ticket is worth nothing.
func areNotOfBeforeARevocation(w *markWorld) {
	for what, c := range revocations {
		for how, revoke := range ways {
			if w.Flush != nil {
				w.Flush()
			}
			_, ticket, _ := w.Replicas[0].Recall(w.t.Context(), "u1", "s1", at)
			revoke(w, c.what)
			w.Replicas[0].Remember(w.t.Context(), ticket, markOf7)
			w.recalls(what+", "+how, 0, "u1", "s1", false)
		}
	}
}

// A flush takes the memory of what was revoked with it. That must not let in
// what was read before.
func areNotOfBeforeAFlush(w *markWorld) {
	if w.Flush == nil {
		return
	}
	for what, c := range revocations {
		_, ticket, _ := w.Replicas[0].Recall(w.t.Context(), "u1", "s1", at)
		ways["propagated"](w, c.what)
		w.Flush()
		w.Replicas[0].Remember(w.t.Context(), ticket, markOf7)
		w.recalls(what+", flushed", 0, "u1", "s1", false)
		_, _, _ = w.Replicas[1].Recall(w.t.Context(), "u1", "s1", at) // another reader, another ticket
		w.Replicas[0].Remember(w.t.Context(), ticket, markOf7)
		w.recalls(what+", flushed, another one reads", 0, "u1", "s1", false)
		w.Flush()
	}
}

func areNotKeptWithoutATicket(w *markWorld) {
	for _, t := range []outbound.Ticket{{}, {Principal: "u1", Session: "s1", At: at}, {ID: "made up", Principal: "u1", Session: "s1", At: at}} {
		w.Replicas[0].Remember(w.t.Context(), t, markOf7)
		w.recalls(fmt.Sprint(t), 0, "u1", "s1", false)
	}
}

// Readers who come and go meet somebody who revokes. What has been revoked when
// they begin, they must not recall.
func neverRecallWhatWasRevoked(w *markWorld) {
	for round := range 20 {
		var stored, told atomic.Bool
		id := session.ID(fmt.Sprint("s", round))
		what := outbound.Revocation{Principal: "u1", Session: id}
		if round%2 == 1 {
			what.Session = ""
		}
		var readers sync.WaitGroup
		for i := range 8 {
			readers.Go(func() {
				m := w.Replicas[i%len(w.Replicas)]
				for range 30 {
					over := told.Load()
					_, ticket, known := m.Recall(w.t.Context(), "u1", id, at)
					if known && over {
						w.t.Errorf("round %d: recalled after it was revoked", round)
					}
					if !known && !stored.Load() { // the database says that it lives
						m.Remember(w.t.Context(), ticket, markOf7)
					}
				}
			})
		}
		w.Replicas[0].Announce(w.t.Context(), what)
		stored.Store(true)
		must(w.t, w.Replicas[0].Propagate(w.t.Context(), what))
		told.Store(true)
		readers.Wait()
	}
}
