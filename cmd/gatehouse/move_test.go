package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
)

// Who was signed in stays so, and what was owed is sent.
func TestAMovedServiceGoesOn(t *testing.T) {
	const ada, eve = "ada@example.com", "eve@example.com"
	d := drill{data: filepath.Join(t.TempDir(), "data")}
	p := d.serve(t, noMail)
	p.register(ada)
	here, fresh := p.signIn(ada, first), p.signIn(ada, first)
	here.StepUp = p.works(here.Access, "", "POST", "/api/auth/step-up", `{"password":"`+first+`"}`).StepUp
	next := p.works(fresh.Refresh, "", "POST", "/api/auth/refresh", "")
	p.ends()

	d.environ = []string{"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}
	said := d.command(t, "db", "move")
	if !strings.Contains(said, "sessions") || strings.Contains(said, "DIFFERS") {
		t.Errorf("db move says\n%s", said)
	}

	p = d.serve(t)
	p.works(here.Access, "", "GET", "/api/users/me", "")
	p.works(next.Refresh, "", "POST", "/api/auth/refresh", "")
	p.works("", "", "POST", "/api/auth/email/verification", `{"token":"`+p.link(ada)+`"}`)
	p.works(here.Access, here.StepUp, "PUT", "/api/users/me/password", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`)
	p.signIn(ada, second)
	p.register(eve)
	p.link(eve)
}

// crowd makes a database with many principals.
func (d drill) crowd(t *testing.T) {
	t.Helper()
	d.command(t, "keys", "list") // makes the schema and the keys
	db, err := sql.Open("sqlite", filepath.Join(d.data, fileName))
	must(t, err)
	_, err = db.ExecContext(t.Context(), "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "+
		"INSERT INTO principals (id, kind, name, name_fold, email_verified, admin, disabled, password_hash, identities, cred_version, token_gen, "+
		"data_key, created_at, last_active, version) SELECT 'g' || i, 'guest', 'Guest', 'guest', 0, 0, 0, '', '', 0, 0, randomblob(60), "+
		"'2028-02-29 12:00:00+00:00', '2028-02-29 12:00:00+00:00', 0 FROM n")
	must(t, err)
	must(t, db.Close())
}

// moveUntil moves in a process of its own and kills it after a number of
// batches. It reports whether the move was finished before.
func (d drill) moveUntil(t *testing.T, batches int) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "gatehouse", "db", "move", "--set=app.log_level=debug")
	cmd.Env = append(append(cmd.Environ(), "GATEHOUSE_DATA_DIR="+d.data), d.environ...)
	var out bytes.Buffer
	cmd.Stdout = &out
	logs, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(logs)
	for batches > 0 && lines.Scan() {
		if strings.Contains(lines.Text(), `"rows copied"`) {
			batches--
		}
	}
	if batches == 0 {
		_ = cmd.Process.Kill()
	}
	_, _ = io.Copy(io.Discard, logs)
	err = cmd.Wait()
	if batches > 0 && err != nil {
		t.Fatalf("db move ended by itself: %v\n%s", err, out.String())
	}
	return err == nil
}

// A move that was killed is not taken for a database, and goes on.
func TestAKilledMoveGoesOn(t *testing.T) {
	d := drill{data: filepath.Join(t.TempDir(), "data")}
	d.crowd(t)
	d.environ = []string{"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}
	kills := 0
	for !d.moveUntil(t, 3) {
		kills++
		err := run(t.Context(), []string{"serve"}, append([]string{
			"GATEHOUSE_DATA_DIR=" + d.data, "GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0",
		}, d.environ...), streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
		if exitCode(err) != 1 || !strings.Contains(err.Error(), "is not finished") {
			t.Errorf("serve on half a database: %v", err)
		}
	}
	if kills < 2 {
		t.Errorf("it was killed %d times only", kills)
	}
	d.command(t, "keys", "list") // they open with the same master key
}
