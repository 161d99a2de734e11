package gorm_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/adapters/gorm"
	"gatehouse/domain/fault"
)

// Both dialects have the same history, and the same tables and columns.
func TestMigrationsComeInPairs(t *testing.T) {
	files := map[string][]string{}
	for _, dialect := range []string{"postgres", "sqlite"} {
		all, err := os.ReadDir(filepath.Join("migrations", dialect))
		must(t, err)
		for _, f := range all {
			files[dialect] = append(files[dialect], f.Name())
		}
	}
	if !slices.Equal(files["postgres"], files["sqlite"]) || len(files["sqlite"]) == 0 {
		t.Fatalf("migrations differ:\npostgres %v\nsqlite   %v", files["postgres"], files["sqlite"])
	}
	for _, name := range files["sqlite"] {
		for _, part := range []string{"-- +goose Up", "-- +goose Down"} {
			for _, dialect := range []string{"postgres", "sqlite"} {
				if text := read(t, dialect, name); !strings.Contains(text, part) {
					t.Errorf("%s/%s lacks %q", dialect, name, part)
				}
			}
		}
		if p, s := names(read(t, "postgres", name)), names(read(t, "sqlite", name)); !slices.Equal(p, s) {
			t.Errorf("%s: tables, columns or indexes differ:\npostgres %v\nsqlite   %v", name, p, s)
		}
	}
}

func read(t *testing.T, dialect, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("migrations", dialect, name))
	must(t, err)
	return string(b)
}

var named = regexp.MustCompile(`(?m)^(?:    ([a-z_]+) (?:text|blob|bytea|integer|bigint|boolean|timestamptz|date)|(CREATE|DROP|ALTER) .*)`)

// own is how PostgreSQL keeps rows, ties and counts them, which SQLite does in
// its own way, and what guards rows against other processes, which SQLite has
// none of.
var own = regexp.MustCompile(`(CREATE|DROP) (FUNCTION|TRIGGER|STATISTICS)|ALTER TABLE \w+( (SET|RESET) \(fillfactor| DROP CONSTRAINT|$)`)

// names are the columns and the other statements, in order.
func names(sql string) (out []string) {
	for _, m := range named.FindAllStringSubmatch(sql, -1) {
		switch {
		case m[1] != "":
			out = append(out, m[1])
		case !own.MatchString(m[0]):
			out = append(out, strings.Replace(m[0], "UNLOGGED ", "", 1)) // which SQLite does not have
		}
	}
	return out
}

func TestMigrateUpAndDown(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db := openEmpty(t, gorm.Config{URL: url})
		if db.SchemaCurrent(ctx) == nil {
			t.Error("an empty database passes for one with the current schema")
		}
		for range 2 { // up again must work after down, or down left something behind
			must(t, db.Migrate(ctx))
			must(t, db.Migrate(ctx)) // nothing is left to do
			must(t, db.SchemaCurrent(ctx))
			fill(t, gorm.NewStore(db, newVault(t)))
			status, err := db.Status(ctx)
			must(t, err)
			for _, m := range status {
				if m.AppliedAt.IsZero() || m.Version == 0 || !strings.HasSuffix(m.Name, ".sql") {
					t.Errorf("after Migrate: %+v", m)
				}
			}
			for range status {
				must(t, db.MigrateDown(ctx))
			}
			if db.SchemaCurrent(ctx) == nil {
				t.Error("a schema that was taken back passes for the current one")
			}
			if status, err = db.Status(ctx); err != nil || !status[0].AppliedAt.IsZero() {
				t.Errorf("after MigrateDown: %+v, %v", status, err)
			}
			if db.MigrateDown(ctx) == nil {
				t.Error("MigrateDown of an empty database = nil")
			}
		}
	})
}

func TestReplicasMayMigrateAtOnce(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		db := openEmpty(t, gorm.Config{URL: url})
		errs := make(chan error)
		const n = 3
		for range n {
			go func() { errs <- db.Migrate(t.Context()) }()
		}
		for range n {
			must(t, <-errs)
		}
		must(t, db.SchemaCurrent(t.Context()))
	})
}

func TestPingFailsWhenTheDatabaseIsClosed(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
		must(t, err)
		must(t, db.Ping(t.Context()))
		must(t, db.Close())
		if err := db.Ping(t.Context()); fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("Ping of a closed database = %v, want DATABASE_FAILURE", err)
		}
	})
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	for _, url := range []string{
		"", "mysql://user:canary@host/db", "sqlite://", "gatehouse.db", "postgres://user:canary@127.0.0.1:1/db?connect_timeout=1",
		"postgres://user:canary@127.0.0.1:x/db",
	} {
		db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
		if err == nil {
			t.Errorf("Open(%q) = nil", url)
			must(t, db.Close())
			continue
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("Open(%q) tells the password: %v", url, err)
		}
	}
}
