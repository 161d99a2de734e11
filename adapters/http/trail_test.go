package http_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

const reading = "GET /api/audit"

func trailSubjects() map[string]subject {
	s := subject{fine: func(w *world) request { return of(w.admin(), reading, "") }, op: "trail.page"}
	s.rows = map[string]row{
		"INVALID_REQUEST": func(w *world) answer { return w.send(of(w.admin(), reading+"?from=yesterday", "")) },
	}
	return map[string]subject{"L1": s}
}

const (
	ada = "0198c0de-7a11-7b2c-9d3e-4f5061728301"
	bob = "0198c0de-7a11-7b2c-9d3e-4f5061728302"
)

// newArchive is a world with an admin, and a record of four things, an hour
// apart.
func newArchive(t *testing.T) (w *world, by account) {
	t.Helper()
	w = newWorld(t)
	by = w.admin()
	here := audit.Origin{Network: "192.0.2.0/24", Request: "r1"}
	var all []audit.Entry
	for i, e := range []audit.Entry{
		{Command: "SignIn", Target: audit.Target{Principal: bob}, Outcome: fault.InvalidCredentials, Origin: here},
		{Command: "SignIn", Principal: principal.ID(by.id), Session: session.ID(by.session), Origin: here},
		{Command: "AddMember", Principal: principal.ID(by.id), Target: audit.Target{Principal: bob, Thing: "staff"}, Origin: here},
		{Command: "SetAdmin"},
	} {
		e.ID, e.At = fmt.Sprintf("0198c0de-7a11-7b2c-9d3e-4f506172830%d", i), start.Add(time.Duration(i)*time.Hour)
		all = append(all, e)
	}
	_, err := w.store.Single().Trail.Append(t.Context(), all...)
	if err != nil {
		t.Fatal(err)
	}
	return w, by
}

func TestAdminsReadTheAuditTrail(t *testing.T) {
	w, by := newArchive(t)
	golden(t, w.ok(of(by, reading+"?size=2&page=1", "")), `{"content":[
		{"id":"0198c0de-7a11-7b2c-9d3e-4f5061728301","position":2,"at":"2026-07-27T11:15:30.123456Z","command":"SignIn","principalId":%q,"sessionId":%q,
			"targetId":null,"object":null,"outcome":"DONE","network":"192.0.2.0/24","requestId":"r1"},
		{"id":"0198c0de-7a11-7b2c-9d3e-4f5061728300","position":1,"at":"2026-07-27T10:15:30.123456Z","command":"SignIn","principalId":null,"sessionId":null,
			"targetId":%q,"object":null,"outcome":"INVALID_CREDENTIALS","network":null,"requestId":"r1"}
	],"page":{"size":2,"number":1,"totalElements":4,"totalPages":2}}`, by.id, by.session, bob)
	golden(t, w.ok(of(by, reading+"?size=1", "")), `{"content":[
		{"id":"0198c0de-7a11-7b2c-9d3e-4f5061728303","position":4,"at":"2026-07-27T13:15:30.123456Z","command":"SetAdmin","principalId":null,"sessionId":null,
			"targetId":null,"object":null,"outcome":"DONE","network":null,"requestId":null}
	],"page":{"size":1,"number":0,"totalElements":4,"totalPages":4}}`)
	golden(t, w.ok(of(by, reading+"?page=1000000&size=9999", "")), `{"content":[],"page":{"size":2000,"number":1000000,"totalElements":4,"totalPages":1}}`)
}

func TestWhichEntriesAreListed(t *testing.T) {
	w, by := newArchive(t)
	hour := func(n int) string {
		return start.Add(time.Duration(n) * time.Hour).In(time.FixedZone("", 5400)).Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	for _, row := range []struct {
		query url.Values
		want  string
	}{
		{url.Values{}, "4 3 2 1"},
		{url.Values{"sort": {"at"}}, "1 2 3 4"},
		{url.Values{"sort": {"at,asc"}, "size": {"2"}, "page": {"1"}}, "3 4"},
		{url.Values{"sort": {"at,desc"}}, "4 3 2 1"},
		{url.Values{"principal": {bob}}, "3 1"},
		{url.Values{"principal": {strings.ToUpper(bob)}}, "3 1"},
		{url.Values{"principal": {by.id}}, "3 2"},
		{url.Values{"principal": {ada}}, ""},
		{url.Values{"command": {"SignIn"}}, "2 1"},
		{url.Values{"command": {"signin"}}, ""},
		{url.Values{"command": {"\x00"}}, ""},
		{url.Values{"outcome": {"DONE"}}, "4 3 2"},
		{url.Values{"outcome": {"INVALID_CREDENTIALS"}}, "1"},
		{url.Values{"outcome": {"x"}}, ""},
		{url.Values{"from": {hour(1)}}, "4 3 2"},
		{url.Values{"to": {hour(1)}}, "2 1"},
		{url.Values{"from": {hour(1)}, "to": {hour(2)}}, "3 2"},
		{url.Values{"principal": {bob}, "command": {"SignIn"}, "outcome": {"INVALID_CREDENTIALS"}, "to": {hour(3)}}, "1"},
		{url.Values{"principal": {bob}, "command": {"SetAdmin"}}, ""},
	} {
		var got []string
		content, _ := w.ok(of(by, reading+"?"+row.query.Encode(), "")).json["content"].([]any)
		for _, one := range content {
			got = append(got, fmt.Sprint(one.(map[string]any)["position"]))
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("%v lists %v, want %q", row.query, got, row.want)
		}
	}
}

func TestWhichEntriesCannotBeAskedFor(t *testing.T) {
	w, by := newArchive(t)
	for query, want := range map[string]string{
		"page=-1": "page:range", "size=0": "size:range", "size=x": "size:integer", "sort=command": "sort:enum", "sort=at,down": "sort:enum",
		"principal=x": "principal:uuid", "principal=": "principal:uuid", "command=": "command:min_length", "outcome=": "outcome:min_length",
		"from=yesterday": "from:instant", "to=2026-01-01": "to:instant",
		"command=&outcome=": "command:min_length outcome:min_length",
	} {
		got := w.want(400, "INVALID_REQUEST", of(by, reading+"?"+query, "")).rules()
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%s breaks %v, want %s", query, got, want)
		}
	}
}

// Who lacks a role or a step-up is on record, though no command was made of it.
func TestWhatIsRefusedAtTheDoorIsOnRecord(t *testing.T) {
	w := newWorld(t)
	a, b := w.admin(), w.member("bob@example.com")
	w.want(403, "ROLE_REQUIRED", of(b, reading, ""))
	w.want(401, "STEP_UP_TOKEN_MISSING", req(strings.Replace(disabling, "*", b.id, 1), "", bearer(a.access)))
	w.want(401, "AUTHENTICATION_REQUIRED", req(reading, ""))
	w.ok(of(a, reading, ""))
	got := w.refused.entries
	if len(got) != 2 {
		t.Fatalf("on record are %+v", got)
	}
	for i, want := range []audit.Entry{
		{Command: "listAuditEntries", Principal: principal.ID(b.id), Session: session.ID(b.session), Outcome: fault.RoleRequired},
		{Command: "disableUser", Principal: principal.ID(a.id), Session: session.ID(a.session), Outcome: fault.StepUpTokenMissing},
	} {
		want.At, want.Origin = w.clock.now(), audit.Origin{Network: "127.0.0.0/24", Request: got[i].Request}
		if got[i] != want || got[i].Request == "" {
			t.Errorf("on record is %+v\nwant         %+v", got[i], want)
		}
	}
}
