package faulttest

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// probe is one request of each kind by people who are signed in.
func (c *cluster) probe(r *replica, address string, p pair) map[string]answer {
	requests := map[string]func() answer{
		"who am I": func() answer { return r.whoAmI(p.AccessToken) },
		"refresh":  func() answer { return r.refresh(p.RefreshToken) },
		"sign in":  func() answer { return r.signIn(address, password) },
		"register": func() answer { return r.register(newAddress()) },
		"logout":   func() answer { return r.ask("POST", "/api/auth/logout", p.AccessToken, "") },
		"end":      func() answer { return r.ask("DELETE", "/api/users/me/sessions", p.AccessToken, "") },
	}
	names := make([]string, 0, len(requests))
	for name := range requests {
		names = append(names, name)
	}
	answers := map[string]answer{}
	for i, a := range together(len(names), func(i int) answer { return requests[names[i]]() }) {
		answers[names[i]] = a
	}
	return answers
}

// F28, F92, Q5: a database that swallows everything makes requests fail in
// time, and accepts and refuses nobody. What was asked for meanwhile has not
// been done, and everything works when it is back.
func TestF28ABlackHoleInsteadOfTheDatabaseFailsInTimeAndRefusesNobody(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	address, p := c.person(t)
	for _, r := range c.both() {
		r.whoAmI(p.AccessToken).must(t)
	}
	c.pg.swallow(t)
	began := time.Now()
	for name, a := range c.probe(c.a, address, p) {
		if a.status < 500 { // 0 is one that waited for longer than a client does
			t.Errorf("%s: %s", name, a)
		}
	}
	took := time.Since(began)
	c.pg.heal()
	recovered := max(recovery(t, c.a, p.AccessToken), recovery(t, c.b, p.AccessToken))
	if recovered > 5*time.Second {
		t.Errorf("recovery took %s", recovered)
	}
	c.b.refresh(p.RefreshToken).must(t)
	t.Logf("6 kinds of requests into a black hole: each failed, the last one after %s; recovery after %s", took.Round(100*time.Millisecond), recovered.Round(time.Millisecond))
}

// F28: when every connection waits for a lock, callers are told in time, and
// nobody is signed out.
func TestF28WhenEveryConnectionWaitsRequestsFailInTimeAndRecover(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "GATEHOUSE_DATABASE_MAX_CONNECTIONS=2")
	_, p := c.person(t)
	tx, err := c.db.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), "LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
	must(t, err)
	began := time.Now()
	for _, a := range together(16, func(i int) answer { return c.of(i).whoAmI(p.AccessToken) }) {
		a.wants(t, http.StatusInternalServerError, "ACCESS_TOKEN_ALLOWLIST_READING_FAILURE")
	}
	took := time.Since(began)
	must(t, tx.Rollback())
	for _, a := range together(16, func(i int) answer { return c.of(i).whoAmI(p.AccessToken) }) {
		a.must(t)
	}
	t.Logf("16 requests over two pools of 2 connections, all of which waited for a lock: each failed, the last one after %s; then all succeeded", took.Round(100*time.Millisecond))
}

// F28: a server that has become a standby is no place to be.
func TestF28AServerThatOnlyReadsFailsRequestsAndIsLeftWhenItWritesAgain(t *testing.T) {
	c := newCluster(t)
	address, p := c.person(t)
	become := func(onlyReads string) {
		c.exec(t, "ALTER SYSTEM SET default_transaction_read_only = "+onlyReads)
		c.exec(t, "SELECT pg_reload_conf()")
		eventually(t, "the server has changed", func() bool {
			var is string
			return c.db.QueryRowContext(t.Context(), "SHOW default_transaction_read_only").Scan(&is) == nil && is == onlyReads
		})
		must(t, c.pg.bounce())
	}
	become("on")
	defer func() {
		_, _ = c.db.ExecContext(context.Background(), "ALTER SYSTEM RESET default_transaction_read_only")
	}()
	for name, a := range c.probe(c.a, address, p) {
		if !a.failed() || a.status == 0 {
			t.Errorf("%s: %s", name, a)
		}
	}
	become("off")
	recovered := recovery(t, c.a, p.AccessToken)
	c.a.refresh(p.RefreshToken).must(t)
	t.Logf("6 kinds of requests while the server only read: each failed; recovery after %s", recovered.Round(time.Millisecond))
}

// F29: a full disk is a failure, never half a write and never a refusal.
func TestF29ADatabaseWithoutSpaceFailsWritesWholeAndServesReads(t *testing.T) {
	c := newCluster(t)
	address, p := c.person(t)
	c.exec(t, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`)
	for _, table := range []string{"outbox", "sessions", "refresh_grace"} { // the last things a change writes
		c.exec(t, "CREATE TRIGGER full_disk BEFORE INSERT ON "+table+" FOR EACH ROW EXECUTE FUNCTION full_disk()")
	}
	before := c.count(t, "SELECT count(*) FROM principals")
	for i := range 4 {
		c.of(i).register(newAddress()).wants(t, http.StatusInternalServerError, "DATABASE_FAILURE")
		c.of(i).signIn(address, password).wants(t, http.StatusInternalServerError, "DATABASE_FAILURE")
		c.of(i).refresh(p.RefreshToken).wants(t, http.StatusInternalServerError, "DATABASE_FAILURE")
		c.of(i).whoAmI(p.AccessToken).must(t)
	}
	if after := c.count(t, "SELECT count(*) FROM principals"); after != before {
		t.Errorf("%d users were stored in part", after-before)
	}
	for _, table := range []string{"outbox", "sessions", "refresh_grace"} {
		c.exec(t, "DROP TRIGGER full_disk ON "+table)
	}
	c.a.refresh(p.RefreshToken).must(t)
	c.b.register(newAddress()).must(t)
	t.Log("12 writes on a full disk: each failed and left nothing; 4 reads succeeded; then everything did")
}
