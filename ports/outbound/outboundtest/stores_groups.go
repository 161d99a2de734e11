package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

var groupChecks = []storeCheck{
	{"GroupRoundTrip", groupRoundTrip},
	{"GroupNotFound", groupNotFound},
	{"GroupTakenByOneOfMany", groupTakenByOneOfMany},
	{"GroupLosesNoUpdate", groupLosesNoUpdate},
	{"GroupPagesAreThoseOfTheDomain", groupPagesAreThoseOfTheDomain},
	{"MembersRoundTrip", membersRoundTrip},
	{"MembersNeedTheirGroup", membersNeedTheirGroup},
	{"MemberJoinsOnce", memberJoinsOnce},
	{"EmptyTakesEverybodyOut", emptyTakesEverybodyOut},
	{"EmptyTakesManyOut", emptyTakesManyOut},
	{"DeleteNeedsAnEmptyGroup", deleteNeedsAnEmptyGroup},
	{"NobodyIsInADeletedGroup", nobodyIsInADeletedGroup},
	{"GroupsOfOneMemberAreEmptiedAtOnce", groupsOfOneMemberAreEmptiedAtOnce},
}

func staff(key string) group.Group {
	return group.Restore(key, group.Texts{
		"en":    {Name: "Staff", Description: "People who\n<b>work</b> here"},
		"de-AT": {Name: "Belegschaft"},
	})
}

func addGroups(t *testing.T, w work, keys ...string) {
	t.Helper()
	for _, key := range keys {
		must(t, w.Single().Groups.Add(t.Context(), staff(key)))
	}
}

func loadGroup(t *testing.T, w work, key string) group.Group {
	t.Helper()
	g, err := w.Single().Groups.ByKey(t.Context(), key)
	must(t, err)
	return g
}

func groupRoundTrip(t *testing.T, w work) {
	addGroups(t, w, "Staff", "staff") // two of them
	same(t, "group", loadGroup(t, w, "Staff"), staff("Staff"))
	want := group.Restore("staff", group.Texts{"fr": {Name: "Équipe", Description: "x"}})
	within(t, w, func(ctx context.Context, s stores) error { return s.Groups.Save(ctx, want) })
	same(t, "group", loadGroup(t, w, "staff"), want)
	same(t, "the other group", loadGroup(t, w, "Staff"), staff("Staff"))
	must(t, w.Single().Groups.Delete(t.Context(), "staff"))
	addGroups(t, w, "staff")
	same(t, "group that is there again", loadGroup(t, w, "staff"), staff("staff"))
}

func groupNotFound(t *testing.T, w work) {
	addGroups(t, w, "staff")
	within(t, w, func(ctx context.Context, s stores) error {
		_, byKey := s.Groups.ByKey(ctx, "STAFF")
		_, empty := s.Groups.Empty(ctx, "STAFF")
		for name, err := range map[string]error{
			"ByKey": byKey, "Empty": empty, "Hold": s.Groups.Hold(ctx, "STAFF"),
			"Save": s.Groups.Save(ctx, staff("STAFF")), "Delete": s.Groups.Delete(ctx, "STAFF"),
		} {
			if !errors.Is(err, outbound.ErrNotFound) {
				t.Errorf("%s = %v, want ErrNotFound", name, err)
			}
		}
		return nil
	})
}

func groupTakenByOneOfMany(t *testing.T, w work) {
	var added, taken atomic.Int32
	race(crowd, func(int) {
		switch err := w.Single().Groups.Add(t.Context(), staff("staff")); {
		case err == nil:
			added.Add(1)
		case errors.Is(err, outbound.ErrTaken):
			taken.Add(1)
		default:
			t.Errorf("Add = %v, want nil or ErrTaken", err)
		}
	})
	if added.Load() != 1 || taken.Load() != crowd-1 {
		t.Errorf("of %d parallel Adds of one key %d were done and %d refused", crowd, added.Load(), taken.Load())
	}
}

func groupLosesNoUpdate(t *testing.T, w work) {
	addGroups(t, w, "staff")
	locales := []string{"es", "fr", "it", "ja", "nl", "pl", "pt", "tr"}
	race(len(locales), func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			g, err := s.Groups.ByKey(ctx, "staff")
			if err != nil {
				return err
			}
			g, err = g.Rewrite(nil, group.Texts{locales[i]: {Name: locales[i]}}, "en")
			if err != nil {
				return err
			}
			return s.Groups.Save(ctx, g)
		})
		if err != nil {
			t.Errorf("Within = %v", err)
		}
	})
	if got := len(loadGroup(t, w, "staff").Texts()); got != len(locales)+2 {
		t.Errorf("after %d texts were added in parallel to 2 there are %d", len(locales), got)
	}
}

// Whatever is wanted, in any order: a store lists what the domain delivers.
func groupPagesAreThoseOfTheDomain(t *testing.T, w work) {
	const service = "en"
	r := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	locales := []string{"en", "en-GB", "de", "de-AT", "de-CH", "fr", "zh-Hant", "zh"}
	var all []group.Group
	for i := range 40 {
		texts := group.Texts{}
		for range 1 + r.IntN(4) {
			texts[one(locales...)] = group.Text{Name: one("a", "B", "ä", "Z", "z", "é", "😀", ""), Description: one("", "x", "Y", "x y", "\U0001F600")}
		}
		g := group.Restore(one("a", "A", "b", "_", "-")+fmt.Sprint(i), texts)
		all = append(all, g)
		must(t, w.Single().Groups.Add(t.Context(), g))
	}
	for range 60 {
		wanted := one(append(locales, "de-DE", "sv", "z")...)
		ask := page.Request{Number: r.IntN(5), Size: 1 + r.IntN(15)}
		for range r.IntN(4) {
			ask.Sort = append(ask.Sort, page.Sort{By: one("key", "name", "description"), Descending: r.IntN(2) == 0})
		}
		view(t, w, func(ctx context.Context, s stores) error {
			got, err := s.Groups.Page(ctx, wanted, service, ask)
			want := part(all, wanted, service, ask)
			if !slices.Equal(got.Content, want) || got.Total != len(all) || got.Request.Size != ask.Size || got.Request.Number != ask.Number {
				t.Errorf("Page(%s, %+v):\n got %+v\nwant %+v", wanted, ask, got, want)
			}
			return err
		})
	}
}

func part(all []group.Group, wanted, service string, r page.Request) []group.Delivered {
	var list []group.Delivered
	for _, g := range all {
		list = append(list, g.In(wanted, service))
	}
	slices.SortFunc(list, func(a, b group.Delivered) int {
		for _, s := range append(slices.Clone(r.Sort), page.Sort{By: "key"}) {
			value := func(d group.Delivered) string {
				return map[string]string{"key": d.Key, "name": d.Name, "description": d.Description}[s.By]
			}
			order := strings.Compare(value(a), value(b))
			if s.Descending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	from := min(r.Offset(), len(list))
	return list[from:min(from+r.Size, len(list))]
}

func member(id string, groups ...string) principal.Snapshot {
	p := user(id)
	p.Groups = groups
	return p
}

func groupsOf(t *testing.T, w work, id principal.ID) string {
	t.Helper()
	return strings.Join(load(t, w, id).Groups, " ")
}

func membersRoundTrip(t *testing.T, w work) {
	addGroups(t, w, "a", "b", "c.d_e-F")
	add(t, w, member("u1", "b", "c.d_e-F"), member("u2", "b"), member("u3"))
	for _, change := range [][]string{{"a", "b", "c.d_e-F"}, {"a"}, {"b"}, nil, {"c.d_e-F"}} {
		next := load(t, w, "u1")
		next.Groups = change
		within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Save(ctx, restore(next)) })
		next.Version++
		samePrincipal(t, load(t, w, "u1"), next)
	}
	p, err := w.Single().Principals.ByEmail(t.Context(), user("u2").Email.Normal())
	must(t, err)
	samePrincipal(t, p.Snapshot(), member("u2", "b"))
	for key, want := range map[string]int{"a": 0, "b": 1, "c.d_e-F": 1} {
		n, err := w.Single().Groups.Empty(t.Context(), key)
		if n != want || err != nil {
			t.Errorf("Empty(%s) = %d, %v, want %d", key, n, err, want)
		}
	}
}

func membersNeedTheirGroup(t *testing.T, w work) {
	addGroups(t, w, "a")
	add(t, w, member("u1", "a"))
	joined := load(t, w, "u1")
	joined.Groups = []string{"a", "b"}
	for name, call := range map[string]func(context.Context, stores) error{
		"Add":  func(ctx context.Context, s stores) error { return s.Principals.Add(ctx, restore(member("u2", "b"))) },
		"Save": func(ctx context.Context, s stores) error { return s.Principals.Save(ctx, restore(joined)) },
	} {
		if err := w.Within(t.Context(), call); fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("%s of a member of no group = %v, want DATABASE_FAILURE", name, err)
		}
	}
	if got := groupsOf(t, w, "u1"); got != "a" {
		t.Errorf("groups %q, want those before", got)
	}
}

// join is how somebody joins a group.
func join(ctx context.Context, s stores, key string, id principal.ID) (changed bool, err error) {
	if err := s.Groups.Hold(ctx, key); err != nil {
		return false, err
	}
	p, err := s.Principals.ByID(ctx, id)
	if err != nil || !p.Join(key) {
		return false, err
	}
	return true, s.Principals.Save(ctx, p)
}

func memberJoinsOnce(t *testing.T, w work) {
	addGroups(t, w, "a", "b")
	add(t, w, member("u1"))
	var joined atomic.Int32
	race(crowd/5, func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			changed, err := join(ctx, s, []string{"a", "b"}[i%2], "u1")
			if changed {
				joined.Add(1)
			}
			return err
		})
		if err != nil {
			t.Errorf("Within = %v", err)
		}
	})
	p := load(t, w, "u1")
	if joined.Load() != 2 || p.TokenGen != user("u1").TokenGen+2 || groupsOf(t, w, "u1") != "a b" {
		t.Errorf("of two groups %d were joined: %q, generation %d", joined.Load(), p.Groups, p.TokenGen)
	}
}

func emptyTakesEverybodyOut(t *testing.T, w work) {
	addGroups(t, w, "a", "aa", "a.a")
	add(t, w, member("u1", "a"), member("u2", "a", "a.a", "aa"), member("u3", "a.a", "aa"), member("u4"), guest("g1"))
	within(t, w, func(ctx context.Context, s stores) error {
		n, err := s.Groups.Empty(ctx, "a")
		if n != 2 {
			t.Errorf("Empty = %d, want 2", n)
		}
		return err
	})
	for id, want := range map[string]struct {
		groups  []string
		touched int
	}{"u1": {nil, 1}, "u2": {[]string{"a.a", "aa"}, 1}, "u3": {[]string{"a.a", "aa"}, 0}, "u4": {nil, 0}} {
		p := member(id, want.groups...)
		p.TokenGen, p.Version = p.TokenGen+want.touched, p.Version+want.touched
		got := load(t, w, p.ID)
		if len(got.Groups) == 0 {
			got.Groups = nil
		}
		samePrincipal(t, got, p)
	}
}

func emptyTakesManyOut(t *testing.T, w work) {
	const n = 450
	addGroups(t, w, "a")
	within(t, w, func(ctx context.Context, s stores) error {
		for i := range n {
			p := member(fmt.Sprint("u", i), "a")
			p.Identities = nil
			if err := s.Principals.Add(ctx, restore(p)); err != nil {
				return err
			}
		}
		return nil
	})
	emptied, err := w.Single().Groups.Empty(t.Context(), "a")
	if emptied != n || err != nil {
		t.Fatalf("Empty = %d, %v, want %d", emptied, err, n)
	}
	all, err := w.Single().Principals.Users(t.Context(), "", n)
	must(t, err)
	for _, p := range all {
		if len(p.Groups()) > 0 || p.TokenGen() != user("x").TokenGen+1 {
			t.Fatalf("%s is in %v, generation %d", p.ID(), p.Groups(), p.TokenGen())
		}
	}
}

func deleteNeedsAnEmptyGroup(t *testing.T, w work) {
	addGroups(t, w, "a")
	add(t, w, member("u1", "a"))
	err := w.Single().Groups.Delete(t.Context(), "a")
	if fault.CodeOf(err) != fault.DatabaseFailure {
		t.Errorf("Delete of a group with a member = %v, want DATABASE_FAILURE", err)
	}
	same(t, "group", loadGroup(t, w, "a"), staff("a"))
}

// Half of them join while the others delete: whoever comes too late finds no
// group, and nobody stays in one that is gone.
func nobodyIsInADeletedGroup(t *testing.T, w work) {
	const n = 8
	for round := range 3 {
		key := fmt.Sprint("g", round)
		addGroups(t, w, key)
		for i := range n {
			add(t, w, member(fmt.Sprint(key, "-u", i)))
		}
		race(2*n, func(i int) {
			err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
				if i < n {
					_, err := join(ctx, s, key, principal.ID(fmt.Sprint(key, "-u", i)))
					return err
				}
				if _, err := s.Groups.Empty(ctx, key); err != nil {
					return err
				}
				return s.Groups.Delete(ctx, key)
			})
			if err != nil && !errors.Is(err, outbound.ErrNotFound) {
				t.Errorf("Within = %v", err)
			}
		})
		for i := range n {
			if got := groupsOf(t, w, principal.ID(fmt.Sprint(key, "-u", i))); got != "" {
				t.Errorf("somebody is in %q, which is gone", got)
			}
		}
		if _, err := w.Single().Groups.ByKey(t.Context(), key); !errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("ByKey of a deleted group = %v, want ErrNotFound", err)
		}
	}
}

// Everybody is in every group, and all groups are emptied at once, while the
// members change: nobody waits for another in a ring.
func groupsOfOneMemberAreEmptiedAtOnce(t *testing.T, w work) {
	const n = 6
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprint("g", i))
	}
	addGroups(t, w, keys...)
	for i := range n {
		add(t, w, member(fmt.Sprint("u", i), keys...))
	}
	race(2*n, func(i int) {
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			if i < n {
				_, err := s.Groups.Empty(ctx, keys[i])
				return err
			}
			p, err := s.Principals.ByID(ctx, principal.ID(fmt.Sprint("u", i-n)))
			if err != nil {
				return err
			}
			p.Rename("Renamed")
			return s.Principals.Save(ctx, p)
		})
		if err != nil {
			t.Errorf("Within = %v", err)
		}
	})
	for i := range n {
		p := load(t, w, principal.ID(fmt.Sprint("u", i)))
		if len(p.Groups) > 0 || p.Name != "Renamed" || p.TokenGen != user("x").TokenGen+n {
			t.Errorf("after all groups were emptied: %q in %v, generation %d", p.Name, p.Groups, p.TokenGen)
		}
	}
}
