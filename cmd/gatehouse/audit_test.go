package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
)

// listedEntry is an entry as admins read it.
type listedEntry struct {
	Command, Outcome, PrincipalID, SessionID, TargetID, Object, Network, RequestID string
}

// entries are those an admin finds, oldest first.
func (p *program) entries(admin caller, query string) (all []listedEntry) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, admin.base+"/api/audit?size=2000&sort=at,asc"+query, nil)
	must(p.t, err)
	res, err := admin.Do(req)
	must(p.t, err)
	defer func() { _ = res.Body.Close() }()
	var list struct{ Content []listedEntry }
	must(p.t, json.NewDecoder(res.Body).Decode(&list))
	return list.Content
}

// awaits waits until an entry is there, which is a moment after what it tells of.
func (p *program) awaits(admin caller, query, command, outcome string) listedEntry {
	p.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var all []listedEntry
	for range 400 { // a store that is busy has its time
		all = p.entries(admin, query)
		for _, e := range all {
			if e.Command == command && e.Outcome == outcome {
				return e
			}
		}
		<-tick.C
	}
	p.t.Fatalf("no entry %s %s among %+v", command, outcome, all)
	return listedEntry{}
}

func TestWhatIsAskedIsOnRecord(t *testing.T) {
	for engine, environ := range map[string][]string{"sqlite": nil, "postgres": {"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}} {
		t.Run(engine, func(t *testing.T) {
			p := start(t, slices.Concat(environ, administered, []string{"GATEHOUSE_LIMITS_ENABLED=false"})...)
			admin, ada, eve := p.caller(), p.caller(), p.caller()
			must(t, admin.do(t.Context(), "POST", "/api/auth/login", credentialsOf(boss, "")))
			must(t, admin.do(t.Context(), "POST", "/api/auth/step-up", credentialsOf(boss, "")))
			must(t, ada.do(t.Context(), "POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`)))
			must(t, ada.do(t.Context(), "POST", "/api/auth/login", credentialsOf("ada@example.com", "")))
			who := ada.id(t)
			fails := func(c caller, method, path, body, code string) {
				t.Helper()
				if err := c.do(t.Context(), method, path, body); err == nil || !strings.Contains(err.Error(), code) {
					t.Errorf("%s %s: %v, want %s", method, path, err, code)
				}
			}
			wrong := strings.Replace(credentialsOf("ada@example.com", ""), `"password":"`, `"password":"not-`, 1)
			fails(eve, "POST", "/api/auth/login", wrong, "INVALID_CREDENTIALS")
			fails(eve, "POST", "/api/auth/login", strings.Replace(wrong, "ada@", "nobody@", 1), "INVALID_CREDENTIALS")
			fails(ada, "PUT", "/api/users/me/password", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`, "STEP_UP_TOKEN_MISSING")
			must(t, ada.do(t.Context(), "POST", "/api/auth/step-up", credentialsOf("ada@example.com", "")))
			must(t, ada.do(t.Context(), "PUT", "/api/users/me/password", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`))
			fails(ada, "GET", "/api/audit", "", "ROLE_REQUIRED")
			must(t, ada.do(t.Context(), "POST", "/api/auth/refresh", ""))

			// What changes rights is there when it is answered.
			must(t, admin.do(t.Context(), "POST", "/api/groups", people))
			for _, step := range []struct{ method, path, command, object string }{
				{"POST", "/api/groups/staff/members/" + who, "AddMember", "staff"},
				{"POST", "/api/admins/" + who, "GrantAdmin", ""},
				{"DELETE", "/api/admins/" + who, "RevokeAdmin", ""},
				{"POST", "/api/users/" + who + "/disable", "DisableAccount", ""},
				{"POST", "/api/users/" + who + "/enable", "EnableAccount", ""},
			} {
				must(t, admin.do(t.Context(), step.method, step.path, ""))
				got := p.entries(admin, "&command="+step.command)
				if len(got) != 1 || got[0].TargetID != who || got[0].PrincipalID != admin.id(t) || got[0].Outcome != "DONE" || got[0].Object != step.object ||
					got[0].Network != "127.0.0.0/24" || got[0].RequestID == "" || got[0].SessionID == "" {
					t.Errorf("of %s %s on record is %+v", step.method, step.path, got)
				}
			}
			for _, want := range [][2]string{
				{"Register", "DONE"},
				{"SignIn", "DONE"},
				{"SignIn", "INVALID_CREDENTIALS"},
				{"StepUp", "DONE"},
				{"ChangePassword", "DONE"},
				{"changePassword", "STEP_UP_TOKEN_MISSING"},
				{"listAuditEntries", "ROLE_REQUIRED"},
				{"EnsureAdmin", "DONE"},
			} {
				p.awaits(admin, "", want[0], want[1])
			}
			if e := p.awaits(admin, "&principal="+who, "SignIn", "INVALID_CREDENTIALS"); e.TargetID != who || e.PrincipalID != "" {
				t.Errorf("of the attempt at an account on record is %+v", e)
			}
			must(t, eve.do(t.Context(), "POST", "/api/auth/password/reset-request", `{"email":"ada@example.com"}`))
			for _, command := range []string{"Register", "RequestPasswordReset"} {
				if e := p.awaits(admin, "&principal="+who, command, "DONE"); e.TargetID != who || e.PrincipalID != "" {
					t.Errorf("of %s, which nobody asked for, on record is %+v", command, e)
				}
			}
			if e := p.awaits(admin, "", "EnsureAdmin", "DONE"); e.TargetID != admin.id(t) || e.Network != "" || e.RequestID != "" {
				t.Errorf("of what an operator did on record is %+v", e)
			}
			if got := p.entries(admin, "&command=Refresh"); len(got) != 0 {
				t.Errorf("of refreshes on record is %+v", got)
			}

			// Who is gone takes along where they were.
			must(t, admin.do(t.Context(), "DELETE", "/api/users/"+who, ""))
			p.awaits(admin, "&principal="+who, "DeleteAccount", "DONE")
			for _, e := range p.entries(admin, "&principal="+who) {
				if e.PrincipalID != admin.id(t) && e.Network != "" {
					t.Errorf("%s is on record from %s", e.Command, e.Network)
				}
			}
			whole, err := json.Marshal(p.entries(admin, ""))
			must(t, err)
			for _, secret := range []string{first, second, "@example.com", "127.0.0.1"} {
				if strings.Contains(string(whole), secret) {
					t.Errorf("the record knows %q", secret)
				}
			}
		})
	}
}

// verify runs the command, and returns what it says.
func verify(ctx context.Context, environ []string, args ...string) (string, error) {
	var out bytes.Buffer
	err := run(ctx, append([]string{"audit", "verify"}, args...), environ, streams{in: strings.NewReader(""), out: &out, err: io.Discard})
	return out.String(), err
}

// The end that was logged when the service stopped is the one that is found; who
// changes an entry, or cuts the end off, is found out.
func TestVerifyFindsOutWhatWasDone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	environ := slices.Concat(administered, []string{"GATEHOUSE_DATA_DIR=" + dir})
	p := start(t, environ...)
	admin := p.caller()
	must(t, admin.do(t.Context(), "POST", "/api/auth/login", credentialsOf(boss, "")))
	must(t, p.stop())
	head := ""
	for line := range strings.Lines(p.log.String()) {
		var said struct{ Msg, Head string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "audit trail" {
			head = said.Head
		}
	}
	position, _, _ := strings.Cut(head, ":")
	if head == "" {
		t.Fatalf("the log does not say where the trail ended:\n%s", p.log)
	}
	out, err := verify(t.Context(), environ, "--head", head)
	if err != nil || out != fmt.Sprintf("%s entries hold after 0, head %s\n", position, head) {
		t.Errorf("verify = %q, %v, and logged was %s", out, err, head)
	}
	tamper := func(queries ...string) {
		t.Helper()
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: filepath.Join(dir, "gatehouse.db")}).String())
		must(t, err)
		for _, q := range queries {
			_, err := db.ExecContext(t.Context(), q)
			must(t, err)
		}
		must(t, db.Close())
	}
	fails := func(code int, says string, args ...string) {
		t.Helper()
		if _, err := verify(t.Context(), environ, args...); exitCode(err) != code || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("verify %v: %v, want exit code %d and %q", args, err, code, says)
		}
	}
	fails(2, "--head", "--head", "12")
	fails(1, "cut off", "--head", "999:"+strings.Repeat("0", 64))
	fails(1, "broken at entry 1: the entry is another one", "--head", "1:"+strings.Repeat("0", 64))
	tamper("DROP TRIGGER audit_append_only", "UPDATE audit SET outcome = 'USER_DISABLED' WHERE seq = 2")
	fails(1, "broken at entry 2: the entry was changed")
	tamper("UPDATE audit SET outcome = '' WHERE seq = 2")
	if _, err := verify(t.Context(), environ); err != nil {
		t.Errorf("verify of what was put right: %v", err)
	}
	tamper("DROP TRIGGER audit_chain_grows", "UPDATE audit_chain SET head_seq = 1, head_hash = (SELECT hash FROM audit WHERE seq = 1)")
	fails(1, "ends of the chain")
	tamper("DROP TRIGGER audit_not_emptied", "DROP TRIGGER audit_chain_not_emptied", "DELETE FROM audit", "DELETE FROM audit_chain")
	fails(1, "is empty")
}
