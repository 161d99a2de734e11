package outboundtest

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

var passkeyChecks = []storeCheck{
	{"PasskeyRoundTrip", passkeyRoundTrip},
	{"PasskeysShareNothing", passkeysShareNothing},
	{"PasskeyNotFound", passkeyNotFound},
	{"PasskeyTaken", passkeyTaken},
	{"PasskeyOfNobody", passkeyOfNobody},
	{"CredentialHasOneWinner", credentialHasOneWinner},
	{"PasskeysAreOrdered", passkeysAreOrdered},
	{"PasskeyRename", passkeyRename},
	{"PasskeyUse", passkeyUse},
	{"PasskeyUseHasOneWinner", passkeyUseHasOneWinner},
	{"PasskeyDelete", passkeyDelete},
	{"PasskeysGoWithTheirOwner", passkeysGoWithTheirOwner},
}

// fob is a passkey with nothing left out.
func fob(id string, of principal.ID) passkey.Passkey {
	return passkey.Passkey{
		ID: passkey.ID(id), Principal: of, Name: "Ådá’s " + id, CreatedAt: at, LastUsed: at.Add(time.Minute),
		Key: passkey.Key{
			Credential: []byte("\x00credential " + id), Public: []byte{0xa5, 0, 0xff}, AAGUID: [16]byte{0, 1, 0xff}, Transports: []string{"usb", "nfc"},
			BackupEligible: true, BackedUp: true, SignCount: math.MaxUint32 - 1,
		},
	}
}

func addPasskeys(t *testing.T, w work, of ...passkey.Passkey) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error {
		for _, p := range of {
			if err := s.Passkeys.Add(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func passkeysOf(t *testing.T, w work, of principal.ID) []passkey.Passkey {
	t.Helper()
	all, err := w.Single().Passkeys.Of(t.Context(), of)
	must(t, err)
	return all
}

func samePasskeys(t *testing.T, got []passkey.Passkey, want ...passkey.Passkey) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d passkeys, want %d", len(got), len(want))
	}
	for i := range got {
		inUTC(&got[i].CreatedAt, &got[i].LastUsed, &want[i].CreatedAt, &want[i].LastUsed)
		if len(got[i].Transports) == 0 && len(want[i].Transports) == 0 {
			got[i].Transports, want[i].Transports = nil, nil
		}
		same(t, "passkey", got[i], want[i])
	}
}

func passkeyRoundTrip(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	bare := passkey.Passkey{
		ID: "k2", Principal: "u2", Name: "x", CreatedAt: at, Key: passkey.Key{Credential: []byte{0}, Public: []byte{1}},
	}
	addPasskeys(t, w, fob("k1", "u1"), bare)
	for _, want := range []passkey.Passkey{fob("k1", "u1"), bare} {
		samePasskeys(t, passkeysOf(t, w, want.Principal), want)
		got, err := w.Single().Passkeys.ByCredential(t.Context(), want.Credential)
		must(t, err)
		samePasskeys(t, []passkey.Passkey{got}, want)
	}
}

func passkeysShareNothing(t *testing.T, w work) {
	add(t, w, user("u1"))
	mine := fob("k1", "u1")
	addPasskeys(t, w, mine)
	mine.Credential[0], mine.Public[0], mine.Transports[0] = 'x', 'x', "x"
	got := passkeysOf(t, w, "u1")[0]
	got.Credential[0], got.Public[0], got.Transports[0] = 'x', 'x', "x"
	samePasskeys(t, passkeysOf(t, w, "u1"), fob("k1", "u1"))
}

func passkeyNotFound(t *testing.T, w work) {
	add(t, w, user("u1"))
	addPasskeys(t, w, fob("k1", "u1"))
	if all := passkeysOf(t, w, "u2"); len(all) != 0 {
		t.Errorf("somebody else has %d passkeys", len(all))
	}
	for _, credential := range []string{"", "\x00credential k", "\x00credential k11", "\x00CREDENTIAL K1"} {
		if _, err := w.Single().Passkeys.ByCredential(t.Context(), []byte(credential)); !errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("ByCredential of %q = %v, want ErrNotFound", credential, err)
		}
	}
}

func passkeyTaken(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	addPasskeys(t, w, fob("k1", "u1"))
	sameID, sameCredential := fob("k2", "u1"), fob("k2", "u2")
	sameID.ID, sameCredential.Credential = "k1", fob("k1", "u1").Credential
	for what, p := range map[string]passkey.Passkey{"id": sameID, "credential": sameCredential} {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error { return s.Passkeys.Add(ctx, p) })
		if !errors.Is(err, outbound.ErrTaken) {
			t.Errorf("Add with the same %s = %v, want ErrTaken", what, err)
		}
	}
	samePasskeys(t, passkeysOf(t, w, "u1"), fob("k1", "u1"))
}

func passkeyOfNobody(t *testing.T, w work) {
	if err := w.Single().Passkeys.Add(t.Context(), fob("k1", "u1")); fault.CodeOf(err) != fault.DatabaseFailure {
		t.Errorf("Add for nobody = %v, want DATABASE_FAILURE", err)
	}
}

func credentialHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	var won, lost atomic.Int32
	race(crowd, func(i int) {
		p := fob("k"+string(rune('A'+i)), "u1")
		p.Credential = []byte("one")
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error { return s.Passkeys.Add(ctx, p) })
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, outbound.ErrTaken):
			lost.Add(1)
		default:
			t.Errorf("Add = %v, want nil or ErrTaken", err)
		}
	})
	if won.Load() != 1 || lost.Load() != crowd-1 {
		t.Errorf("of %d parallel calls %d added and %d were refused", crowd, won.Load(), lost.Load())
	}
}

func passkeysAreOrdered(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	old, older := fob("k1", "u1"), fob("k3", "u1")
	older.CreatedAt = at.Add(-time.Second)
	addPasskeys(t, w, fob("k2", "u1"), old, older, fob("k0", "u2"))
	samePasskeys(t, passkeysOf(t, w, "u1"), older, old, fob("k2", "u1"))
}

func passkeyRename(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	addPasskeys(t, w, fob("k1", "u1"), fob("k2", "u1"))
	rename := func(of principal.ID, id passkey.ID) error {
		return w.Single().Passkeys.Rename(t.Context(), of, id, "Phone")
	}
	for _, wrong := range []error{rename("u2", "k1"), rename("u1", "k3"), rename("u3", "k1")} {
		if !errors.Is(wrong, outbound.ErrNotFound) {
			t.Errorf("Rename of what they do not have = %v, want ErrNotFound", wrong)
		}
	}
	must(t, rename("u1", "k1"))
	renamed := fob("k1", "u1")
	renamed.Name = "Phone"
	samePasskeys(t, passkeysOf(t, w, "u1"), renamed, fob("k2", "u1"))
}

func passkeyUse(t *testing.T, w work) {
	add(t, w, user("u1"))
	addPasskeys(t, w, fob("k1", "u1"), fob("k2", "u1"))
	before := fob("k1", "u1").SignCount
	used := fob("k1", "u1").Used(passkey.Use{SignCount: math.MaxUint32}, at.Add(time.Hour))
	gone := used
	gone.ID = "k3"
	for what, wrong := range map[string]error{
		"with another counter": w.Single().Passkeys.Use(t.Context(), used, before-1),
		"that is gone":         w.Single().Passkeys.Use(t.Context(), gone, before),
	} {
		if !errors.Is(wrong, outbound.ErrStale) {
			t.Errorf("Use of a passkey %s = %v, want ErrStale", what, wrong)
		}
	}
	samePasskeys(t, passkeysOf(t, w, "u1"), fob("k1", "u1"), fob("k2", "u1"))
	must(t, w.Single().Passkeys.Use(t.Context(), used, before))
	samePasskeys(t, passkeysOf(t, w, "u1"), used, fob("k2", "u1"))
}

func passkeyUseHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	addPasskeys(t, w, fob("k1", "u1"))
	before := fob("k1", "u1").SignCount
	used := fob("k1", "u1").Used(passkey.Use{SignCount: math.MaxUint32}, at)
	var won, lost atomic.Int32
	race(crowd, func(int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error { return s.Passkeys.Use(ctx, used, before) })
		switch {
		case err == nil:
			won.Add(1)
		case errors.Is(err, outbound.ErrStale):
			lost.Add(1)
		default:
			t.Errorf("Use = %v, want nil or ErrStale", err)
		}
	})
	if won.Load() != 1 || lost.Load() != crowd-1 {
		t.Errorf("of %d parallel uses %d counted and %d were refused", crowd, won.Load(), lost.Load())
	}
}

func passkeyDelete(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	addPasskeys(t, w, fob("k1", "u1"), fob("k2", "u1"))
	remove := func(of principal.ID, id passkey.ID) error { return w.Single().Passkeys.Delete(t.Context(), of, id) }
	for _, wrong := range []error{remove("u2", "k1"), remove("u1", "k3")} {
		if !errors.Is(wrong, outbound.ErrNotFound) {
			t.Errorf("Delete of what they do not have = %v, want ErrNotFound", wrong)
		}
	}
	must(t, remove("u1", "k1"))
	samePasskeys(t, passkeysOf(t, w, "u1"), fob("k2", "u1"))
	if err := remove("u1", "k1"); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("Delete again = %v, want ErrNotFound", err)
	}
}

func passkeysGoWithTheirOwner(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	addPasskeys(t, w, fob("k1", "u1"), fob("k2", "u2"))
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Delete(ctx, "u1") })
	if _, err := w.Single().Passkeys.ByCredential(t.Context(), fob("k1", "u1").Credential); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("the passkey of nobody: %v, want ErrNotFound", err)
	}
	samePasskeys(t, passkeysOf(t, w, "u2"), fob("k2", "u2"))
	addPasskeys(t, w, passkey.Passkey{ID: "k3", Principal: "u2", CreatedAt: at, Key: fob("k1", "u1").Key})
}
