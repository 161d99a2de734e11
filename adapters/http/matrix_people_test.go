package http_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

// prepared is an effect on an account that is not as any other.
type prepared struct {
	effect
	before  func(w *world, id string) // to the account, before its sessions begin
	options []option
}

// onAda is what an admin does to ada.
func onAda(lines ...string) func(w *world, a, b account) answer {
	return func(w *world, a, _ account) (last answer) {
		admin := w.put(principal.Snapshot{Hash: hashOf(goodPassword), Admin: true})
		for _, line := range lines {
			last = w.ok(of(admin, line, a.id))
		}
		return last
	}
}

func anAdmin(w *world, id string) { w.rewrite(id, func(p *principal.Principal) { p.SetAdmin(true) }) }

func amongStaff(w *world, id string) {
	w.groups("staff")
	w.rewrite(id, func(p *principal.Principal) { p.Join("staff") })
}

// preparedEffects are those of the events that are about roles, groups, the end
// of an account, and installations without mail.
func preparedEffects() []prepared {
	const joining, leavingStaff = "POST /api/groups/staff/members/*", "DELETE /api/groups/staff/members/*"
	return []prepared{
		{effect: effect{"P3", func(w *world, a, _ account) answer { return w.ok(leaving(w.proven(a))) }, "", "", nil, ""}},
		{effect: effect{"P3, the last admin", func(w *world, a, _ account) answer {
			return w.want(409, "AT_LEAST_ONE_ADMIN_REQUIRED", leaving(w.proven(a)))
		}, "a b", all, nil, "a b"}, before: anAdmin},
		{effect: effect{"U3", onAda(deleting), "", "", nil, ""}},
		{effect: effect{"U4", onAda(disabling), "", "", nil, ""}},
		{effect: effect{"U5", onAda(enabling), "a b", all, nil, "a b"}},
		{effect: effect{"U5, after U4", onAda(disabling, enabling), "", "", nil, ""}},
		{effect: effect{"D1", onAda(granting), "a b", all, nil, ""}},
		{effect: effect{"D1, an admin", onAda(granting), "a b", all, nil, "a b"}, before: anAdmin},
		{effect: effect{"D2", onAda(revoking), "a b", all, nil, ""}, before: anAdmin},
		{effect: effect{"D2, no admin", onAda(revoking), "a b", all, nil, "a b"}},
		{effect: effect{"R5", onAda("DELETE /api/groups/staff"), "a b", all, nil, ""}, before: amongStaff},
		{effect: effect{"R6, a member", onAda(joining), "a b", all, nil, "a b"}, before: amongStaff},
		{effect: effect{"R7", onAda(leavingStaff), "a b", all, nil, ""}, before: amongStaff},
		{effect: effect{"K1", onAda("POST /api/security/secrets/rotate-keys"), "a b", all, nil, "a b"}},
		{effect: effect{"X1", func(w *world, a, _ account) answer { return w.ok(exporting(w.proven(a))) }, "a b", all, nil, "a b"}},
		// the links prove other addresses than the stored one, and would move the account back
		{effect: effect{"P4, mail off", func(w *world, a, _ account) answer {
			return w.ok(moveBy(w.proven(a), "ada@third.example"))
		}, "a", "challenge", nil, "a"}, options: []option{withoutMail()}},
	}
}

func TestEffectsOnPreparedAccountsAreThoseOfTheMatrix(t *testing.T) {
	for _, e := range preparedEffects() {
		t.Run(e.event, func(t *testing.T) {
			w := newWorld(t, e.options...)
			w.ok(registerAs("ada@example.com"))
			if e.before != nil {
				e.before(w, w.signIn("ada@example.com", goodPassword).id)
				w.endAll()
			}
			a := w.signIn("ada@example.com", goodPassword)
			e.check(w, a, w.signIn("ada@example.com", goodPassword))
		})
	}
}

// A guest has the one session they came with.
func TestTheEffectsOfAConversionAreThoseOfTheMatrix(t *testing.T) {
	w := newWorld(t)
	conversion.check(w, w.guest(), account{})
}

var conversion = effect{"G2", func(w *world, a, _ account) answer {
	return w.ok(converting(a, "gus@example.com"))
}, "a", all, []notice.Kind{notice.EmailVerification}, ""}

// later are events of operations that are there, which need one that may not be.
var later = map[string]string{"A2 challenge": "T1", "A5 challenge": "T2"}

// Every event of the matrix (contract §12) whose operation is served has its
// effects tested.
func TestEveryEventOfTheMatrixHasItsEffectsTested(t *testing.T) {
	tested := []string{conversion.event}
	for _, e := range effects() {
		tested = append(tested, e.event)
	}
	for _, e := range preparedEffects() {
		tested = append(tested, e.event)
	}
	events := eventsOfTheMatrix(t)
	if len(events) < 50 {
		t.Fatalf("the matrix has the events %q, which cannot be all", events)
	}
	for _, event := range events {
		id, _, _ := strings.Cut(strings.Replace(event, ",", "", 1), " ")
		if !slices.Contains(built(), id) || later[event] != "" && !slices.Contains(built(), later[event]) {
			continue
		}
		if !slices.ContainsFunc(tested, func(name string) bool { return name == event || strings.HasPrefix(name, event+",") }) {
			t.Errorf("nothing tests the effects of %q", event)
		}
	}
}

var startsWithID = regexp.MustCompile(`^[A-Z]\d+`)

// eventsOfTheMatrix reads the first column: operations with what happens in them,
// which counts for those before it too unless they have their own.
func eventsOfTheMatrix(t *testing.T) (events []string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/contract/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, matrix, _ := strings.Cut(string(b), "\n## 12 ")
	matrix, _, _ = strings.Cut(matrix, "\n## 13 ")
	for line := range strings.Lines(matrix) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !startsWithID.MatchString(strings.TrimSpace(cells[1])) {
			continue
		}
		for group := range strings.SplitSeq(cells[1], ";") {
			events = append(events, eventsOf(strings.TrimSpace(group))...)
		}
	}
	return events
}

func eventsOf(group string) (events []string) {
	for part := range strings.SplitSeq(group, ", ") {
		if startsWithID.MatchString(part) {
			events = append(events, part)
		} else {
			events[len(events)-1] += ", " + part
		}
	}
	if _, shared, some := strings.Cut(events[len(events)-1], " "); some && !strings.Contains(events[len(events)-1], ",") {
		for i, e := range events[:len(events)-1] {
			if !strings.Contains(e, " ") {
				events[i] += " " + shared
			}
		}
	}
	return events
}

// endAll ends the sessions that a test needed to prepare something.
func (w *world) endAll() {
	w.t.Helper()
	if _, err := w.store.Single().Sessions.EndEvery(w.t.Context(), session.EndedByOperator, w.clock.now()); err != nil {
		w.t.Fatal(err)
	}
}
