package gorm

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// readers is how many connections read beside the one that writes.
const readers = 8

// levels are the values of the pragma synchronous.
var levels = map[string]string{"OFF": "0", "NORMAL": "1", "FULL": "2"}

// openSQLite opens the file twice: SQLite has one writer anyway, so writers
// queue for one connection instead of for the file's lock, and readers never
// wait for them.
func openSQLite(ctx context.Context, path string, cfg Config) (*DB, error) {
	level := cmp.Or(cfg.Synchronous, "NORMAL")
	if levels[level] == "" {
		return nil, fmt.Errorf("synchronous %q is neither OFF, NORMAL nor FULL", level)
	}
	if path == "" {
		return nil, errors.New("the URL names no file")
	}
	db := &DB{}
	if err := db.openPools(ctx, path, level, cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) openPools(ctx context.Context, path, level string, cfg Config) (err error) {
	if db.lock, err = lockFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := private(path); err != nil {
		return err
	}
	if db.write, err = sqlitePool(ctx, path, level, false, cfg); err != nil {
		return err
	}
	db.read, err = sqlitePool(ctx, path, level, true, cfg)
	return err
}

// lockFolder makes the folder and takes it for this process. The system lets
// go when the process ends, however it does.
func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "gatehouse.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("another process is using this folder; SQLite serves one at a time")
		}
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	return f, nil
}

// private makes the file if there is none, and keeps it from other users.
// SQLite gives its journal the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// sqlitePool has its pragmas in the DSN, because a PRAGMA statement would reach
// only one connection. A writer's transaction takes the lock when it begins:
// one that reads first could not wait for it later.
func sqlitePool(ctx context.Context, path, level string, read bool, cfg Config) (*gorm.DB, error) {
	q := url.Values{
		"_pragma": {
			"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(" + level + ")", "foreign_keys(1)",
			"query_only(" + digit(read) + ")",
		},
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"},
		"_txlock":      {"immediate"},
		"_dqs":         {"0"},
	}
	conns := 1
	if read {
		conns = readers
		q["_txlock"] = []string{"deferred"}
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	db, err := wrap(dialector{&sqlite.Dialector{Conn: pool}}, cfg)
	if err == nil {
		err = checkPragmas(ctx, pool, level, read)
	}
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return db, nil
}

func digit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// checkPragmas reads back what the DSN asked for, which the driver would
// ignore if it were misspelled, and whether the file is whole.
func checkPragmas(ctx context.Context, pool *sql.DB, level string, read bool) error {
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": levels[level], "busy_timeout": "5000", "foreign_keys": "1",
		"query_only": digit(read), "quick_check(1)": "ok",
	} {
		var got string
		if err := pool.QueryRowContext(ctx, "PRAGMA "+name).Scan(&got); err != nil {
			return fmt.Errorf("pragma %s: %w", name, err)
		}
		if got != want {
			return fmt.Errorf("pragma %s is %q, not %q", name, got, want)
		}
	}
	return nil
}

// dialector is GORM's SQLite dialect on the driver we link: GORM translates
// the errors of another one only.
type dialector struct{ *sqlite.Dialector }

// Translate implements [gorm.ErrorTranslator].
func (dialector) Translate(err error) error {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_PRIMARYKEY:
		return errors.Join(gorm.ErrDuplicatedKey, err)
	case codes.SQLITE_CONSTRAINT_FOREIGNKEY:
		return errors.Join(gorm.ErrForeignKeyViolated, err)
	}
	return err
}

func busy(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && e.Code()&0xff == codes.SQLITE_BUSY
}
