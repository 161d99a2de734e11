package gorm

import (
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
)

func opened(t *testing.T, cfg Config) *DB {
	t.Helper()
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// ask returns the texts that a statement selects.
func ask(t *testing.T, db *DB, query string) (answer []string) {
	t.Helper()
	if err := db.write.Raw(query).Find(&answer).Error; err != nil {
		t.Fatal(err)
	}
	return answer
}

const asked = "SELECT current_setting(name) FROM unnest(ARRAY['statement_timeout', 'lock_timeout'," +
	" 'idle_in_transaction_session_timeout', 'synchronous_commit', 'application_name']) AS name"

func TestSessionsAreLimitedUnlessTheOperatorSaysOtherwise(t *testing.T) {
	owner := pgtest.URL(t)
	if err := opened(t, Config{URL: owner}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	role := pgtest.Role(t, owner, "statement_timeout = '7s'", "synchronous_commit = 'off'")
	for _, tc := range []struct {
		name, want string
		cfg        Config
	}{
		{"nothing said", "5s 2s 10s on gatehouse", Config{URL: owner}},
		{"by the URL", "5s 9s 10s local mine", Config{URL: owner + "&lock_timeout=9s&synchronous_commit=local&application_name=mine"}},
		{"by the role", "7s 2s 10s off gatehouse", Config{URL: role}},
		{"by both", "6s 2s 10s off gatehouse", Config{URL: role + "&statement_timeout=6s"}},
		{"by the role, behind a pooler", "7s 0 0 off gatehouse", Config{URL: role, Direct: owner}},
	} {
		if got := strings.Join(ask(t, opened(t, tc.cfg), asked), " "); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// A pooler lends the same session to others between two transactions.
func TestBehindAPoolerNothingStaysInASession(t *testing.T) {
	const left = "SELECT 'statement ' || statement FROM pg_prepared_statements" +
		" UNION ALL SELECT 'setting ' || name FROM pg_settings WHERE source = 'session'" +
		" UNION ALL SELECT 'lock ' || locktype FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"
	url := pgtest.URL(t)
	for name, tc := range map[string]struct {
		cfg  Config
		want bool
	}{
		"a pooler":                     {Config{URL: url, Direct: url, Connections: 1}, false},
		"a pooler that knows prepared": {Config{URL: url + "&default_query_exec_mode=cache_statement", Direct: url, Connections: 1}, true},
		"none":                         {Config{URL: url, Connections: 1}, true},
	} {
		db := opened(t, tc.cfg)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = NewStore(db, plainVault{}).Single().Principals.ByID(t.Context(), "u1")
		if got := ask(t, db, left); (len(got) > 0) != tc.want {
			t.Errorf("%s: left behind %q", name, got)
		}
	}
}

func TestThePoolKeepsToItsBounds(t *testing.T) {
	db := opened(t, Config{URL: pgtest.URL(t), Connections: 3, Lifetime: time.Nanosecond})
	first, second := ask(t, db, "SELECT pg_backend_pid()::text"), ask(t, db, "SELECT pg_backend_pid()::text")
	if first[0] == second[0] {
		t.Error("a connection is used past its time")
	}
	if got := db.Stats(); got.MaxOpenConnections != 3 {
		t.Errorf("%d connections at most, want 3", got.MaxOpenConnections)
	}
}
