package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
)

// drill is one way to put a database back.
type drill struct {
	data    string
	environ []string
	backup  func(t *testing.T) // while the service runs
	restore func(t *testing.T) // while it does not
	raise   []string           // settings afterwards
}

// serve serves with more settings. The mail server is down if mails are not to
// leave.
func (d drill) serve(t *testing.T, more ...string) *program {
	t.Helper()
	fixed := []string{"GATEHOUSE_DATA_DIR=" + d.data, "GATEHOUSE_APP_BASE_URL=http://127.0.0.1:8080", "GATEHOUSE_LIMITS_ENABLED=false"}
	return start(t, slices.Concat(fixed, d.environ, more)...)
}

const noMail = "GATEHOUSE_MAIL_URL=smtp://127.0.0.1:1"

// command runs one with the settings of the service.
func (d drill) command(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, append([]string{"GATEHOUSE_DATA_DIR=" + d.data}, d.environ...), streams{out: &out, err: io.Discard})
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

// away moves what there is of an SQLite database somewhere else.
func (d drill) away(t *testing.T) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.data, "gatehouse.db*"))
	must(t, err)
	for _, f := range found {
		must(t, os.Rename(f, filepath.Join(t.TempDir(), filepath.Base(f))))
	}
}

func withFile(t *testing.T) drill {
	d := drill{data: filepath.Join(t.TempDir(), "data")}
	file := filepath.Join(t.TempDir(), "backup.db")
	d.backup = func(t *testing.T) { d.command(t, "db", "backup", file) }
	d.restore = func(t *testing.T) {
		d.away(t)
		d.command(t, "db", "restore", file)
	}
	return d
}

// The file is put back by other means than ours.
func withCopiedFile(t *testing.T) drill {
	d := withFile(t)
	file := filepath.Join(t.TempDir(), "copy.db")
	d.backup = func(t *testing.T) { d.command(t, "db", "backup", file) }
	d.restore = func(t *testing.T) {
		d.away(t)
		b, err := os.ReadFile(file)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(d.data, "gatehouse.db"), b, 0o600))
	}
	d.raise = []string{"GATEHOUSE_DATABASE_RESTORE_EPOCH=1"}
	return d
}

func withServer(t *testing.T) drill {
	at := pgtest.URL(t)
	u, err := url.Parse(at)
	must(t, err)
	schema := u.Query().Get("search_path")
	u.RawQuery = "sslmode=disable" // the programs know no search_path
	file := filepath.Join(t.TempDir(), "backup.dump")
	tool := func(t *testing.T, name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), pgtest.Program(t, name), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	return drill{
		data: filepath.Join(t.TempDir(), "data"), environ: []string{"GATEHOUSE_DATABASE_URL=" + at},
		backup: func(t *testing.T) {
			tool(t, "pg_dump", "--format=custom", "--schema="+schema, "--file="+file, u.String())
		},
		restore: func(t *testing.T) {
			db, err := sql.Open("pgx", u.String())
			must(t, err)
			_, err = db.ExecContext(t.Context(), "DROP SCHEMA "+schema+" CASCADE")
			must(t, err)
			must(t, db.Close())
			tool(t, "pg_restore", "--exit-on-error", "--single-transaction", "--dbname="+u.String(), file)
		},
		raise: []string{"GATEHOUSE_DATABASE_RESTORE_EPOCH=3"},
	}
}

func withServerAndCommand(t *testing.T) drill {
	d := withServer(t)
	put := d.restore
	d.raise, d.restore = nil, func(t *testing.T) {
		put(t)
		if said := d.command(t, "db", "restored", "--yes"); !strings.HasPrefix(said, "restore epoch 1: 3 sessions ended, 2 links voided, 1 mails dropped, 1 accounts deleted again") {
			t.Errorf("db restored says %s", said)
		}
	}
	return d
}

// tokens are those of one sign-in.
type tokens struct {
	Access  string `json:"accessToken"`
	Refresh string `json:"refreshToken"`
	StepUp  string `json:"stepUpToken"`
}

// as calls with tokens in headers, and returns the status and either what there
// is of new tokens or the code.
func (p *program) as(bearer, stepUp, method, path, body string) (status int, got tokens, code string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.public+path, strings.NewReader(body))
	must(p.t, err)
	for name, value := range map[string]string{"Authorization": "Bearer " + bearer, "X-Step-Up-Token": stepUp, "Content-Type": "application/json"} {
		if value != "" && value != "Bearer " && (body != "" || name != "Content-Type") {
			req.Header.Set(name, value)
		}
	}
	res, err := (&http.Client{Transport: p.client.Transport, Timeout: p.client.Timeout}).Do(req)
	must(p.t, err)
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		tokens
		Code string
	}
	must(p.t, json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer.tokens, answer.Code
}

func (p *program) signIn(address, password string) tokens {
	p.t.Helper()
	status, got, code := p.as("", "", "POST", "/api/auth/login", `{"email":"`+address+`","password":"`+password+`"}`)
	if status != http.StatusOK {
		p.t.Fatalf("%s cannot sign in: %d %s", address, status, code)
	}
	return got
}

func (p *program) works(bearer, stepUp, method, path, body string) tokens {
	p.t.Helper()
	status, got, code := p.as(bearer, stepUp, method, path, body)
	if status != http.StatusOK {
		p.t.Errorf("%s %s: %d %s", method, path, status, code)
	}
	return got
}

func (p *program) refuses(want, bearer, stepUp, method, path, body string) {
	p.t.Helper()
	if status, _, code := p.as(bearer, stepUp, method, path, body); code != want {
		p.t.Errorf("%s %s: %d %s, want %s", method, path, status, code, want)
	}
}

// letters returns the kinds of the mails to an address, and the token of the
// latest link.
func (p *program) letters(to string) (kinds []string, token string) {
	p.t.Helper()
	var all []struct{ To, Kind, Text string }
	must(p.t, json.Unmarshal([]byte(p.must("GET", p.public+"/dev/mailbox/messages", "", 200)), &all))
	for _, m := range all {
		if m.To != to {
			continue
		}
		kinds = append(kinds, m.Kind)
		if _, rest, ok := strings.Cut(m.Text, "?token="); ok && token == "" {
			token, _, _ = strings.Cut(rest, "\n")
		}
	}
	return kinds, token
}

// link waits for the mail with a link to an address.
func (p *program) link(to string) string {
	p.t.Helper()
	p.arrives(to, "email_verification")
	_, token := p.letters(to)
	return token
}

func (p *program) arrives(to, kind string) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if kinds, _ := p.letters(to); slices.Contains(kinds, kind) {
			return
		}
		select {
		case <-tick.C:
		case <-p.t.Context().Done():
			p.t.Fatalf("no mail of kind %s to %s", kind, to)
		}
	}
}

func (p *program) register(address string) {
	p.t.Helper()
	p.works("", "", "POST", "/api/auth/register", credentialsOf(address, `,"name":"Somebody"`))
}

func (p *program) ends() {
	p.t.Helper()
	must(p.t, p.stop())
}

// F70, Q15: what ended after the backup was made does not come back with it,
// and what the backup owes is sent, but for links.
func TestARestoredBackupRevivesNothing(t *testing.T) {
	for name, with := range map[string]func(*testing.T) drill{
		"file": withFile, "copied file": withCopiedFile, "server": withServer, "server and command": withServerAndCommand,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rehearseRestore(t, with(t))
		})
	}
}

func rehearseRestore(t *testing.T, d drill) {
	const ada, eve, bob = "ada@example.com", "eve@example.com", "bob@example.com"
	p := d.serve(t)
	p.register(ada)
	p.works("", "", "POST", "/api/auth/register?send-email=false", credentialsOf(bob, `,"name":"Bob"`))
	link := p.link(ada)
	out, rotated, other := p.signIn(ada, first), p.signIn(ada, first), p.signIn(ada, first)
	out.StepUp = p.works(out.Access, "", "POST", "/api/auth/step-up", `{"password":"`+first+`"}`).StepUp
	p.ends()

	p = d.serve(t, noMail)
	p.register(eve) // owes a link
	p.register(ada) // owes the owner of the address an alert
	d.backup(t)
	p.works(out.Access, "", "POST", "/api/auth/logout", "")
	late := p.works(rotated.Refresh, "", "POST", "/api/auth/refresh", "")
	p.works("", "", "POST", "/api/auth/email/verification", `{"token":"`+link+`"}`)
	other.StepUp = p.works(other.Access, "", "POST", "/api/auth/step-up", `{"password":"`+first+`"}`).StepUp
	p.works(other.Access, other.StepUp, "PUT", "/api/users/me/password", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`)
	gone := p.signIn(bob, first)
	gone.StepUp = p.works(gone.Access, "", "POST", "/api/auth/step-up", `{"password":"`+first+`"}`).StepUp
	p.works(gone.Access, gone.StepUp, "DELETE", "/api/users/me", "")
	p.refuses("ACCESS_TOKEN_EXPIRED", gone.Access, "", "GET", "/api/users/me", "")
	p.ends()

	d.restore(t)
	p = d.serve(t, d.raise...)
	for name, old := range map[string]tokens{"signed out": out, "rotated": rotated, "rotated later": late, "that changed the password": other} {
		t.Log("session", name)
		p.refuses("ACCESS_TOKEN_EXPIRED", old.Access, "", "GET", "/api/users/me", "")
		p.refuses("REFRESH_TOKEN_INVALID", old.Refresh, "", "POST", "/api/auth/refresh", "")
	}
	p.refuses("EMAIL_VERIFICATION_TOKEN_INVALID", "", "", "POST", "/api/auth/email/verification", `{"token":"`+link+`"}`)
	p.refuses("INVALID_CREDENTIALS", "", "", "POST", "/api/auth/login", `{"email":"`+ada+`","password":"`+second+`"}`)
	p.refuses("INVALID_CREDENTIALS", "", "", "POST", "/api/auth/login", `{"email":"`+bob+`","password":"`+first+`"}`) // erased again
	again := p.signIn(ada, first)
	p.refuses("STEP_UP_TOKEN_INVALID", again.Access, out.StepUp, "PUT", "/api/users/me/password", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`)

	p.arrives(ada, "registration_alert")
	kinds, _ := p.letters(eve)
	if m := p.must("GET", p.internal+"/metrics", "", 200); len(kinds) != 0 || !strings.Contains(m, "\ngatehouse_outbox_dead 1\n") {
		t.Errorf("eve's mail, whose link is void, was not dropped: she got %q", kinds)
	}
	p.ends()

	p = d.serve(t, d.raise...) // the same epoch is no other restore
	p.works(again.Access, "", "GET", "/api/users/me", "")
	p.works(again.Refresh, "", "POST", "/api/auth/refresh", "")
}

// Who lost the setting must not be locked out.
func TestARestoreEpochThatIsBehindIsOnlyAWarning(t *testing.T) {
	d := drill{data: filepath.Join(t.TempDir(), "data")}
	const raised, behind = "restore epoch raised", "restore_epoch is behind"
	for _, tc := range []struct{ epoch, says string }{{"5", raised}, {"5", ""}, {"2", behind}, {"0", ""}, {"6", raised}} {
		p := d.serve(t, "GATEHOUSE_DATABASE_RESTORE_EPOCH="+tc.epoch)
		p.ends()
		for _, line := range []string{raised, behind} {
			if got, want := strings.Contains(p.log.String(), line), line == tc.says; got != want {
				t.Errorf("epoch %s: %q was logged: %t, want %t", tc.epoch, line, got, want)
			}
		}
	}
}
