package gorm

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// migrated opens a database with the current schema.
func migrated(t *testing.T, url string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{URL: url})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	check(t, db.Migrate(t.Context()))
	return db
}

// selected returns the rows of a query of one text each.
func selected(t *testing.T, db *DB, query string, args ...any) (out []string) {
	t.Helper()
	pool, err := db.read.DB()
	check(t, err)
	rows, err := pool.QueryContext(t.Context(), query, args...)
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		check(t, rows.Scan(&s))
		out = append(out, s)
	}
	check(t, rows.Err())
	return out
}

// Whoever adds a table says whether a move takes it, or why not.
func TestAMoveKnowsEveryTable(t *testing.T) {
	var names []string
	for _, k := range tables {
		names = append(names, k.name)
	}
	file, server := migrated(t, "sqlite://"+t.TempDir()+"/gatehouse.db"), migrated(t, pgtest.URL(t))
	inFile := selected(t, file, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	inServer := selected(t, server, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
	for where, there := range map[string][]string{"SQLite": inFile, "PostgreSQL": inServer} {
		for _, name := range there {
			if !slices.Contains(names, name) {
				t.Errorf("table %s of %s has no row in the list of tables", name, where)
			}
		}
		for _, name := range names {
			if !slices.Contains(there, name) {
				t.Errorf("there is no table %s in %s", name, where)
			}
		}
	}
	for i, k := range tables {
		for where, parents := range map[string][]string{
			"SQLite": selected(t, file, `SELECT "table" FROM pragma_foreign_key_list(?)`, k.name),
			"PostgreSQL": selected(t, server, "SELECT confrelid::regclass::text FROM pg_constraint "+
				"WHERE contype = 'f' AND conrelid = ($1::text)::regclass", k.name),
		} {
			for _, p := range parents {
				if at := slices.Index(names, p); at < 0 || at > i || tables[at].left != "" {
					t.Errorf("%s refers to %s in %s, which is not copied before it", k.name, p, where)
				}
			}
		}
	}
}

// Rows are read in the order of keys that are unique and compare as bytes.
func TestAMoveKnowsEveryKeyAndColumn(t *testing.T) {
	file, server := migrated(t, "sqlite://"+t.TempDir()+"/gatehouse.db"), migrated(t, pgtest.URL(t))
	pool, err := server.read.DB()
	check(t, err)
	for _, k := range tables {
		if k.left != "" {
			continue
		}
		want := strings.Join(k.key, " ")
		inFile := selected(t, file, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", k.name)
		inServer := selected(t, server, "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "+
			"WHERE i.indisprimary AND i.indrelid = ($1::text)::regclass ORDER BY array_position(i.indkey::int[], a.attnum::int)", k.name)
		if got := strings.Join(inFile, " "); got != want {
			t.Errorf("the key of %s is %q in SQLite, not %q", k.name, got, want)
		}
		if got := strings.Join(inServer, " "); got != want {
			t.Errorf("the key of %s is %q in PostgreSQL, not %q", k.name, got, want)
		}
		order := selected(t, server, "SELECT a.attname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation "+
			"WHERE a.attrelid = ($1::text)::regclass AND a.attname = ANY ($2) AND c.collname <> 'C'", k.name, k.key)
		if len(order) > 0 {
			t.Errorf("%s %v does not sort as bytes", k.name, order)
		}
		cols, err := columnsOf(t.Context(), pool, k)
		check(t, err)
		of := map[string]kind{}
		for i, name := range cols.names {
			of[name] = cols.kinds[i]
			if !slices.Contains([]kind{texts, bytes, booleans, numbers, instants}, cols.kinds[i]) {
				t.Errorf("%s.%s is %s, which a move does not know", k.name, name, cols.kinds[i])
			}
		}
		for _, name := range k.key {
			if of[name] != texts && of[name] != bytes && of[name] != numbers {
				t.Errorf("%s.%s is a key of type %s, where no move could go on", k.name, name, of[name])
			}
		}
		inTable := selected(t, file, "SELECT name FROM pragma_table_info(?) ORDER BY name", k.name)
		if slices.Sort(cols.names); !slices.Equal(inTable, cols.names) {
			t.Errorf("columns of %s: %v in SQLite, %v in PostgreSQL", k.name, inTable, cols.names)
		}
	}
}

func TestValuesMoveExactlyOrNotAtAll(t *testing.T) {
	noon := time.Date(2028, 2, 29, 12, 0, 0, 1000, time.UTC)
	for _, tc := range []struct {
		kind     kind
		in, want any // want nil: refused
	}{
		{texts, "Ådá\u2028", "Ådá\u2028"},
		{texts, "a\x00b", nil},
		{texts, "a\xffb", nil},
		{texts, []byte("a"), nil},
		{texts, int64(1), nil},
		{numbers, int64(-1 << 63), int64(-1 << 63)},
		{numbers, "1", nil},
		{booleans, int64(0), false},
		{booleans, int64(1), true},
		{booleans, int64(2), nil},
		{booleans, true, true},
		{numbers, true, nil},
		{instants, "2028-02-29 12:00:00.000001+00:00", noon},
		{instants, "2028-02-29 13:00:00.000001+01:00", noon},
		{instants, "2028-02-29 12:00:00.0000011+00:00", nil},
		{instants, "2028-02-30 12:00:00+00:00", nil},
		{instants, noon.In(time.FixedZone("", 3600)), noon},
		{instants, int64(1), nil},
		{bytes, "text", nil},
		{bytes, 1.5, nil},
		{texts, noon, nil},
	} {
		got, err := tc.kind.convert(tc.in)
		if err == nil != (tc.want != nil) || got != tc.want {
			t.Errorf("%v as %s = %v, %v, want %v", tc.in, tc.kind, got, err, tc.want)
		}
	}
	if got, err := bytes.convert([]byte{0, 0xff}); err != nil || string(got.([]byte)) != "\x00\xff" {
		t.Errorf("bytes = %v, %v", got, err)
	}
	for _, k := range []kind{texts, bytes, booleans, numbers, instants} {
		if got, err := k.convert(nil); got != nil || err != nil {
			t.Errorf("NULL as %s = %v, %v", k, got, err)
		}
	}
}

// The sum knows every value from every other, and its neighbour's from its own.
func TestSumsTellRowsApart(t *testing.T) {
	db := migrated(t, "sqlite://"+t.TempDir()+"/gatehouse.db")
	pool, err := db.write.DB()
	check(t, err)
	c := columns{
		table: table{name: "t", key: []string{"id"}}, names: []string{"id", "a", "b", "n", "y"},
		kinds: []kind{texts, texts, bytes, numbers, booleans},
	}
	_, err = pool.ExecContext(t.Context(), "CREATE TABLE t (id text PRIMARY KEY, a text, b blob, n integer, y integer) STRICT")
	check(t, err)
	seen := map[Sum]string{}
	for _, rows := range []string{
		"", "('1', 'a', x'62', 1, 1)", "('1', 'ab', x'', 1, 1)", "('1', 'ab', NULL, 1, 1)", "('1', '', x'6162', 1, 1)",
		"('1', 'a', x'62', 1, 0)", "('1', 'a', x'62', 0, 1)", "('1', 'a', x'62', -1, 1)", "('1', 'a', x'62', NULL, 1)",
		"('2', 'a', x'62', 1, 1)", "('1', 'a', x'62', 1, 1), ('2', 'a', x'62', 1, 1)",
	} {
		_, err := pool.ExecContext(t.Context(), "DELETE FROM t")
		check(t, err)
		if rows != "" {
			_, err = pool.ExecContext(t.Context(), "INSERT INTO t VALUES "+rows)
			check(t, err)
		}
		s := sumWithin(t.Context(), t, c, pool)
		if twin, ok := seen[s]; ok {
			t.Errorf("%q and %q have the same sum", rows, twin)
		}
		seen[s] = rows
	}
}

func sumWithin(ctx context.Context, t *testing.T, c columns, pool *sql.DB) Sum {
	t.Helper()
	s, err := c.sumOf(ctx, pool)
	check(t, err)
	return s
}
