package outboundtest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/email"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

var oneTimeChecks = []storeCheck{
	{"OneTimeRoundTrip", oneTimeRoundTrip},
	{"OneTimeNotFound", oneTimeNotFound},
	{"UseWorksOnce", useWorksOnce},
	{"UseRefuses", useRefuses},
	{"UseHasOneWinner", useHasOneWinner},
	{"VoidKeepsAnAddress", voidKeepsAnAddress},
	{"VoidLeavesOthersAlone", voidLeavesOthersAlone},
	{"VoidEveryCounts", voidEveryCounts},
	{"OneTimePurge", oneTimePurge},
}

// item is a one-time item of a principal that is usable at [at].
func item(n byte, of principal.ID) onetime.Item {
	return onetime.Item{
		Hash: onetime.Hash{n, 0, 0xff}, Kind: onetime.EmailVerification, Principal: of, Session: "s1",
		Address: address("Ada@Example.com"), CreatedAt: at.Add(-time.Minute), ExpiresAt: at.Add(time.Hour),
	}
}

func addItems(t *testing.T, w work, of ...onetime.Item) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error {
		for _, i := range of {
			if err := s.OneTime.Add(ctx, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func find(t *testing.T, w work, i onetime.Item) onetime.Item {
	t.Helper()
	got, err := w.Single().OneTime.Find(t.Context(), i.Kind, i.Hash)
	must(t, err)
	return got
}

func sameItem(t *testing.T, got, want onetime.Item) {
	t.Helper()
	for _, i := range []*onetime.Item{&got, &want} {
		inUTC(&i.CreatedAt, &i.ExpiresAt, &i.UsedAt, &i.VoidedAt)
	}
	same(t, "item", got, want)
}

func oneTimeRoundTrip(t *testing.T, w work) {
	add(t, w, user("u1"))
	bare, over := item(2, ""), item(3, "u1")
	bare.Session, bare.Address = "", email.Address{}
	over.UsedAt, over.VoidedAt = at, at.Add(time.Second)
	nobodys := item(4, "")
	asked := item(5, "u1")
	asked.Kind, asked.Purpose, asked.Demand = onetime.Challenge, session.ForStepUp, session.Demand{
		Bound: session.Bound{Purpose: "Überweisung 42", PayloadHash: "47DEQpj8HBSa-_TImW"}, ACR: []string{"aal2"}, MaxAge: time.Minute,
	}
	for _, want := range []onetime.Item{item(1, "u1"), bare, over, nobodys, asked} {
		addItems(t, w, want)
		sameItem(t, find(t, w, want), want)
	}
}

func oneTimeNotFound(t *testing.T, w work) {
	add(t, w, user("u1"))
	addItems(t, w, item(1, "u1"))
	_, unknown := w.Single().OneTime.Find(t.Context(), onetime.EmailVerification, onetime.Hash{1})
	_, otherKind := w.Single().OneTime.Find(t.Context(), onetime.PasswordReset, item(1, "u1").Hash)
	if !errors.Is(unknown, outbound.ErrNotFound) || !errors.Is(otherKind, outbound.ErrNotFound) {
		t.Errorf("Find = %v, of another kind %v, want ErrNotFound", unknown, otherKind)
	}
}

func useWorksOnce(t *testing.T, w work) {
	add(t, w, user("u1"))
	addItems(t, w, item(1, "u1"), item(2, "u1"))
	for i, want := range []error{nil, outbound.ErrStale} {
		err := w.Single().OneTime.Use(t.Context(), onetime.EmailVerification, item(1, "u1").Hash, at)
		if !errors.Is(err, want) {
			t.Errorf("Use number %d = %v, want %v", i+1, err, want)
		}
	}
	used := item(1, "u1")
	used.UsedAt = at
	sameItem(t, find(t, w, used), used)
	sameItem(t, find(t, w, item(2, "u1")), item(2, "u1"))
}

func useRefuses(t *testing.T, w work) {
	add(t, w, user("u1"))
	for n, tc := range []struct {
		name   string
		change func(*onetime.Item)
		kind   onetime.Kind
	}{
		{"used", func(i *onetime.Item) { i.UsedAt = at }, onetime.EmailVerification},
		{"void", func(i *onetime.Item) { i.VoidedAt = at }, onetime.EmailVerification},
		{"expired", func(i *onetime.Item) { i.ExpiresAt = at }, onetime.EmailVerification},
		{"another kind of", func(*onetime.Item) {}, onetime.PasswordReset},
	} {
		i := item(byte(n), "u1")
		tc.change(&i)
		addItems(t, w, i)
		if err := w.Single().OneTime.Use(t.Context(), tc.kind, i.Hash, at); !errors.Is(err, outbound.ErrStale) {
			t.Errorf("Use of %s item = %v, want ErrStale", tc.name, err)
		}
		sameItem(t, find(t, w, i), i)
	}
	err := w.Single().OneTime.Use(t.Context(), onetime.EmailVerification, onetime.Hash{99}, at)
	if !errors.Is(err, outbound.ErrStale) {
		t.Errorf("Use of unknown item = %v, want ErrStale", err)
	}
}

func useHasOneWinner(t *testing.T, w work) {
	add(t, w, user("u1"))
	addItems(t, w, item(1, "u1"))
	var won, lost atomic.Int32
	race(crowd, func(int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			return s.OneTime.Use(ctx, onetime.EmailVerification, item(1, "u1").Hash, at)
		})
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
		t.Errorf("of %d parallel uses %d were done and %d refused", crowd, won.Load(), lost.Load())
	}
}

func voidKeepsAnAddress(t *testing.T, w work) {
	add(t, w, user("u1"))
	other := item(2, "u1")
	other.Address = address("other@example.com")
	addItems(t, w, item(1, "u1"), other)
	void := func(keep string) {
		within(t, w, func(ctx context.Context, s stores) error {
			return s.OneTime.Void(ctx, "u1", onetime.EmailVerification, keep, at)
		})
	}
	void("ada@example.com")
	sameItem(t, find(t, w, item(1, "u1")), item(1, "u1"))
	other.VoidedAt = at
	sameItem(t, find(t, w, other), other)
	void("")
	none := item(1, "u1")
	none.VoidedAt = at
	sameItem(t, find(t, w, none), none)
}

func voidLeavesOthersAlone(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	reset, used, void, expired := item(2, "u1"), item(3, "u1"), item(4, "u1"), item(5, "u1")
	reset.Kind = onetime.PasswordReset
	used.UsedAt, void.VoidedAt, expired.ExpiresAt = at.Add(-time.Second), at.Add(-time.Second), at
	all := []onetime.Item{item(1, "u2"), item(6, ""), reset, used, void, expired}
	addItems(t, w, all...)
	within(t, w, func(ctx context.Context, s stores) error {
		return errors.Join(
			s.OneTime.Void(ctx, "u1", onetime.EmailVerification, "", at), s.OneTime.Void(ctx, "", onetime.EmailVerification, "", at),
		)
	})
	for _, want := range all {
		sameItem(t, find(t, w, want), want)
	}
}

func voidEveryCounts(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	reset, used, void, expired := item(2, "u1"), item(3, "u1"), item(4, "u1"), item(5, "u1")
	reset.Kind = onetime.PasswordReset
	used.UsedAt, void.VoidedAt, expired.ExpiresAt = at.Add(-time.Second), at.Add(-time.Second), at
	usable, rest := []onetime.Item{item(1, "u2"), reset}, []onetime.Item{used, void, expired}
	addItems(t, w, usable...)
	addItems(t, w, rest...)
	for _, want := range []int{2, 0} {
		if n, err := w.Single().OneTime.VoidEvery(t.Context(), at); err != nil || n != want {
			t.Errorf("VoidEvery = %d, %v, want %d", n, err, want)
		}
	}
	for _, i := range usable {
		if got := find(t, w, i).State(at); got != onetime.Voided {
			t.Errorf("item %d is left in state %d", i.Hash[0], got)
		}
	}
	for _, want := range rest {
		sameItem(t, find(t, w, want), want)
	}
}

func oneTimePurge(t *testing.T, w work) {
	add(t, w, user("u1"))
	for n := range byte(3) {
		i := item(n, "u1")
		i.ExpiresAt = at.Add(-time.Microsecond)
		addItems(t, w, i)
	}
	kept := item(9, "u1")
	kept.ExpiresAt = at
	addItems(t, w, kept)
	purged(t, "OneTime", 2, []int{2, 1, 0}, func(limit int) (int, error) {
		return w.Single().OneTime.Purge(t.Context(), at, limit)
	})
	find(t, w, kept)
}
