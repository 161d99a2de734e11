package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
)

var trailChecks = []storeCheck{
	{"TrailKeepsEntriesInOrder", trailKeepsEntriesInOrder},
	{"TrailKeepsAnEntryOnce", trailKeepsAnEntryOnce},
	{"TrailKeepsNothingOfWhatIsUndone", trailKeepsNothingOfWhatIsUndone},
	{"TrailIsOneChainForMany", trailIsOneChainForMany},
	{"TrailPageOfEntriesThatMatch", trailPageOfEntriesThatMatch},
	{"TrailOfAPrincipal", trailOfAPrincipal},
	{"TrailCheckNoticesAnotherPast", trailCheckNoticesAnotherPast},
	{"TrailPurgeLeavesAChain", trailPurgeLeavesAChain},
	{"TrailPurgeWhileOthersAppend", trailPurgeWhileOthersAppend},
	{"TrailForgetsTheNetworkOfTheErased", trailForgetsTheNetworkOfTheErased},
}

// event is an entry with nothing left out.
func event(id string) audit.Entry {
	return audit.Entry{
		ID: id, At: at, Command: "GrantAdmin", Principal: "u1", Session: "s1",
		Target: audit.Target{Principal: "u2", Thing: "staff"}, Outcome: fault.UserNotFound,
		Origin: audit.Origin{Network: "203.0.113.0/24", Request: "r-" + id},
	}
}

func record(t *testing.T, w work, entries ...audit.Entry) audit.Head {
	t.Helper()
	head, err := w.Single().Trail.Append(t.Context(), entries...)
	must(t, err)
	return head
}

// whole is one page with everything, oldest first.
var whole = page.Request{Size: page.Largest, Sort: []page.Sort{{By: "at"}}}

func entriesOf(t *testing.T, w work, f audit.Filter, r page.Request) (p page.Page[audit.Entry]) {
	t.Helper()
	view(t, w, func(ctx context.Context, s stores) (err error) {
		p, err = s.Trail.Page(ctx, f, r)
		return err
	})
	return p
}

func idsIn(all []audit.Entry) (ids []string) {
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

// holds checks the whole chain in steps, and returns how long it is.
func holds(t *testing.T, w work) int {
	t.Helper()
	trail := w.Single().Trail
	ends, err := trail.Ends(t.Context())
	must(t, err)
	good, seen := ends.Anchor, 0
	for {
		c, err := trail.Check(t.Context(), good, 7)
		must(t, err)
		if c.Broken {
			t.Fatalf("the chain is broken after %s", c.Good)
		}
		good, seen = c.Good, seen+c.Seen
		if c.Seen < 7 {
			break
		}
	}
	if good != ends.Head {
		t.Errorf("the chain ends with %s, and should with %s", good, ends.Head)
	}
	return seen
}

func trailKeepsEntriesInOrder(t *testing.T, w work) {
	if ends, err := w.Single().Trail.Ends(t.Context()); err != nil || ends != (audit.Ends{}) || holds(t, w) != 0 {
		t.Errorf("Ends before the first entry = %v, %v", ends, err)
	}
	add(t, w, user("u1"))
	bare := audit.Entry{ID: "e2", At: at.Add(-time.Hour), Command: "SignIn"}
	first := record(t, w, event("e1"), bare)
	if empty := record(t, w); empty != first {
		t.Errorf("Append of nothing = %v, want %v", empty, first)
	}
	head := record(t, w, event("e3"))
	if first.Position != 2 || head.Position != 3 || head.Hash == first.Hash {
		t.Errorf("Append = %v and %v", first, head)
	}
	if ends, err := w.Single().Trail.Ends(t.Context()); err != nil || ends != (audit.Ends{Head: head}) {
		t.Errorf("Ends = %v, %v", ends, err)
	}
	got, err := w.Single().Trail.Page(t.Context(), audit.Filter{}, page.Request{Size: 9})
	must(t, err)
	want := []audit.Entry{bare, event("e1"), event("e3")}
	for i, position := range []int{2, 1, 3} {
		want[i].Position = position
		inUTC(&want[i].At)
	}
	for i := range got.Content {
		inUTC(&got.Content[i].At)
	}
	same(t, "entries", got.Content, want)
	if holds(t, w) != 3 {
		t.Error("not three entries hold")
	}
}

func trailKeepsAnEntryOnce(t *testing.T, w work) {
	record(t, w, event("e1"), event("e2"))
	head := record(t, w, event("e2"), event("e3"), event("e3"), event("e1"))
	if got := idsIn(entriesOf(t, w, audit.Filter{}, whole).Content); head.Position != 3 || !slices.Equal(got, []string{"e1", "e2", "e3"}) {
		t.Errorf("kept are %v, until %d", got, head.Position)
	}
	if again := record(t, w, event("e1")); again != head {
		t.Errorf("Append of what is there = %v, want %v", again, head)
	}
}

func trailKeepsNothingOfWhatIsUndone(t *testing.T, w work) {
	head := record(t, w, event("e1"))
	undone := errors.New("undone")
	err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
		_, err := s.Trail.Append(ctx, event("e2"))
		return errors.Join(err, undone)
	})
	if !errors.Is(err, undone) {
		t.Fatalf("Within = %v", err)
	}
	if next := record(t, w, event("e3")); next.Position != head.Position+1 || holds(t, w) != 2 {
		t.Errorf("the next entry is %d", next.Position)
	}
}

func trailIsOneChainForMany(t *testing.T, w work) {
	race(crowd, func(i int) {
		pair := []audit.Entry{event(fmt.Sprint("e", i, "a")), event(fmt.Sprint("e", i, "b"))}
		if _, err := w.Single().Trail.Append(t.Context(), pair...); err != nil {
			t.Errorf("Append = %v", err)
		}
	})
	if n := holds(t, w); n != 2*crowd {
		t.Errorf("%d entries hold, want %d", n, 2*crowd)
	}
	all := idsIn(entriesOf(t, w, audit.Filter{}, whole).Content)
	for i := 0; i+1 < len(all); i += 2 {
		if a, b := all[i], all[i+1]; a[:len(a)-1] != b[:len(b)-1] || a >= b {
			t.Errorf("%s is followed by %s", a, b)
		}
	}
}

// moments are few, so that entries share some.
func moments(r *rand.Rand) time.Time { return at.Add(time.Duration(r.IntN(12)) * time.Second) }

// Every store means by a filter what the domain means by it.
func trailPageOfEntriesThatMatch(t *testing.T, w work) {
	r := rand.New(rand.NewPCG(3, 4))
	people, commands, outcomes := []principal.ID{"", "u1", "u2", "u3"}, []string{"SignIn", "GrantAdmin"}, []fault.Code{"", fault.RoleRequired}
	var all []audit.Entry
	for i := range 90 {
		e := event(fmt.Sprintf("e%02d", i))
		e.At, e.Command, e.Outcome = moments(r), commands[r.IntN(2)], outcomes[r.IntN(2)]
		e.Principal, e.Target.Principal = people[r.IntN(4)], people[r.IntN(4)]
		all = append(all, e)
	}
	record(t, w, all...)
	slices.SortStableFunc(all, func(a, b audit.Entry) int { return a.At.Compare(b.At) })
	for range 300 {
		var f audit.Filter
		if r.IntN(2) == 0 {
			f.Principal = []principal.ID{"u1", "u2", "u3", "u9", "x\x00"}[r.IntN(5)]
		}
		if r.IntN(3) == 0 {
			f.Command = append(commands, "x\xff")[r.IntN(3)]
		}
		if r.IntN(3) == 0 {
			f.Outcome = &outcomes[r.IntN(2)]
		}
		if r.IntN(3) == 0 {
			f.From = new(moments(r))
		}
		if r.IntN(3) == 0 {
			f.To = new(moments(r))
		}
		ask := page.Request{Number: r.IntN(4), Size: 1 + r.IntN(30), Sort: []page.Sort{{By: "at", Descending: r.IntN(3) > 0}}}
		var want []string
		for _, e := range all {
			if f.Matches(e) {
				want = append(want, e.ID)
			}
		}
		if ask.Sort[0].Descending {
			slices.Reverse(want)
		}
		got := entriesOf(t, w, f, ask)
		from := min(ask.Offset(), len(want))
		if part := want[from:min(from+ask.Size, len(want))]; got.Total != len(want) || !slices.Equal(idsIn(got.Content), part) {
			t.Errorf("%+v, %+v:\n got %d %v\nwant %d %v", f, ask, got.Total, idsIn(got.Content), len(want), part)
		}
	}
}

func trailOfAPrincipal(t *testing.T, w work) {
	add(t, w, user("u1"))
	by, to, both, other := event("e1"), event("e2"), event("e3"), event("e4")
	to.Principal, to.Target.Principal = "", "u1"
	both.Target.Principal = "u1"
	other.Principal = "u3"
	record(t, w, by, to, other, both)
	for _, tc := range []struct {
		of           principal.ID
		after, limit int
		want         []string
	}{
		{"u1", 0, 9, []string{"e1", "e2", "e3"}},
		{"u1", 0, 2, []string{"e1", "e2"}},
		{"u1", 2, 9, []string{"e3"}},
		{"u2", 0, 9, []string{"e1", "e4"}},
		{"u9", 0, 9, nil},
		{"", 0, 9, nil},
	} {
		got, err := w.Single().Trail.Of(t.Context(), tc.of, tc.after, tc.limit)
		must(t, err)
		if !slices.Equal(idsIn(got), tc.want) {
			t.Errorf("Of(%q, %d, %d) = %v, want %v", tc.of, tc.after, tc.limit, idsIn(got), tc.want)
		}
	}
	got, err := w.Single().Trail.Of(t.Context(), "u1", 0, 1)
	must(t, err)
	by.Position = 1
	inUTC(&by.At, &got[0].At)
	same(t, "entry", got[0], by)
}

func trailCheckNoticesAnotherPast(t *testing.T, w work) {
	record(t, w, event("e1"), event("e2"))
	for _, after := range []audit.Head{{Hash: audit.Hash{1}}, {Position: 1, Hash: audit.Hash{1}}} {
		c, err := w.Single().Trail.Check(t.Context(), after, 9)
		if err != nil || c != (audit.Checked{Good: after, Seen: 1, Broken: true}) {
			t.Errorf("Check after %v = %+v, %v", after, c, err)
		}
	}
}

func mustEnds(t *testing.T, w work) audit.Ends {
	t.Helper()
	ends, err := w.Single().Trail.Ends(t.Context())
	must(t, err)
	return ends
}

func trailPurgeLeavesAChain(t *testing.T, w work) {
	trail := w.Single().Trail
	if n, err := trail.Purge(t.Context(), at, 9); err != nil || n != 0 {
		t.Errorf("Purge of nothing = %d, %v", n, err)
	}
	for i := range 6 {
		e := event(fmt.Sprint("e", i))
		e.At = at.Add(time.Duration(i) * time.Minute)
		if i == 4 { // recorded late: it waits until what is before it goes
			e.At = at
		}
		record(t, w, e)
	}
	before := at.Add(3 * time.Minute)
	for _, step := range []struct{ limit, gone, anchor int }{{2, 2, 2}, {9, 1, 3}, {9, 0, 3}} {
		n, err := trail.Purge(t.Context(), before, step.limit)
		if ends := mustEnds(t, w); err != nil || n != step.gone || ends.Anchor.Position != step.anchor || ends.Head.Position != 6 {
			t.Fatalf("Purge = %d, %v, and the chain is between %v", n, err, ends)
		}
	}
	if n := holds(t, w); n != 3 {
		t.Errorf("%d entries hold, want 3", n)
	}
	got := entriesOf(t, w, audit.Filter{}, whole)
	if got.Total != 3 || !slices.Equal(idsIn(got.Content), []string{"e4", "e3", "e5"}) {
		t.Errorf("left are %d: %v", got.Total, idsIn(got.Content))
	}
	if n, err := trail.Purge(t.Context(), at.Add(time.Hour), 9); err != nil || n != 3 || holds(t, w) != 0 {
		t.Errorf("Purge of the rest = %d, %v", n, err)
	}
	if head := record(t, w, event("e9")); head.Position != 7 || holds(t, w) != 1 {
		t.Errorf("the next entry is %d", head.Position)
	}
}

func trailPurgeWhileOthersAppend(t *testing.T, w work) {
	const n = 12
	gone := make([]int, n)
	race(2*n, func(i int) {
		if i >= n {
			var err error
			if gone[i-n], err = w.Single().Trail.Purge(t.Context(), at.Add(time.Second), 3); err != nil {
				t.Errorf("Purge = %v", err)
			}
			return
		}
		if _, err := w.Single().Trail.Append(t.Context(), event(fmt.Sprint("e", i, "a")), event(fmt.Sprint("e", i, "b"))); err != nil {
			t.Errorf("Append = %v", err)
		}
	})
	total := 0
	for _, one := range gone {
		total += one
	}
	if left := holds(t, w); left+total != 2*n {
		t.Errorf("%d entries hold and %d went, of %d", left, total, 2*n)
	}
}

// What was done by somebody is theirs, and else whom it was done to.
func trailForgetsTheNetworkOfTheErased(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	own, done, nobodys := event("e1"), event("e2"), event("e3")
	done.Principal = ""
	nobodys.Principal, nobodys.Target = "", audit.Target{}
	record(t, w, own, done, nobodys)
	networks := func() (out []string) {
		for _, e := range entriesOf(t, w, audit.Filter{}, whole).Content {
			out = append(out, e.Network)
		}
		return out
	}
	all := "203.0.113.0/24"
	if got := networks(); !slices.Equal(got, []string{all, all, all}) {
		t.Errorf("networks are %q", got)
	}
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Delete(ctx, "u1") })
	if got := networks(); !slices.Equal(got, []string{"", all, all}) {
		t.Errorf("without u1 networks are %q", got)
	}
	within(t, w, func(ctx context.Context, s stores) error { return s.Principals.Delete(ctx, "u2") })
	late := event("e4")
	record(t, w, late)
	if got := networks(); !slices.Equal(got, []string{"", "", all, ""}) {
		t.Errorf("without both networks are %q", got)
	}
	if n := holds(t, w); n != 4 {
		t.Errorf("%d entries hold, want 4", n)
	}
}
