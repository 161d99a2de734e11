package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/email"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

var principalChecks = []storeCheck{
	{"PrincipalRoundTrip", principalRoundTrip},
	{"PrincipalNotFound", principalNotFound},
	{"PrincipalByAnySpelling", principalByAnySpelling},
	{"PrincipalTaken", principalTaken},
	{"PrincipalTakenByOneOfMany", principalTakenByOneOfMany},
	{"SaveWritesEveryField", saveWritesEveryField},
	{"SaveStale", saveStale},
	{"SaveTaken", saveTaken},
	{"SaveFreesTheOldAddress", saveFreesTheOldAddress},
	{"SaveLeavesItsArgumentAlone", saveLeavesItsArgumentAlone},
	{"PrincipalsAreCopies", principalsAreCopies},
	{"WhoWaitsReadsTheWholePrincipal", whoWaitsReadsTheWholePrincipal},
	{"UsersAreOrderedAndLimited", usersAreOrderedAndLimited},
	{"EnabledAdmins", enabledAdmins},
	{"OneAdminRemains", oneAdminRemains},
}

func principalRoundTrip(t *testing.T, w work) {
	noPassword := user("u2")
	noPassword.Hash, noPassword.EmailVerified, noPassword.Disabled, noPassword.Admin = guest("").Hash, false, true, true
	onlyPassword := user("u3")
	onlyPassword.Identities = nil
	for _, want := range []principal.Snapshot{user("u1"), noPassword, onlyPassword, guest("g1")} {
		add(t, w, want)
		samePrincipal(t, load(t, w, want.ID), want)
		if want.Kind == principal.Guest {
			continue
		}
		p, err := w.Single().Principals.ByEmail(t.Context(), want.Email.Normal())
		must(t, err)
		samePrincipal(t, p.Snapshot(), want)
	}
}

func principalNotFound(t *testing.T, w work) {
	add(t, w, guest("g1"), user("u1"))
	within(t, w, func(ctx context.Context, s stores) error {
		_, byID := s.Principals.ByID(ctx, "nobody")
		_, byEmail := s.Principals.ByEmail(ctx, "nobody@example.com")
		_, byNone := s.Principals.ByEmail(ctx, "") // guests have no address
		for name, err := range map[string]error{"ByID": byID, "ByEmail": byEmail, "ByEmail of none": byNone} {
			if !errors.Is(err, outbound.ErrNotFound) {
				t.Errorf("%s = %v, want ErrNotFound", name, err)
			}
		}
		return nil
	})
}

// spellings are of one address.
var spellings = []string{
	"Zoë@Example.com", "zoë@example.com", "ZOË@EXAMPLE.COM",
	norm.NFD.String("zoë@example.com"), norm.NFD.String("ZOË@example.com"),
}

func principalByAnySpelling(t *testing.T, w work) {
	zoe := user("u1")
	zoe.Email = address(spellings[0])
	add(t, w, zoe)
	for _, s := range spellings {
		p, err := w.Single().Principals.ByEmail(t.Context(), email.Normal(s))
		if err != nil || p.Email().Typed() != spellings[0] {
			t.Errorf("ByEmail(%+q) = %v, want the principal with the address as it was typed", s, err)
		}
	}
}

func principalTaken(t *testing.T, w work) {
	zoe := user("u1")
	zoe.Email = address(spellings[0])
	add(t, w, zoe, guest("g1"), guest("g2")) // any number of guests has no address
	sameID := user("u1")
	taken := []principal.Snapshot{sameID, guest("g1")}
	for _, s := range spellings {
		twin := user("u2")
		twin.Email = address(s)
		taken = append(taken, twin)
	}
	for _, p := range taken {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			return s.Principals.Add(ctx, restore(p))
		})
		if !errors.Is(err, outbound.ErrTaken) {
			t.Errorf("Add(%s, %+q) = %v, want ErrTaken", p.ID, p.Email.Typed(), err)
		}
	}
}

func principalTakenByOneOfMany(t *testing.T, w work) {
	var added, taken atomic.Int32
	race(crowd, func(i int) {
		p := user(fmt.Sprint("u", i))
		p.Email = address(spellings[i%len(spellings)])
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			return s.Principals.Add(ctx, restore(p))
		})
		switch {
		case err == nil:
			added.Add(1)
		case errors.Is(err, outbound.ErrTaken):
			taken.Add(1)
		default:
			t.Errorf("Add = %v, want nil or ErrTaken", err)
		}
	})
	if added.Load() != 1 || taken.Load() != crowd-1 {
		t.Errorf("of %d parallel Adds of one address %d were done and %d refused", crowd, added.Load(), taken.Load())
	}
}

// Zero values count: a store that skips them, as some mappers do, never takes
// a role away.
func saveWritesEveryField(t *testing.T, w work) {
	full := user("u1")
	full.Admin, full.Disabled = true, true
	add(t, w, full)
	bare := principal.Snapshot{
		ID: "u1", Kind: principal.User, Name: "B", Email: address("b@example.org"), CreatedAt: at, LastActive: at,
		Identities: []principal.Identity{{Provider: "google", Subject: "other"}}, Version: full.Version,
	}
	for _, want := range []principal.Snapshot{bare, full} {
		want.Version = load(t, w, "u1").Version
		within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Save(ctx, restore(want)) })
		want.Version++
		samePrincipal(t, load(t, w, "u1"), want)
	}
}

func saveStale(t *testing.T, w work) {
	add(t, w, user("u1"))
	older, newer, gone := user("u1"), user("u1"), user("u2")
	older.Version--
	newer.Version++
	for _, p := range []principal.Snapshot{older, newer, gone} {
		p.Name = "Changed"
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			return s.Principals.Save(ctx, restore(p))
		})
		if !errors.Is(err, outbound.ErrStale) {
			t.Errorf("Save(%s, version %d) = %v, want ErrStale", p.ID, p.Version, err)
		}
	}
	samePrincipal(t, load(t, w, "u1"), user("u1"))
}

func saveTaken(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	thief := user("u2")
	thief.Email = address("ADA.U1@example.com")
	err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
		return s.Principals.Save(ctx, restore(thief))
	})
	if !errors.Is(err, outbound.ErrTaken) {
		t.Errorf("Save with another's address = %v, want ErrTaken", err)
	}
	samePrincipal(t, load(t, w, "u2"), user("u2"))
}

func saveFreesTheOldAddress(t *testing.T, w work) {
	add(t, w, user("u1"))
	moved := user("u1")
	moved.Email = address("new@example.com")
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Save(ctx, restore(moved)) })
	if _, err := w.Single().Principals.ByEmail(t.Context(), user("u1").Email.Normal()); !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("ByEmail of the old address = %v, want ErrNotFound", err)
	}
	heir := user("u2")
	heir.Email = user("u1").Email
	add(t, w, heir)
	p, err := w.Single().Principals.ByEmail(t.Context(), "new@example.com")
	if err != nil || p.ID() != "u1" {
		t.Errorf("ByEmail of the new address = %v", err)
	}
}

// A transaction may run twice, with the same principal.
func saveLeavesItsArgumentAlone(t *testing.T, w work) {
	add(t, w, user("u1"))
	p := restore(user("u1"))
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Save(ctx, p) })
	samePrincipal(t, p.Snapshot(), user("u1"))
}

func principalsAreCopies(t *testing.T, w work) {
	mine := restore(user("u1"))
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Add(ctx, mine) })
	mine.Rename("Changed")
	p, err := w.Single().Principals.ByID(t.Context(), "u1")
	must(t, err)
	p.Rename("Changed")
	samePrincipal(t, load(t, w, "u1"), user("u1"))
}

// Everybody adds an identity to those there are. One that was read before its
// turn came would undo what others did meanwhile.
func whoWaitsReadsTheWholePrincipal(t *testing.T, w work) {
	const n = 8
	bare := user("u1")
	bare.Identities = nil
	add(t, w, bare)
	race(n, func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			p, err := s.Principals.ByID(ctx, "u1")
			if err != nil {
				return err
			}
			next := p.Snapshot()
			next.Identities = append(next.Identities, principal.Identity{Provider: "p", Subject: fmt.Sprint(i)})
			return s.Principals.Save(ctx, restore(next))
		})
		if err != nil {
			t.Errorf("Within = %v", err)
		}
	})
	if got := len(load(t, w, "u1").Identities); got != n {
		t.Errorf("of %d identities added in parallel %d are there", n, got)
	}
}

// Ids are compared byte by byte, whatever the database's language.
func usersAreOrderedAndLimited(t *testing.T, w work) {
	add(t, w, user("b"), guest("bb"), user("C"), user("a-"), user("a1"))
	for _, tc := range []struct {
		after principal.ID
		limit int
		want  string
	}{
		{"", 9, "C a- a1 b "}, {"", 2, "C a- "}, {"a-", 2, "a1 b "}, {"a0", 1, "a1 "}, {"b", 9, ""}, {"", 0, ""},
	} {
		list, err := w.Single().Principals.Users(t.Context(), tc.after, tc.limit)
		must(t, err)
		got := ""
		for _, p := range list {
			got += string(p.ID()) + " "
		}
		if got != tc.want {
			t.Errorf("Users(%q, %d) = %q, want %q", tc.after, tc.limit, got, tc.want)
		}
	}
	list, err := w.Single().Principals.Users(t.Context(), "b", 9)
	if len(list) != 0 || err != nil {
		t.Errorf("Users after the last = %v, %v", list, err)
	}
	list, err = w.Single().Principals.Users(t.Context(), "a1", 1)
	must(t, err)
	samePrincipal(t, list[0].Snapshot(), user("b"))
}

func admin(id string) principal.Snapshot {
	p := user(id)
	p.Admin = true
	return p
}

func enabledAdmins(t *testing.T, w work) {
	disabled := admin("c")
	disabled.Disabled = true
	add(t, w, admin("b"), user("d"), disabled, admin("a"), guest("e"))
	within(t, w, func(ctx context.Context, s stores) error {
		got, err := s.Principals.EnabledAdmins(ctx)
		same(t, "EnabledAdmins", got, []principal.ID{"a", "b"})
		return err
	})
}

// Everybody steps down at once, unless nobody else is left.
func oneAdminRemains(t *testing.T, w work) {
	const n = 8
	for i := range n {
		add(t, w, admin(string(rune('a'+i))))
	}
	race(n, func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			admins, err := s.Principals.EnabledAdmins(ctx)
			if err != nil || len(admins) < 2 {
				return err
			}
			p, err := s.Principals.ByID(ctx, principal.ID(rune('a'+i)))
			if err != nil {
				return err
			}
			p.SetAdmin(false)
			return s.Principals.Save(ctx, p)
		})
		if err != nil {
			t.Errorf("Within = %v", err)
		}
	})
	left, err := w.Single().Principals.EnabledAdmins(t.Context())
	if err != nil || len(left) != 1 {
		t.Errorf("after all stepped down there are %v left, %v", left, err)
	}
}
