package gorm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Config says which database, and how it is used.
type Config struct {
	// URL is postgres://… or sqlite:// and the path of a file, whose folder
	// belongs to one process at a time.
	URL string
	// Synchronous is SQLite's: OFF, NORMAL or FULL. "" is NORMAL, which may
	// lose the last commits when the power goes, but never when we are killed.
	Synchronous string
	// Connections bounds the connections to PostgreSQL; zero is 20.
	Connections int
	// Lifetime is how long a connection to PostgreSQL may be used, so that
	// load finds its way to a server that is new; zero is for ever.
	Lifetime time.Duration
	// Direct is another postgres://… of the same database, for what holds on to
	// a session: migrations and [DB.Listen]. It says that URL leads through a
	// pooler which lends a session for one transaction (PgBouncer); then
	// nothing is left behind in one: no prepared statements, no time limits,
	// which are for the role to have.
	Direct string
	// OnStatement, if set, is called before each statement but those that
	// begin and end transactions.
	OnStatement func(ctx context.Context)
}

// DB is a database that is open. The stores in it are made by [NewStore].
type DB struct {
	write, read *gorm.DB // the same on PostgreSQL
	postgres    bool
	direct      string                                              // URL of PostgreSQL, past any pooler
	lock        *os.File                                            // of the folder of an SQLite file
	onScan      func(ctx context.Context, query string, args []any) // what goes past GORM; nil for nobody
}

// Open connects to the database. It fails when there is none, when another
// process has the SQLite file, or when that file is damaged.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	db, err := openAny(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if told := cfg.OnStatement; told != nil {
		db.onScan = func(ctx context.Context, _ string, _ []any) { told(ctx) }
	}
	return db, nil
}

func openAny(ctx context.Context, cfg Config) (*DB, error) {
	scheme, path, _ := strings.Cut(cfg.URL, "://")
	switch scheme {
	case "postgres", "postgresql":
		return openPostgres(ctx, cfg)
	case "sqlite":
		db, err := openSQLite(ctx, path, cfg)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		return db, nil
	}
	return nil, errors.New("the URL of the database is neither postgres:// nor sqlite://") // it may hold a password
}

// single are statements of no transaction, which seal nothing.
func (db *DB) single() *conn {
	return &conn{write: db.write, read: db.read, postgres: db.postgres, onScan: db.onScan}
}

func wrap(d gorm.Dialector, cfg Config) (*gorm.DB, error) {
	db, err := gorm.Open(d, &gorm.Config{
		TranslateError:         true,
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		PrepareStmt:            d.Name() == "sqlite", // pgx does it by itself
		PrepareStmtMaxSize:     200,
		NowFunc:                func() time.Time { return time.Time{} }, // times come from the domain
		Logger:                 logger.Discard,                          // it would print values; errors are returned
	})
	if err != nil || cfg.OnStatement == nil {
		return db, err
	}
	count := func(tx *gorm.DB) { cfg.OnStatement(tx.Statement.Context) }
	on := db.Callback()
	return db, errors.Join(
		on.Create().Before("gorm:create").Register("gatehouse:statement", count),
		on.Query().Before("gorm:query").Register("gatehouse:statement", count),
		on.Update().Before("gorm:update").Register("gatehouse:statement", count),
		on.Delete().Before("gorm:delete").Register("gatehouse:statement", count),
		on.Row().Before("gorm:row").Register("gatehouse:statement", count),
		on.Raw().Before("gorm:raw").Register("gatehouse:statement", count),
	)
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	pool, err := db.read.DB()
	if err == nil {
		err = pool.PingContext(ctx)
	}
	return classify("ping", err)
}

// Stats tells how much the connections are in use: those to PostgreSQL, or
// those that write to SQLite, of which there is one.
func (db *DB) Stats() sql.DBStats {
	pool, err := db.write.DB()
	if err != nil {
		return sql.DBStats{}
	}
	return pool.Stats()
}

// Close closes all connections, then lets the next process have the file.
func (db *DB) Close() error {
	var errs []error
	for _, p := range db.pools() {
		errs = append(errs, p.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

func (db *DB) pools() (pools []*sql.DB) {
	for _, g := range []*gorm.DB{db.read, db.write} {
		if g == nil {
			continue
		}
		if p, err := g.DB(); err == nil {
			pools = append(pools, p)
		}
	}
	return pools
}
