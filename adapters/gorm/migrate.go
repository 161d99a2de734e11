package gorm

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Migration is a step of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero while it is pending
}

// Migrate applies what is pending, one replica at a time.
func (db *DB) Migrate(ctx context.Context) error {
	return db.migrating(func(p *goose.Provider) error {
		if _, err := p.Up(ctx); err != nil {
			return err
		}
		return db.foldNames(ctx)
	})
}

// MigrateDown takes the latest step back, with the data it holds. It returns
// an error when there is none.
func (db *DB) MigrateDown(ctx context.Context) error {
	return db.migrating(func(p *goose.Provider) error {
		_, err := p.Down(ctx)
		return err
	})
}

// Status lists all steps, in order.
func (db *DB) Status(ctx context.Context) (out []Migration, err error) {
	err = db.migrating(func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		for _, m := range all {
			out = append(out, Migration{m.Source.Version, path.Base(m.Source.Path), m.AppliedAt})
		}
		return err
	})
	return out, err
}

// migrating does without the time limits of our other connections, since a
// step may take long.
func (db *DB) migrating(fn func(*goose.Provider) error) (err error) {
	pool, err := db.write.DB()
	dialect, name, opts := goose.DialectSQLite3, "sqlite", []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.postgres {
		c, err := settingsOf(db.direct, unlimited)
		if err != nil {
			return err
		}
		pool = stdlib.OpenDB(*c)
		defer func() { err = errors.Join(err, pool.Close()) }()
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return err
		}
		dialect, name, opts = goose.DialectPostgres, "postgres", append(opts, goose.WithSessionLocker(l))
	}
	if err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, pool, files, opts...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	return fn(p)
}

// SchemaCurrent returns an error when a step is pending. A newer schema is
// fine: steps keep it usable for the program before.
func (db *DB) SchemaCurrent(ctx context.Context) error {
	got, want, err := db.schema(ctx)
	if err == nil && got < want {
		err = fmt.Errorf("the schema is at step %d of %d", got, want)
	}
	return err
}

// schemaExact is as SchemaCurrent, and refuses a newer schema too: whoever
// takes everything has to know of everything.
func (db *DB) schemaExact(ctx context.Context) error {
	got, want, err := db.schema(ctx)
	switch {
	case err != nil:
		return err
	case got < want:
		return fmt.Errorf("the schema is at step %d of %d: migrate it first", got, want)
	case got > want:
		return fmt.Errorf("the schema is at step %d, and this program knows %d", got, want)
	}
	return nil
}

// schema returns the last step that was applied, and the last one there is.
func (db *DB) schema(ctx context.Context) (got, want int64, err error) {
	files, err := fs.Glob(migrations, "migrations/sqlite/*.sql")
	if err != nil {
		return 0, 0, err
	}
	if want, err = goose.NumericComponent(path.Base(files[len(files)-1])); err != nil {
		return 0, 0, err
	}
	err = db.read.WithContext(ctx).Raw("SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied").Find(&got).Error
	return got, want, classify("read schema version", err)
}
