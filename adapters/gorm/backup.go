package gorm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// errNoFile is what backups of files cannot do for a server.
var errNoFile = errors.New("the database is no SQLite file")

func fileOf(dbURL string) (string, error) {
	path, ok := strings.CutPrefix(dbURL, "sqlite://")
	if !ok || path == "" {
		return "", errNoFile
	}
	return path, nil
}

// Backup writes the SQLite database at dbURL, as it is at one moment, to a new
// file, which it checks and which only we may read. The database may be in use
// meanwhile: it is read as any other reader would, and nobody waits.
func Backup(ctx context.Context, dbURL, file string) error {
	path, err := fileOf(dbURL)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("there is no database: %w", err)
	}
	if err := absent(file); err != nil {
		return err
	}
	part := file + ".part" // so that no half of a backup looks like one
	if err := claim(part); err != nil {
		return err
	}
	err = copyInto(ctx, path, part)
	if err == nil {
		err = whole(ctx, part)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return settle(part, file)
}

// absent fails if there is such a file.
func absent(file string) error {
	_, err := os.Lstat(file)
	switch {
	case err == nil:
		return fmt.Errorf("%s is there already", file)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// claim makes an empty file that was not there.
func claim(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// settle gives a file its name once all of it is on the disk.
func settle(from, to string) error {
	return errors.Join(flush(from), os.Rename(from, to), flush(filepath.Dir(to)))
}

func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func copyInto(ctx context.Context, path, file string) (err error) {
	pool, err := beside(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	if _, err := pool.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	return nil
}

// beside opens a file that may be another process's, and takes no lock but
// those of SQLite. It may write, or a journal that nobody else uses would be
// left behind; nothing we ask of it does.
func beside(path string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=rw&_pragma=busy_timeout(5000)"}
	return sql.Open("sqlite", u.String())
}

// whole fails unless the file is an undamaged database of ours that was served
// from.
func whole(ctx context.Context, file string) (err error) {
	pool, err := beside(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var verdict string
	if err := pool.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("check %s: %w", file, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%s is damaged: %s", file, verdict)
	}
	var keys, orphans int
	err = pool.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM pragma_foreign_key_check)").Scan(&keys, &orphans)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no database of Gatehouse: %w", file, err)
	case keys == 0:
		return fmt.Errorf("%s holds no keys, so nobody was ever served from it", file)
	case orphans > 0:
		return fmt.Errorf("%s is damaged: %d rows refer to nothing", file, orphans)
	}
	return nil
}

// Restore puts a file that [Backup] wrote where the SQLite database at dbURL
// is to be. It refuses while a process uses that folder or anything of a
// database is left there: a journal of another file would ruin this one.
// ready is called with the URL of a copy, and may change it. Only when it is
// content the copy takes its place, all at once.
func Restore(ctx context.Context, dbURL, file string, ready func(ctx context.Context, dbURL string) error) (err error) {
	path, err := fileOf(dbURL)
	if err != nil {
		return err
	}
	lock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := absent(path + suffix); err != nil {
			return fmt.Errorf("%w: move it away first", err)
		}
	}
	stage := path + ".restore"
	if err := os.RemoveAll(stage); err != nil { // of a restore that was killed
		return err
	}
	if err := os.Mkdir(stage, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	ours := filepath.Join(stage, filepath.Base(path))
	if err := duplicate(file, ours); err != nil {
		return err
	}
	if err := whole(ctx, ours); err != nil {
		return err
	}
	if err := ready(ctx, "sqlite://"+ours); err != nil {
		return err
	}
	if err := absent(ours + "-wal"); err != nil {
		return fmt.Errorf("the copy is still open: %w", err)
	}
	return settle(ours, path)
}

// duplicate copies what only we may read then.
func duplicate(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
