// Package gorm implements the outbound stores on PostgreSQL and SQLite: rows,
// statements, transactions and migrations. What is personal leaves it sealed
// by an [outbound.Vault]; which keys there are is not its business.
package gorm

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
)

var _ outbound.UnitOfWork = (*Store)(nil)

// Store is a [outbound.UnitOfWork] on a database.
type Store struct {
	db    *DB
	vault outbound.Vault
	limit time.Duration // of what Within does; zero is longest
}

// NewStore returns the stores in db. vault opens and seals what is personal.
func NewStore(db *DB, vault outbound.Vault) *Store { return &Store{db: db, vault: vault} }

// Patient returns the same stores for what an operator does with very many
// rows: a transaction may take an hour.
func (st *Store) Patient() *Store { return &Store{st.db, st.vault, time.Hour} }

// Within implements [outbound.UnitOfWork].
func (st *Store) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	limit := cmp.Or(st.limit, longest)
	return again(ctx, limit, func(ctx context.Context) error {
		return transact(ctx, limit, st.db.write, &sql.TxOptions{}, func(tx *gorm.DB) error {
			c := st.inside(tx, st.db.postgres)
			if limit > longest {
				if err := c.unlimited(ctx); err != nil {
					return err
				}
			}
			return fn(ctx, stores(c))
		})
	})
}

// View implements [outbound.UnitOfWork].
func (st *Store) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	opts := &sql.TxOptions{}
	if st.db.postgres {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return again(ctx, longest, func(ctx context.Context) error {
		return transact(ctx, longest, st.db.read, opts, func(tx *gorm.DB) error {
			return fn(ctx, stores(st.inside(tx, false)))
		})
	})
}

// Single implements [outbound.UnitOfWork].
func (st *Store) Single() outbound.Stores {
	c := st.db.single()
	c.safe = &safe{vault: st.vault}
	return stores(c)
}

func (st *Store) inside(tx *gorm.DB, lock bool) *conn {
	return &conn{
		write: tx, read: tx, postgres: st.db.postgres, inside: true, lock: lock,
		onScan: st.db.onScan, safe: &safe{vault: st.vault},
	}
}

func stores(c *conn) outbound.Stores {
	return outbound.Stores{
		Principals: principals{c}, Groups: groups{c}, Sessions: sessions{c}, OneTime: oneTime{c}, Outbox: outbox{c},
		Attempts: attempts{c}, Cooldowns: cooldowns{c}, Devices: devices{c}, Keys: keys{c}, Rotations: rotations{c},
		Rekeying: rekeying{c}, Restores: restores{c}, Erasures: erasures{c}, Files: files{c}, Entry: entry{c},
		Passkeys: passkeys{c},
		Trail:    trail{c},
		Apps:     apps{c}, Setups: setups{c}, RecoveryCodes: recoveryCodes{c}, MailedCodes: mailedCodes{c},
		Dossiers: dossiers{c},
	}
}

// conn is what the stores of one transaction, or of none, share.
type conn struct {
	write, read *gorm.DB // the same inside a transaction
	postgres    bool
	inside      bool                                                // of a transaction
	lock        bool                                                // rows that are read: SQLite has one writer at a time anyway
	onScan      func(ctx context.Context, query string, args []any) // see DB
	*safe
}

// atomically runs fn in the transaction there is, or else in one of its own.
func (c *conn) atomically(ctx context.Context, fn func(c *conn) error) error {
	if c.inside {
		return fn(c)
	}
	return again(ctx, longest, func(ctx context.Context) error {
		return transact(ctx, longest, c.write, &sql.TxOptions{}, func(tx *gorm.DB) error {
			own := *c
			own.write, own.read, own.inside = tx, tx, true
			return fn(&own)
		})
	})
}

// attempt runs one statement, which may be repeated unless a transaction
// around it is dead then.
func (c *conn) attempt(ctx context.Context, op string, statement func(ctx context.Context) error) error {
	if c.inside {
		return classify(op, statement(ctx))
	}
	return again(ctx, longest, func(ctx context.Context) error { return classify(op, statement(ctx)) })
}

// exec returns how many rows a statement changed.
func (c *conn) exec(ctx context.Context, op, query string, args ...any) (rows int, err error) {
	err = c.attempt(ctx, op, func(ctx context.Context) error {
		res := c.write.WithContext(ctx).Exec(query, values(args)...)
		rows = int(res.RowsAffected)
		return res.Error
	})
	return rows, err
}

// blob is bytes as one value. After a parenthesis GORM would take a []byte for
// a list of numbers.
type blob []byte

// Value implements [driver.Valuer].
func (b blob) Value() (driver.Value, error) { return []byte(b), nil }

// blobs are a list of such values.
func blobs(list [][]byte) []blob {
	out := make([]blob, len(list))
	for i, b := range list {
		out[i] = b
	}
	return out
}

func values(args []any) []any {
	out := slices.Clone(args)
	for i, a := range out {
		if b, ok := a.([]byte); ok {
			out[i] = blob(b)
		}
	}
	return out
}

// create inserts a row, or a slice of them.
func (c *conn) create(ctx context.Context, op string, rows any) error {
	return c.attempt(ctx, op, func(ctx context.Context) error { return c.write.WithContext(ctx).Create(rows).Error })
}

// remains are rows of a table that nobody needs: where a condition holds on by,
// which is indexed.
type remains struct {
	by, where string
	args      []any
}

// purge deletes at most limit rows of a table, and finds them in the order of
// an index: the server could only guess how many there are, and would read the
// whole table in the hope to come upon some soon. The conditions stand there
// twice, because Postgres repeats only the outer one on a row that changed
// while it waited for it.
func (c *conn) purge(ctx context.Context, table, key string, limit int, all ...remains) (int, error) {
	var found, dead []string
	var args []any
	for i, r := range all {
		found = append(found, fmt.Sprintf("SELECT * FROM (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d) AS r%d", key, table, r.where, r.by, limit, i))
		dead = append(dead, r.where)
		args = append(args, r.args...)
	}
	query := fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (%s LIMIT %d) AND (%s)",
		table, key, strings.Join(found, " UNION ALL "), limit, strings.Join(dead, " OR "))
	return c.exec(ctx, "purge "+table, query, append(args, args...)...)
}

// query returns the rows of a statement that only reads.
func query[T any](ctx context.Context, c *conn, op, query string, args ...any) ([]T, error) {
	return rowsOf[T](ctx, c, c.read, op, query, args...)
}

// returning returns the rows of a statement that writes.
func returning[T any](ctx context.Context, c *conn, op, query string, args ...any) ([]T, error) {
	return rowsOf[T](ctx, c, c.write, op, query, args...)
}

// count returns the number that a statement that writes answers with.
func (c *conn) count(ctx context.Context, op, query string, args ...any) (n int, err error) {
	rows, err := returning[number](ctx, c, op, query, args...)
	if err != nil {
		return 0, err
	}
	return rows[0].n, nil
}

type number struct{ n int }

func (r *number) fields() []any { return []any{&r.n} }

func missing(op string) error { return fmt.Errorf("%s: %w", op, outbound.ErrNotFound) }

// take returns the one row of a statement that only reads, or ErrNotFound.
func take[T any](ctx context.Context, c *conn, op, sql string, args ...any) (row T, err error) {
	rows, err := query[T](ctx, c, op, sql, args...)
	if err != nil {
		return row, err
	}
	if len(rows) == 0 {
		return row, missing(op)
	}
	return rows[0], nil
}

func rowsOf[T any](ctx context.Context, c *conn, db *gorm.DB, op, query string, args ...any) (rows []T, err error) {
	_, quick := any(new(T)).(fielded)
	err = c.attempt(ctx, op, func(ctx context.Context) error {
		rows = nil
		if quick {
			found, err := scan[T](ctx, c, db, query, args)
			rows = found
			return err
		}
		return db.WithContext(ctx).Raw(query, values(args)...).Find(&rows).Error
	})
	return rows, err
}

// fielded are rows that say where their columns go, in the order in which they
// are asked for. GORM asks each row by reflection and reads each statement anew,
// which takes longer than everything else about it: too long where requests
// wait. So these go past it; they cannot have lists for arguments.
type fielded interface{ fields() []any }

func scan[T any](ctx context.Context, c *conn, db *gorm.DB, query string, args []any) (all []T, err error) {
	if c.postgres {
		query = numbered(query)
	}
	if c.onScan != nil {
		c.onScan(ctx, query, args)
	}
	if pool, ok := db.Statement.ConnPool.(*sql.DB); ok && c.postgres {
		return direct[T](ctx, db, pool, query, args)
	}
	rows, err := db.Statement.ConnPool.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, translated(db, err)
	}
	defer func() {
		err = errors.Join(err, translated(db, rows.Err()), rows.Close())
	}()
	return collect[T](rows)
}

// cursor is what rows of database/sql and of pgx have in common.
type cursor interface {
	Next() bool
	Scan(into ...any) error
}

// collect reads rows to their end.
func collect[T any](rows cursor) (all []T, err error) {
	for rows.Next() {
		var row T
		if err := rows.Scan(any(&row).(fielded).fields()...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, nil
}

// sqlText is a statement for both engines, whose placeholders are numbered once
// rather than for each request.
type sqlText struct{ plain, numbered string }

func sqlOf(query string) sqlText { return sqlText{query, numbered(query)} }

// sql returns s as the engine of c wants it.
func (c *conn) sql(s sqlText) string {
	if c.postgres {
		return s.numbered
	}
	return s.plain
}

// numbered writes placeholders as PostgreSQL has them, and leaves them that are
// so already.
func numbered(query string) string {
	if !strings.Contains(query, "?") {
		return query
	}
	b := make([]byte, 0, len(query)+64)
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		if b = append(b, before...); !found {
			return string(b)
		}
		b = strconv.AppendInt(append(b, '$'), int64(n), 10)
		query = after
	}
}

// translated names what GORM has a name for, as it does by itself where it
// sees the error.
func translated(db *gorm.DB, err error) error {
	if t, ok := db.Dialector.(gorm.ErrorTranslator); ok && err != nil {
		return t.Translate(err)
	}
	return err
}

// orZero makes NULL the zero value of what a field holds.
func orZero(field any) any {
	switch f := field.(type) {
	case *string:
		return nullable[string]{f}
	case *int:
		return nullable[int]{f}
	case *bool:
		return nullable[bool]{f}
	}
	return field // bytes and instants are so by themselves
}

type nullable[T any] struct{ to *T }

// Scan implements [sql.Scanner].
func (n nullable[T]) Scan(v any) error {
	var read sql.Null[T]
	err := read.Scan(v)
	*n.to = read.V
	return err
}

// longest is how long a unit of work may take, its repetitions and the wait for
// a connection included. A server that answers keeps to limits of its own
// (faults §10); this is for one that does not.
const longest = 10 * time.Second

// transact begins and ends with a context that outlives the caller's, because
// a connection that is told to roll back after its context has ended is lost.
// fn's own error is returned as it is, others are classified.
func transact(ctx context.Context, limit time.Duration, db *gorm.DB, opts *sql.TxOptions, fn func(tx *gorm.DB) error) error {
	if err := ctx.Err(); err != nil {
		return classify("begin", err)
	}
	var own error
	err := db.WithContext(ctx).Connection(func(one *gorm.DB) error {
		life, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit+time.Second)
		defer cancel()
		tx := one.WithContext(life).Begin(opts)
		if tx.Error != nil {
			return tx.Error
		}
		defer tx.Rollback() // does nothing after the commit
		if own = fn(tx); own != nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return tx.Commit().Error
	})
	if own != nil {
		return own
	}
	return classify("transaction", err)
}

// classify turns errors of the library into the port's. op says what was
// attempted.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	_, known := errors.AsType[*fault.Error](err)
	switch {
	case known:
		return fmt.Errorf("%s: %w", op, err)
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return fmt.Errorf("%s: %w", op, outbound.ErrTaken)
	}
	return fault.New(fault.DatabaseFailure).Because(fmt.Errorf("%s: %w", op, err))
}

// unlimited takes the limits of the server off the transaction.
func (c *conn) unlimited(ctx context.Context) error {
	if !c.postgres {
		return nil
	}
	_, err := c.exec(ctx, "take limits off",
		"SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)")
	return err
}

// step is how much longer each wait for others is than the one before.
const step = 10 * time.Millisecond

// again runs fn, and runs it again when the database says that it may succeed
// then: after a deadlock, a serialization failure, or a change of the schema.
// It waits a little, to let those go first who were in its way.
func again(ctx context.Context, limit time.Duration, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := fn(ctx)
	for wait := step; wait <= 3*step && passing(err); wait += step {
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		err = fn(ctx)
	}
	return err
}
