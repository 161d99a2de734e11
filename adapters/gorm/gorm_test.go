package gorm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/vault"
	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestStoresOnSQLite(t *testing.T) {
	outboundtest.Stores(t, func(t *testing.T) outbound.UnitOfWork {
		return gorm.NewStore(open(t, gorm.Config{URL: sqliteURL(t)}), newVault(t))
	})
}

func TestStoresOnPostgres(t *testing.T) {
	outboundtest.Stores(t, emptied(t, gorm.Config{URL: pgtest.URL(t)}))
}

func TestStoresBehindAPooler(t *testing.T) {
	url := pgtest.URL(t)
	outboundtest.Stores(t, emptied(t, gorm.Config{URL: url, Direct: url}))
}

// emptied makes stores that are empty, all in one database of PostgreSQL: to
// make its tables takes longer than most tests.
func emptied(t *testing.T, cfg gorm.Config) func(t *testing.T) outbound.UnitOfWork {
	t.Helper()
	db := open(t, cfg)
	var wipe string
	raw(t, cfg.URL, func(ctx context.Context, sql execer) {
		must(t, sql.QueryRowContext(ctx, "SELECT 'SET LOCAL session_replication_role = replica;' ||"+ // which lets even the trail be emptied
			" string_agg(format('DELETE FROM %I', tablename), ';') FROM pg_tables"+
			" WHERE schemaname = current_schema() AND tablename <> 'goose_db_version'").Scan(&wipe))
	})
	return func(t *testing.T) outbound.UnitOfWork {
		t.Helper()
		raw(t, cfg.URL+"&default_query_exec_mode=simple_protocol", func(ctx context.Context, sql execer) {
			_, err := sql.ExecContext(ctx, wipe)
			must(t, err)
		})
		return gorm.NewStore(db, newVault(t))
	}
}

// databases runs a test on both.
func databases(t *testing.T, run func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { run(t, sqliteURL(t)) })
	t.Run("postgres", func(t *testing.T) { run(t, pgtest.URL(t)) })
}

func sqliteURL(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "gatehouse.db") }

// template is a SQLite database with the current schema: to make one takes
// longer than most tests.
var template struct {
	sync.Mutex

	file []byte
}

// unfold puts the template where there is no database yet.
func unfold(t *testing.T, file string) {
	t.Helper()
	template.Lock()
	defer template.Unlock()
	if template.file == nil {
		at := filepath.Join(t.TempDir(), "template.db")
		db, err := gorm.Open(t.Context(), gorm.Config{URL: "sqlite://" + at})
		must(t, err)
		must(t, errors.Join(db.Migrate(t.Context()), db.Close()))
		template.file, err = os.ReadFile(at)
		must(t, err)
	}
	must(t, os.WriteFile(file, template.file, 0o600))
}

// open returns a database with the current schema.
func open(t *testing.T, cfg gorm.Config) *gorm.DB {
	t.Helper()
	if file, ok := strings.CutPrefix(cfg.URL, "sqlite://"); ok {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			unfold(t, file)
		}
	}
	db := openEmpty(t, cfg)
	must(t, db.Migrate(t.Context()))
	return db
}

func openEmpty(t *testing.T, cfg gorm.Config) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func newVault(t testing.TB) *vault.Vault {
	t.Helper()
	opened := func(p key.Purpose, algorithm string, fill byte) key.Opened {
		return key.Opened{
			Key:      key.Key{ID: string(p), Purpose: p, Algorithm: algorithm, State: key.Current, CreatedAt: time.Unix(0, 0)},
			Material: key.NewMaterial(bytes.Repeat([]byte{fill}, 32)),
		}
	}
	index := opened(key.BlindIndex, "HS256", 2)
	index.Slot = key.FirstSlot
	v, err := vault.New([]key.Opened{opened(key.Encryption, "A256GCM", 1)}, []key.Opened{index}, nil)
	must(t, err)
	return v
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
