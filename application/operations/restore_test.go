package operations_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/application/account/accounttest"
	app "gatehouse/application/operations"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

func (w *world) declarer() *app.RestoreDeclarer {
	return app.NewRestoreDeclarer(app.RestoreDeclarerDeps{Work: w.work, Now: clock})
}

// owe promises ada a mail of each kind.
func (w *world) owe(t *testing.T) {
	t.Helper()
	for _, k := range notice.Kinds() {
		check(t, w.store.Single().Outbox.Add(t.Context(), notice.Notice{
			ID: string(k), Kind: k, Principal: "ada", To: accounttest.Address("ada@example.com"),
			CreatedAt: noon, ExpiresAt: noon.Add(1), Token: secret.New("token"),
		}))
	}
}

// F70, Q15.
func TestARestoreEndsWhatMayHaveEndedBefore(t *testing.T) {
	w := newWorld(t)
	w.owe(t)
	w.work.Twice = true
	got, err := w.declarer().Do(t.Context(), inbound.DeclareRestore{Epoch: 4})
	check(t, err)
	links := len(notice.LinkKinds())
	same(t, "restored", got, inbound.Restored{Epoch: 4, Raised: true, Sessions: 5, Links: 5 * len(linkKinds), Mails: links})
	for _, id := range []principal.ID{"ada", "root", "bob", "off", "gus"} {
		after := w.look(t, id)
		same(t, "sessions of "+string(id), after.sessions, 0)
		sameList(t, "links of "+string(id), after.links, []onetime.State{onetime.Voided, onetime.Voided, onetime.Voided})
	}
	b, err := w.store.Single().Outbox.Backlog(t.Context())
	check(t, err)
	same(t, "backlog", b, outbound.Backlog{Queued: len(notice.Kinds()) - links, Dead: links, Oldest: noon})
}

func TestOnlyAHigherEpochIsARestore(t *testing.T) {
	w := newWorld(t)
	check(t, second(w.store.Single().Restores.Raise(t.Context(), 4)))
	before := w.look(t, "ada")
	for _, epoch := range []int{0, 3, 4} {
		got, err := w.declarer().Do(t.Context(), inbound.DeclareRestore{Epoch: epoch})
		check(t, err)
		same(t, "restored", got, inbound.Restored{Epoch: 4})
	}
	if !sameSeen(w.look(t, "ada"), before) {
		t.Error("an epoch that is no higher changed ada")
	}
}

func TestARestoreCanBeDeclaredAgain(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ epoch, want int }{{0, 1}, {0, 2}, {7, 7}, {7, 8}, {3, 9}} {
		got, err := w.declarer().Do(t.Context(), inbound.DeclareRestore{Epoch: tc.epoch, Again: true})
		check(t, err)
		if got.Epoch != tc.want || !got.Raised {
			t.Errorf("declared %d again: %+v, want epoch %d", tc.epoch, got, tc.want)
		}
	}
}

func TestOneOfManyReplicasDeclaresTheRestore(t *testing.T) {
	w := newWorld(t)
	var raised, sessions atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			got, err := w.declarer().Do(t.Context(), inbound.DeclareRestore{Epoch: 1})
			if err != nil {
				t.Error(err)
			}
			if got.Raised {
				raised.Add(1)
				sessions.Add(int32(got.Sessions))
			}
		})
	}
	all.Wait()
	same(t, "raised", raised.Load(), 1)
	same(t, "sessions", sessions.Load(), 5)
}

func second[T any](_ T, err error) error { return err }
