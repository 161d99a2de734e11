package gorm

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Move copies a database from SQLite to PostgreSQL while nobody is served from
// either. Sealed columns stay as they are: they are bound to table, column and
// row, and those remain.
type Move struct {
	From string // sqlite://…, with the current schema
	To   string // postgres://…, empty, or left by the same move; past any pooler

	Batch  int                          // rows written at once; zero is 500
	Copied func(table string, rows int) // is told of every batch
}

// Moved is a table that was copied, on both sides.
type Moved struct {
	Table  string
	Source Sum
	Target Sum
}

// Same reports whether all is there, and nothing else.
func (m Moved) Same() bool { return m.Source == m.Target }

// ErrMoveDiffers is how [Move.Do] fails when the copy is none.
var ErrMoveDiffers = errors.New("source and target differ: one of them was changed since the move began; empty the target and begin again")

// Do moves, and goes on where an earlier call was interrupted, however that
// ended. It returns how all tables that were copied compare, also with
// [ErrMoveDiffers]. Until it has succeeded, [DB.Complete] of the target fails.
func (m Move) Do(ctx context.Context) (all []Moved, err error) {
	r := &mover{Move: m}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.claim(ctx); err != nil {
		return nil, err
	}
	for _, t := range r.tables {
		if err := r.copy(ctx, t); err != nil {
			return nil, fmt.Errorf("move %s: %w", t.name, err)
		}
	}
	return r.finish(ctx)
}

// LeftBehind returns the tables whose rows a move does not copy, and why.
func LeftBehind() map[string]string {
	left := map[string]string{}
	for _, t := range tables {
		if t.left != "" && !t.own {
			left[t.name] = t.left
		}
	}
	return left
}

type mover struct {
	Move
	from, to       *DB
	source, target *sql.DB // target has no time limits
	id             string  // of the source
	tables         []columns
}

func (r *mover) close() error {
	var errs []error
	if r.target != nil {
		errs = append(errs, r.target.Close())
	}
	for _, db := range []*DB{r.to, r.from} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func (r *mover) open(ctx context.Context) (err error) {
	path, err := fileOf(r.From)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if !strings.HasPrefix(r.To, "postgres") { // or a file would be made
		return errors.New("the target is no PostgreSQL server")
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("there is no source: %w", err)
	}
	if r.from, err = Open(ctx, Config{URL: r.From}); err != nil {
		return err
	}
	if err := r.from.schemaExact(ctx); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if r.source, err = r.from.read.DB(); err != nil {
		return err
	}
	if r.to, err = Open(ctx, Config{URL: r.To, Connections: 2}); err != nil {
		return err
	}
	if err := r.to.Migrate(ctx); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if err := r.to.schemaExact(ctx); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	return r.prepare(ctx)
}

func (r *mover) prepare(ctx context.Context) error {
	c, err := settingsOf(r.to.direct, unlimited)
	if err != nil {
		return err
	}
	r.target = stdlib.OpenDB(*c)
	for _, t := range tables {
		if t.left != "" {
			continue
		}
		cols, err := columnsOf(ctx, r.target, t)
		if err != nil {
			return fmt.Errorf("read columns of %s: %w", t.name, err)
		}
		r.tables = append(r.tables, cols)
	}
	// The source gets a name, so that another one is not taken for it.
	const naming = "INSERT OR IGNORE INTO meta (name, value) VALUES ('id', lower(hex(randomblob(16))))"
	if err := r.from.write.WithContext(ctx).Exec(naming).Error; err != nil {
		return fmt.Errorf("name the source: %w", err)
	}
	return r.source.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'id'").Scan(&r.id)
}

// claim makes the target that of this move, unless it is anybody's already.
func (r *mover) claim(ctx context.Context) (err error) {
	tx, err := r.target.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, "LOCK TABLE moves IN EXCLUSIVE MODE"); err != nil {
		return err
	}
	var finished sql.NullTime
	var source string
	err = tx.QueryRowContext(ctx, "SELECT source, finished_at FROM moves ORDER BY source LIMIT 1").Scan(&source, &finished)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	case source != r.id:
		return errors.New("another database has been moved to the target, or is about to be")
	case finished.Valid:
		return fmt.Errorf("this move was finished at %s", finished.Time.UTC())
	default:
		return nil // goes on
	}
	if err := vacant(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO moves (source, started_at) VALUES ($1, now())", r.id); err != nil {
		return err
	}
	return tx.Commit()
}

func vacant(ctx context.Context, tx *sql.Tx) error {
	for _, t := range tables {
		if t.own {
			continue
		}
		var used bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM "`+t.name+`")`).Scan(&used); err != nil {
			return err
		}
		if used {
			return fmt.Errorf("the target is in use: its table %s is not empty", t.name)
		}
	}
	return nil
}

// copy copies what comes after the last row that is there. Batches are written
// whole and in order, so nothing before it is missing.
func (r *mover) copy(ctx context.Context, c columns) error {
	last, err := r.last(ctx, c)
	if err != nil {
		return err
	}
	limit := cmp.Or(r.Batch, 500)
	for {
		where := ""
		if last != nil {
			where = " WHERE (" + quoted(c.key) + ") > (" + strings.TrimSuffix(strings.Repeat("?, ", len(last)), ", ") + ")"
		}
		var batch [][]any
		err := c.each(ctx, r.source, func(row []any) { batch = append(batch, row) },
			fmt.Sprintf("%s%s ORDER BY %s LIMIT %d", c.selection(), where, quoted(c.key), limit), last...)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if len(batch) == 0 {
			return nil
		}
		if err := r.write(ctx, c, batch); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		last = c.keyOf(batch[len(batch)-1])
		if r.Copied != nil {
			r.Copied(c.name, len(batch))
		}
	}
}

func (c columns) keyOf(row []any) (key []any) {
	for _, name := range c.key {
		for i, n := range c.names {
			if n == name {
				key = append(key, row[i])
			}
		}
	}
	return key
}

// last returns the key of the last row in the target, nil if there is none.
func (r *mover) last(ctx context.Context, c columns) (key []any, err error) {
	err = c.each(ctx, r.target, func(row []any) { key = c.keyOf(row) },
		c.selection()+" ORDER BY "+strings.ReplaceAll(quoted(c.key), ",", " DESC,")+" DESC LIMIT 1")
	if err != nil {
		return nil, fmt.Errorf("find where to go on: %w", err)
	}
	return key, nil
}

// write writes all of a batch or nothing.
func (r *mover) write(ctx context.Context, c columns, batch [][]any) error {
	conn, err := r.target.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // back to the pool
	return conn.Raw(func(driver any) error {
		pg := driver.(*stdlib.Conn).Conn() //nolint:forcetypeassert // the pool was made with it
		_, err := pg.CopyFrom(ctx, pgx.Identifier{c.name}, c.names, pgx.CopyFromRows(batch))
		return err
	})
}

// finish compares, and lets others use the target if it is the same.
func (r *mover) finish(ctx context.Context) (all []Moved, err error) {
	same := true
	for _, c := range r.tables {
		m := Moved{Table: c.name}
		if m.Source, err = c.sumOf(ctx, r.source); err != nil {
			return nil, fmt.Errorf("read %s of the source: %w", c.name, err)
		}
		if m.Target, err = c.sumOf(ctx, r.target); err != nil {
			return nil, fmt.Errorf("read %s of the target: %w", c.name, err)
		}
		same = same && m.Same()
		all = append(all, m)
	}
	if !same {
		return all, ErrMoveDiffers
	}
	_, err = r.target.ExecContext(ctx, "UPDATE moves SET finished_at = now() WHERE source = $1", r.id)
	return all, err
}

// Complete returns an error while a move into the database is not finished.
func (db *DB) Complete(ctx context.Context) error {
	var unfinished int
	err := db.read.WithContext(ctx).Raw("SELECT count(*) FROM moves WHERE finished_at IS NULL").Find(&unfinished).Error
	if err != nil {
		return classify("look for moves", err)
	}
	if unfinished > 0 {
		return errors.New("a move into this database is not finished: run it again")
	}
	return nil
}
