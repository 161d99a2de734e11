package erasure_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	"gatehouse/application/erasure"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

// shelf is a ledger in memory, which may fail.
type shelf struct {
	kept             map[principal.ID]principal.Erasure
	unread, unwanted error
}

func (s *shelf) Add(_ context.Context, all ...principal.Erasure) error {
	if s.unwanted != nil {
		return s.unwanted
	}
	for _, e := range all {
		s.kept[e.ID] = e
	}
	return nil
}

func (s *shelf) All(context.Context) (map[principal.ID]principal.Erasure, error) {
	return maps.Clone(s.kept), s.unread
}

func (s *shelf) ids() []principal.ID { return slices.Sorted(maps.Keys(s.kept)) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world holds ada, an admin and the only one, bob and gus, a guest.
func world(t *testing.T) (*memory.Store, *shelf, erasure.Deps) {
	t.Helper()
	store, kept := memory.New(), &shelf{kept: map[principal.ID]principal.Erasure{}}
	ada := principal.NewUser("ada", "Ada", accounttest.Address("ada@example.com"), password.NewHash("h"), noon)
	ada.SetAdmin(true)
	bob := principal.NewUser("bob", "Bob", accounttest.Address("bob@example.com"), password.NewHash("h"), noon)
	for _, p := range []*principal.Principal{ada, bob, principal.NewGuest("gus", "Gus", noon)} {
		check(t, store.Single().Principals.Add(t.Context(), p))
	}
	return store, kept, erasure.Deps{
		Work: store, Revocations: &accounttest.Caches{}, Ledger: kept, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	}
}

func there(t *testing.T, s *memory.Store) (ids []principal.ID) {
	t.Helper()
	for _, id := range []principal.ID{"ada", "bob", "gus"} {
		switch _, err := s.Single().Principals.ByID(t.Context(), id); {
		case err == nil:
			ids = append(ids, id)
		case !errors.Is(err, outbound.ErrNotFound):
			t.Fatal(err)
		}
	}
	return ids
}

func stored(t *testing.T, s *memory.Store) (ids []principal.ID) {
	t.Helper()
	all, err := s.Single().Erasures.After(t.Context(), "", 9)
	check(t, err)
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

// An older database brings back the only admin, a guest, and forgets somebody
// who is in neither.
func TestWhomTheLedgerKnowsIsErasedAgain(t *testing.T) {
	store, kept, d := world(t)
	for _, id := range []principal.ID{"ada", "eve", "gus"} {
		kept.kept[id] = principal.Erasure{ID: id, At: noon.Add(-time.Hour)}
	}
	check(t, store.Single().Erasures.Add(t.Context(), principal.Erasure{ID: "dan", At: noon}))
	for _, want := range []int{2, 0} { // to repeat it does no harm
		got, err := erasure.NewReconciler(d).Do(t.Context(), inbound.ReconcileErasures{})
		if err != nil || got.Erased != want {
			t.Fatalf("Do = %+v, %v, want %d", got, err, want)
		}
		if got := there(t, store); !slices.Equal(got, []principal.ID{"bob"}) {
			t.Errorf("there are %v", got)
		}
		all := []principal.ID{"ada", "dan", "eve", "gus"}
		if !slices.Equal(stored(t, store), all) || !slices.Equal(kept.ids(), all) {
			t.Errorf("the database knows %v, the ledger %v", stored(t, store), kept.ids())
		}
	}
}

func TestALedgerThatCannotBeReadErasesNobodyAndIsAFailure(t *testing.T) {
	store, kept, d := world(t)
	kept.unread = io.ErrUnexpectedEOF
	if _, err := erasure.NewReconciler(d).Do(t.Context(), inbound.ReconcileErasures{}); !errors.Is(err, io.ErrUnexpectedEOF) || len(there(t, store)) != 3 {
		t.Errorf("Do = %v, there are %v", err, there(t, store))
	}
}

// A full disk must not keep anybody from being deleted; the next start makes up
// for it.
func TestALedgerThatCannotBeWrittenIsMadeUpForLater(t *testing.T) {
	store, kept, d := world(t)
	kept.unwanted = io.ErrShortWrite
	by := inbound.Context{}
	by.Caller.PrincipalID, by.Caller.StepUp = "bob", session.StepUpGranted
	_, err := erasure.NewSelfDeleter(d).Do(t.Context(), inbound.DeleteSelf{Context: by})
	check(t, err)
	if got := there(t, store); !slices.Equal(got, []principal.ID{"ada", "gus"}) {
		t.Errorf("there are %v", got)
	}
	kept.unwanted = nil
	_, err = erasure.NewReconciler(d).Do(t.Context(), inbound.ReconcileErasures{})
	check(t, err)
	if got := kept.ids(); !slices.Equal(got, []principal.ID{"bob"}) {
		t.Errorf("the ledger knows %v", got)
	}
}

// The gate asks the same; what cannot be undone asks again.
func TestNobodyIsErasedWithoutAProof(t *testing.T) {
	store, _, d := world(t)
	by := inbound.Context{}
	by.Caller.PrincipalID = "bob"
	_, self := erasure.NewSelfDeleter(d).Do(t.Context(), inbound.DeleteSelf{Context: by})
	_, role := erasure.NewAccountDeleter(d).Do(t.Context(), inbound.DeleteAccount{Context: by, ID: "gus"})
	by.Caller.Roles = []principal.Role{principal.RoleAdmin}
	_, proof := erasure.NewAccountDeleter(d).Do(t.Context(), inbound.DeleteAccount{Context: by, ID: "ada"})
	if fault.CodeOf(self) != fault.StepUpTokenMissing || fault.CodeOf(role) != fault.RoleRequired || fault.CodeOf(proof) != fault.StepUpTokenMissing {
		t.Errorf("%v, %v, %v", self, role, proof)
	}
	if len(there(t, store)) != 3 {
		t.Errorf("there are %v", there(t, store))
	}
}
