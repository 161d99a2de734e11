package gorm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// table is one that a move knows.
type table struct {
	name string
	key  []string // its primary key
	left string   // why a move leaves its rows behind, "" if it takes them
	own  bool     // its rows are of one database, and no obstacle to a move into it
}

// tables are all there are, each after those it refers to. A test compares them
// with the schema.
var tables = []table{
	{name: "meta", key: []string{"name"}},
	{name: "keys", key: []string{"id"}},
	{name: "rotations", key: []string{"id"}},
	{name: "principals", key: []string{"id"}},
	{name: "groups", key: []string{"key"}},
	{name: "group_translations", key: []string{"group_key", "locale"}},
	{name: "group_members", key: []string{"group_key", "principal_id"}},
	{name: "identities", key: []string{"provider", "subject"}},
	{name: "sessions", key: []string{"id"}},
	{name: "refresh_grace", key: []string{"session_id", "presented"}},
	{name: "one_time", key: []string{"hash"}},
	{name: "outbox", key: []string{"id"}},
	{name: "attempts", key: []string{"key"}},
	{name: "cooldowns", key: []string{"key"}},
	{name: "totp_secrets", key: []string{"principal_id"}},
	{name: "totp_setups", key: []string{"principal_id"}},
	{name: "recovery_codes", key: []string{"principal_id", "hash"}},
	{name: "mailed_codes", key: []string{"principal_id"}},
	{name: "devices", key: []string{"principal_id", "key"}},
	{name: "erasures", key: []string{"id"}},
	{name: "files", key: []string{"key"}},
	{name: "passkeys", key: []string{"id"}},
	{name: "audit_chain", key: []string{"name"}},
	{name: "audit", key: []string{"seq"}},
	{name: "buckets", key: []string{"key"}, left: "counts requests of the last minutes"},
	{name: "moves", key: []string{"source"}, left: "tells of moves into the database it is in", own: true},
	{name: "goose_db_version", key: []string{"id"}, left: "tells of steps of the schema it is in", own: true},
}

// columns are those of a table in one order, and what is in them.
type columns struct {
	table
	names []string
	kinds []kind
}

// kind is what is in a column: how PostgreSQL calls its type.
type kind string

const (
	texts    kind = "text"
	bytes    kind = "bytea"
	booleans kind = "boolean"
	numbers  kind = "bigint"
	instants kind = "timestamp with time zone"
)

// columnsOf asks PostgreSQL, which is the stricter one about types. What is
// generated from other columns is left out.
func columnsOf(ctx context.Context, target *sql.DB, t table) (columns, error) {
	c := columns{table: t}
	rows, err := target.QueryContext(ctx, "SELECT column_name, data_type FROM information_schema.columns "+
		"WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position", t.name)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var k kind
		if err := rows.Scan(&name, &k); err != nil {
			return c, err
		}
		c.names, c.kinds = append(c.names, name), append(c.kinds, k)
	}
	return c, rows.Err()
}

func quoted(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

func (c columns) selection() string { return "SELECT " + quoted(c.names) + ` FROM "` + c.name + `"` }

// scan returns a row as PostgreSQL has it.
func (c columns) scan(rows *sql.Rows) ([]any, error) {
	row, into := make([]any, len(c.names)), make([]any, len(c.names))
	for i := range row {
		into[i] = &row[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	for i, k := range c.kinds {
		var err error
		if row[i], err = k.convert(row[i]); err != nil {
			return nil, fmt.Errorf("%s.%s of %q: %w", c.name, c.names[i], c.keyOf(row), err)
		}
	}
	return row, nil
}

// each calls fn with every row of a query, which selects all columns.
func (c columns) each(ctx context.Context, db *sql.DB, fn func(row []any), query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := c.scan(rows)
		if err != nil {
			return err
		}
		fn(row)
	}
	return rows.Err()
}

// convert returns a value of either database as PostgreSQL has it, and an
// error if it would not be exactly the same there.
func (k kind) convert(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil //nolint:nilnil // NULL
	case string:
		return k.fromText(v)
	case []byte:
		if k == bytes {
			return append([]byte{}, v...), nil // the driver of SQLite has nil for none, which would be NULL
		}
	case int64:
		return k.fromNumber(v)
	case bool:
		if k == booleans {
			return v, nil
		}
	case time.Time:
		if k == instants {
			return v.UTC(), nil
		}
	}
	return nil, fmt.Errorf("a %T is no %s", v, k)
}

func (k kind) fromText(s string) (any, error) {
	switch {
	case k == texts && utf8.ValidString(s) && !strings.Contains(s, "\x00"):
		return s, nil
	case k == texts:
		return nil, errors.New("the text is not one that PostgreSQL can hold")
	case k != instants:
		return nil, fmt.Errorf("a text is no %s", k)
	}
	t, err := time.Parse(sqliteTime, s)
	if err != nil {
		return nil, fmt.Errorf("not an instant: %w", err)
	}
	if exact := t.Truncate(time.Microsecond); !exact.Equal(t) {
		return nil, errors.New("the instant has more than microseconds")
	}
	return t.UTC(), nil
}

func (k kind) fromNumber(n int64) (any, error) {
	switch {
	case k == numbers:
		return n, nil
	case k == booleans && (n == 0 || n == 1):
		return n == 1, nil
	}
	return nil, fmt.Errorf("the number %d is no %s", n, k)
}
