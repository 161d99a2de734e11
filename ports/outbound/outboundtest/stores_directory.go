package outboundtest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
)

var directoryChecks = []storeCheck{
	{"PageOfUsersThatMatch", pageOfUsersThatMatch},
	{"PageOfUsersByWhatIsStored", pageOfUsersByWhatIsStored},
	{"PageOfNobody", pageOfNobody},
}

// namesakes have names that some confuse: by case, by how they are composed, by
// what means something in patterns, and by where their characters are.
var namesakes = []string{
	"Ada", "ADA", "adam", "Ådá", norm.NFD.String("åDÁ b"), "Straße", "STRAẞE 2", "strasse", "a%", "a_b", `a\`, "A'; --", "𝔸da",
	"\U0010ffff", "\U0010ffff2", "a\U0010ffff", "\ud7ff", "\ue000", "ΣΊΣΥΦΟΣ", "ada@example.com",
}

// people is a crowd of users who differ in whatever one can look for, with
// guests among them.
func people(r *rand.Rand) (all []principal.Snapshot) {
	for i := range 80 {
		if i%9 == 8 {
			all = append(all, guest(fmt.Sprintf("g%02d", i)))
			continue
		}
		p := user(fmt.Sprintf("u%02d", i))
		p.Name = norm.NFC.String(namesakes[i%len(namesakes)])
		p.Admin, p.Disabled = i%5 == 0, i%7 == 0
		p.CreatedAt, p.LastActive = soon(r), soon(r)
		switch i % 4 {
		case 0:
			p.Hash = guest("").Hash
		case 1:
			p.Identities = nil
		case 2:
			p.Identities = p.Identities[:1]
		}
		for _, key := range []string{"board", "staff"} {
			if r.IntN(3) == 0 {
				p.Groups = append(p.Groups, key)
			}
		}
		all = append(all, p)
	}
	return all
}

// soon is within three days, at times that many share.
func soon(r *rand.Rand) time.Time {
	return at.Add(time.Duration(r.IntN(9)) * 8 * time.Hour).Add(time.Duration(r.IntN(2)) * time.Microsecond)
}

func populate(t *testing.T, w work, all []principal.Snapshot) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error {
		for _, key := range []string{"board", "staff", "empty"} {
			must(t, s.Groups.Add(ctx, group.Restore(key, group.Texts{"en": {Name: key}})))
		}
		return nil
	})
	add(t, w, all...)
}

// random is a filter that asks for up to four things.
func random(r *rand.Rand) (f principal.Filter) {
	some := func(of ...string) (out []string) {
		for range 1 + r.IntN(3) {
			out = append(out, of[r.IntN(len(of))])
		}
		return out
	}
	instant := func() *time.Time { return new(soon(r)) }
	for range r.IntN(5) {
		switch r.IntN(9) {
		case 0:
			name := []rune(norm.NFC.String(namesakes[r.IntN(len(namesakes))]))
			f.Query = string(name[:1+r.IntN(len(name))])
		case 1:
			f.Query = some("ada.u04@EXAMPLE.com", "ada@example.com", "x\x00", "x\xff", "nobody@example.com")[0]
		case 2:
			f.Email = some("ada.U04@example.com", " ADA.u06@example.com", "ada", "x\x00@example.com")[0]
		case 3:
			f.Roles = nil
			for _, role := range some("USER", "ADMIN", "ADMIN", "GUEST") {
				f.Roles = append(f.Roles, principal.Role(role))
			}
		case 4:
			f.Groups = some("board", "staff", "empty", "unknown", "x\x00", "")
		case 5:
			f.Identities = some("password", "google", "github", "unknown", "x\xff", "")
		case 6:
			f.CreatedAfter, f.CreatedBefore = instant(), nil
		case 7:
			f.CreatedBefore, f.ActiveBefore = instant(), instant()
		case 8:
			f.ActiveAfter = instant()
		}
	}
	return f
}

// Every store means by a filter what the domain means by it.
func pageOfUsersThatMatch(t *testing.T, w work) {
	r := rand.New(rand.NewPCG(1, 2))
	all := people(r)
	populate(t, w, all)
	for range 400 {
		f, ask := random(r), page.Request{Number: r.IntN(5), Size: 1 + r.IntN(30)}
		for range r.IntN(4) {
			ask.Sort = append(ask.Sort, page.Sort{By: []string{"createdAt", "lastActive", "id"}[r.IntN(3)], Descending: r.IntN(2) == 0})
		}
		view(t, w, func(ctx context.Context, s stores) error {
			got, err := s.Principals.Page(ctx, f, ask)
			if err != nil {
				t.Fatalf("%+v: %v", f, err)
			}
			want := matching(all, f, ask.Sort)
			same(t, fmt.Sprintf("%+v, %+v", f, ask), ids(got), fmt.Sprint(len(want), " ", want[min(ask.Offset(), len(want)):min(ask.Offset()+ask.Size, len(want))]))
			return nil
		})
	}
}

func ids(p page.Page[*principal.Principal]) string {
	list := []principal.ID{}
	for _, one := range p.Content {
		list = append(list, one.ID())
	}
	return fmt.Sprint(p.Total, " ", list)
}

// matching lists who is to be found, in order.
func matching(all []principal.Snapshot, f principal.Filter, by []page.Sort) (out []principal.ID) {
	var found []principal.Snapshot
	for _, p := range all {
		if f.Matches(restore(p)) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b principal.Snapshot) int {
		for _, s := range append(slices.Clone(by), page.Sort{By: "id"}) {
			order := map[string]int{
				"createdAt": a.CreatedAt.Compare(b.CreatedAt), "lastActive": a.LastActive.Compare(b.LastActive), "id": cmp.Compare(a.ID, b.ID),
			}[s.By]
			if s.Descending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	for _, p := range found {
		out = append(out, p.ID)
	}
	return out
}

// Whoever changes is found by what they are now, and read whole.
func pageOfUsersByWhatIsStored(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	within(t, w, func(ctx context.Context, s stores) error {
		p, err := s.Principals.ByID(ctx, "u1")
		if err != nil {
			return err
		}
		p.Rename("Zoë")
		p.MarkActive(at.Add(48 * time.Hour))
		return s.Principals.Save(ctx, p)
	})
	for q, want := range map[string]string{"ZO": "1 [u1]", "ådá u1": "0 []", "ådá": "1 [u2]"} {
		got, err := w.Single().Principals.Page(t.Context(), principal.Filter{Query: q}, page.Request{Size: 9})
		must(t, err)
		if ids(got) != want {
			t.Errorf("%q finds %s, want %s", q, ids(got), want)
		}
	}
	got, err := w.Single().Principals.Page(t.Context(), principal.Filter{ActiveAfter: new(at.Add(48 * time.Hour))}, page.Request{Size: 9})
	must(t, err)
	if ids(got) != "1 [u1]" {
		t.Fatalf("%s were active then, want u1", ids(got))
	}
	samePrincipal(t, got.Content[0].Snapshot(), load(t, w, "u1"))
}

func pageOfNobody(t *testing.T, w work) {
	add(t, w, guest("g1"))
	for _, number := range []int{0, 1_000_000} {
		got, err := w.Single().Principals.Page(t.Context(), principal.Filter{}, page.Request{Number: number, Size: page.Largest})
		if err != nil || ids(got) != "0 []" || got.Request.Number != number {
			t.Errorf("page %d = %+v, %v", number, got, err)
		}
	}
}
