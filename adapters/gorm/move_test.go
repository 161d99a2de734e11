package gorm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/principal"
)

// crowded makes a source with one of everything, many guests, and values that
// are easily mistaken for others.
func crowded(t *testing.T) (url string) {
	t.Helper()
	url = served(t)
	db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	must(t, err)
	s := gorm.NewStore(db, newVault(t)).Single()
	for i := range 25 {
		must(t, s.Principals.Add(t.Context(), principal.NewGuest(principal.ID(fmt.Sprintf("g%02d", i)), "Gå\u2028st", now)))
	}
	_, err = s.Restores.Raise(t.Context(), 3)
	must(t, err)
	must(t, db.Close())
	raw(t, url, func(ctx context.Context, db execer) {
		for _, rows := range []string{
			"cooldowns VALUES (x'', '0001-01-01 00:00:00+00:00')", "cooldowns VALUES (x'00', '9999-12-31 23:59:59.999999+00:00')",
			"cooldowns VALUES (x'00ff', '2028-02-29 12:00:00.1+00:00')", "cooldowns VALUES (x'ff', '2028-02-29 12:00:00+00:00')",
			"attempts VALUES (x'80', 9223372036854775807, NULL)", "attempts VALUES (x'7f', -1, NULL)",
			"meta VALUES ('', ''), ('Z', 'é'), ('a', '\\'), ('é', 'NULL')",
			"keys (id, purpose, algorithm, state, material, wrapper_id, created_at)" +
				" VALUES ('B', 'signing', '', 'old', x'', '', '2028-02-29 12:00:00+00:00'), ('a', 'signing', '', 'old', x'00', '', '2028-02-29 12:00:00+00:00')",
			"erasures VALUES ('u0', '2028-02-29 12:00:00.1+00:00')",
			"rotations VALUES ('r', '2028-02-29 12:00:00+00:00', NULL, '[]', 'é', '2028-02-29 12:00:00.5+00:00', 3)",
		} {
			_, err := db.ExecContext(ctx, "INSERT INTO "+rows)
			must(t, err)
		}
	})
	return url
}

func differing(all []gorm.Moved) (names []string) {
	for _, m := range all {
		if !m.Same() {
			names = append(names, m.Table)
		}
	}
	return names
}

func TestAMoveTakesEverything(t *testing.T) {
	from, to := crowded(t), pgtest.URL(t)
	all, err := gorm.Move{From: from, To: to}.Do(t.Context())
	must(t, err)
	if d := differing(all); len(d) > 0 {
		t.Errorf("tables that differ: %v", d)
	}
	for _, m := range all {
		if m.Source.Rows == 0 {
			t.Errorf("%s is empty, so this test shows nothing of it", m.Table)
		}
	}
	db := openEmpty(t, gorm.Config{URL: to})
	must(t, db.SchemaCurrent(t.Context()))
	must(t, db.Complete(t.Context()))
	s := gorm.NewStore(db, newVault(t)).Single()
	for name, look := range looks {
		if err := look(t.Context(), s); err != nil {
			t.Errorf("%s in the target: %v", name, err)
		}
	}
	if epoch, err := s.Restores.Epoch(t.Context()); epoch != 3 || err != nil {
		t.Errorf("restore epoch %d, %v", epoch, err)
	}
	if _, err := (gorm.Move{From: from, To: to}).Do(t.Context()); err == nil || !strings.Contains(err.Error(), "was finished") {
		t.Errorf("the same move again = %v", err)
	}
}

// Each run is cut off a little later than the one before.
func TestAMoveGoesOnWhereItWasCutOff(t *testing.T) {
	from, to := crowded(t), pgtest.URL(t)
	once := map[string]int{}
	for n := 0; ; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		left := 2
		all, err := gorm.Move{From: from, To: to, Batch: 6, Copied: func(table string, rows int) {
			once[table] += rows
			if left--; left == 0 {
				cancel()
			}
		}}.Do(ctx)
		cancel()
		if err == nil {
			if n < 4 {
				t.Errorf("it was cut off %d times only", n)
			}
			for _, m := range all {
				if !m.Same() || once[m.Table] != m.Source.Rows {
					t.Errorf("%s: %d rows, %d in the target, %d were written", m.Table, m.Source.Rows, m.Target.Rows, once[m.Table])
				}
			}
			break
		}
		if !errors.Is(err, context.Canceled) || n > 100 {
			t.Fatal(err)
		}
		db := openEmpty(t, gorm.Config{URL: to})
		if err := db.Complete(t.Context()); err == nil || !strings.Contains(err.Error(), "run it again") {
			t.Errorf("half a database passes for one: %v", err)
		}
	}
	must(t, openEmpty(t, gorm.Config{URL: to}).Complete(t.Context()))
}

// Whatever is different afterwards is found, and nobody is served.
func TestAMoveFindsWhatDiffers(t *testing.T) {
	for name, tc := range map[string]struct {
		in     string // source or target
		change string
		table  string
	}{
		"a changed value":   {"source", "UPDATE principals SET token_gen = token_gen + 1 WHERE id = 'u1'", "principals"},
		"a changed instant": {"target", "UPDATE cooldowns SET until = until + interval '1 microsecond' WHERE key = '\\x00'", "cooldowns"},
		"a row less":        {"target", "DELETE FROM keys WHERE id = 'B'", "keys"},
		"a row more": {"target", "INSERT INTO keys (id, purpose, algorithm, state, material, wrapper_id, created_at)" +
			" SELECT 'a0', purpose, algorithm, state, material, wrapper_id, created_at FROM keys WHERE id = 'a'", "keys"},
		"a row less before": {"source", "DELETE FROM meta WHERE name = 'Z'", "meta"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := crowded(t), pgtest.URL(t)
			ctx, cancel := context.WithCancel(t.Context())
			_, err := gorm.Move{From: from, To: to, Copied: func(table string, _ int) {
				if table == "devices" { // the last one
					cancel()
				}
			}}.Do(ctx)
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			raw(t, map[string]string{"source": from, "target": to}[tc.in], func(ctx context.Context, db execer) {
				_, err := db.ExecContext(ctx, tc.change)
				must(t, err)
			})
			all, err := gorm.Move{From: from, To: to}.Do(t.Context())
			if d := differing(all); !errors.Is(err, gorm.ErrMoveDiffers) || len(d) != 1 || d[0] != tc.table {
				t.Errorf("%v differ, %v, want %s", d, err, tc.table)
			}
			if openEmpty(t, gorm.Config{URL: to}).Complete(t.Context()) == nil {
				t.Error("what differs passes for complete")
			}
		})
	}
}

func TestAMoveRefusesWhatItCouldRuin(t *testing.T) {
	used := func(t *testing.T) string {
		url := pgtest.URL(t)
		fill(t, gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t)))
		return url
	}
	others := func(t *testing.T) string {
		url := pgtest.URL(t)
		_, err := gorm.Move{From: crowded(t), To: url}.Do(t.Context())
		must(t, err)
		return url
	}
	old := func(t *testing.T) string {
		url := served(t)
		db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
		must(t, err)
		must(t, db.MigrateDown(t.Context()))
		must(t, db.Close())
		return url
	}
	young := func(t *testing.T) string {
		url := served(t)
		raw(t, url, func(ctx context.Context, db execer) {
			_, err := db.ExecContext(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
			must(t, err)
		})
		return url
	}
	inUse := func(t *testing.T) string {
		url := served(t)
		openEmpty(t, gorm.Config{URL: url})
		return url
	}
	for name, tc := range map[string]struct {
		from, to func(*testing.T) string
		want     string
	}{
		"a target in use":        {served, used, "is not empty"},
		"another move's target":  {served, others, "another database"},
		"a source in use":        {inUse, pgtestURL, "another process"},
		"an old source":          {old, pgtestURL, "migrate it first"},
		"a source of the future": {young, pgtestURL, "this program knows"},
		"no source":              {sqliteURL, pgtestURL, "there is no source"},
		"a server as source":     {pgtestURL, pgtestURL, "no SQLite file"},
		"a file as target":       {served, sqliteURL, "no PostgreSQL"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := tc.from(t), tc.to(t)
			_, err := gorm.Move{From: from, To: to}.Do(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Do = %v, want %q", err, tc.want)
			}
			for url, made := range map[string]bool{from: name == "no source", to: name == "a file as target"} {
				if _, err := os.Stat(fileOf(url)); made && err == nil {
					t.Errorf("%s was made", fileOf(url))
				}
			}
		})
	}
}

func pgtestURL(t *testing.T) string { return pgtest.URL(t) }

// What PostgreSQL could not hold stops a move, and says where it is.
func TestAMoveLosesNothingSilently(t *testing.T) {
	from := served(t)
	raw(t, from, func(ctx context.Context, db execer) {
		_, err := db.ExecContext(ctx, "UPDATE principals SET name = CAST(x'61ff' AS text)")
		must(t, err)
	})
	to := pgtest.URL(t)
	_, err := gorm.Move{From: from, To: to}.Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), `principals.name of ["u1"]`) {
		t.Errorf("Do = %v", err)
	}
}
