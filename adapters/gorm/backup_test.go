package gorm_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/adapters/gorm"
	"gatehouse/domain/key"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// served makes a database that looks like one that was served from, and is
// closed.
func served(t *testing.T) (url string) {
	t.Helper()
	url = sqliteURL(t)
	db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	must(t, err)
	must(t, db.Migrate(t.Context()))
	fill(t, gorm.NewStore(db, newVault(t)))
	must(t, db.Keys().Add(t.Context(), key.Wrapped{
		Key: key.Key{ID: "k1", Purpose: key.Signing, Algorithm: "ES256", State: key.Current, CreatedAt: now}, Material: []byte{1}, WrapperID: "w",
	}))
	must(t, db.Close())
	return url
}

// looks open what is sealed in what [fill] wrote.
var looks = map[string]func(context.Context, outbound.Stores) error{
	"principal": openPrincipal, "access": openAccess, "address": openByEmail, "list": openList, "pair": openPair,
	"link": openLink, "notice": openNotice, "passkey": openPasskey,
}

func content(context.Context, string) error { return nil }

func TestABackupIsTheDatabaseAsItWas(t *testing.T) {
	url := served(t)
	db := openEmpty(t, gorm.Config{URL: url})
	file := filepath.Join(t.TempDir(), "backup.db")
	must(t, gorm.Backup(t.Context(), url, file)) // the database is open
	later := ada()
	later.ID, later.Email, later.Identities = "u2", address(t, "later@example.com"), nil
	st := gorm.NewStore(db, newVault(t))
	must(t, st.Single().Principals.Add(t.Context(), restored(t, later)))

	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	to := sqliteURL(t)
	must(t, gorm.Restore(t.Context(), to, file, content))
	back := gorm.NewStore(openEmpty(t, gorm.Config{URL: to}), newVault(t)).Single()
	for name, call := range looks {
		if err := call(t.Context(), back); err != nil {
			t.Errorf("%s of the restored database: %v", name, err)
		}
	}
	if _, err := back.Principals.ByID(t.Context(), "u2"); err == nil {
		t.Error("the backup knows what came later")
	}
}

// The other process writes all the time, and has much in its journal.
func TestABackupOfAnotherProcessesDatabaseDisturbsNobody(t *testing.T) {
	url := served(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKeepWriting$")
	cmd.Env = append(os.Environ(), child+"="+url)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	for _, name := range []string{"1", "2", "3"} {
		file := filepath.Join(t.TempDir(), name)
		must(t, gorm.Backup(t.Context(), url, file))
		to := sqliteURL(t)
		must(t, gorm.Restore(t.Context(), to, file, content))
	}
	must(t, in.Close())
	said, err := io.ReadAll(lines)
	must(t, err)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the other process: %v\n%s", err, said)
	}
}

// TestKeepWriting is the other process.
func TestKeepWriting(t *testing.T) {
	url := os.Getenv(child)
	if url == "" {
		return
	}
	st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t)).Single()
	told := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		close(told)
	}()
	os.Stdout.WriteString("open\n")
	for {
		must(t, st.Attempts.Save(t.Context(), guesser, throttle.State{}.Count(now)))
		select {
		case <-told:
			return
		default:
		}
	}
}

func TestABackupOverwritesNothing(t *testing.T) {
	url := served(t)
	for name, files := range map[string][]string{
		"a file": {"backup.db"}, "half of one": {"backup.db.part"},
	} {
		dir := t.TempDir()
		for _, f := range files {
			must(t, os.WriteFile(filepath.Join(dir, f), []byte("precious"), 0o600))
		}
		if err := gorm.Backup(t.Context(), url, filepath.Join(dir, "backup.db")); err == nil {
			t.Errorf("a backup over %s = nil", name)
		}
		for _, f := range files {
			if b, err := os.ReadFile(filepath.Join(dir, f)); string(b) != "precious" {
				t.Errorf("%s: %s is %q, %v", name, f, b, err)
			}
		}
	}
}

func TestABackupThatFailsLeavesNothing(t *testing.T) {
	url := sqliteURL(t)
	open(t, gorm.Config{URL: url}) // no keys
	dir := t.TempDir()
	for name, from := range map[string]string{
		"no keys": url, "no database": sqliteURL(t), "no file": "postgres://127.0.0.1/db", "no URL": "sqlite://",
	} {
		if err := gorm.Backup(t.Context(), from, filepath.Join(dir, "backup.db")); err == nil {
			t.Errorf("%s: Backup = nil", name)
		}
	}
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestARestoreOverwritesNothing(t *testing.T) {
	url := served(t)
	db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	must(t, err)
	file := filepath.Join(t.TempDir(), "backup.db")
	must(t, gorm.Backup(t.Context(), url, file))
	if err := gorm.Restore(t.Context(), url, file, content); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a restore while the database is open = %v", err)
	}
	must(t, db.Close())
	for _, left := range []string{"", "-wal", "-shm", "-journal"} {
		to := sqliteURL(t)
		must(t, os.WriteFile(fileOf(to)+left, []byte("precious"), 0o600))
		if err := gorm.Restore(t.Context(), to, file, content); err == nil || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("a restore beside a database%s = %v", left, err)
		}
		if b, err := os.ReadFile(fileOf(to) + left); string(b) != "precious" {
			t.Errorf("database%s is %q, %v", left, b, err)
		}
	}
}

func TestARestoreThatFailsLeavesNothing(t *testing.T) {
	url := served(t)
	good := filepath.Join(t.TempDir(), "backup.db")
	must(t, gorm.Backup(t.Context(), url, good))
	b, err := os.ReadFile(good)
	must(t, err)
	for i := 4096; i < len(b); i += 64 {
		b[i] ^= 0x55
	}
	damaged, empty := filepath.Join(t.TempDir(), "damaged"), filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(damaged, b, 0o600))
	must(t, os.WriteFile(empty, nil, 0o600))
	refused := errors.New("not content")
	for _, tc := range []struct {
		name, file string
		ready      error
	}{
		{"a damaged file", damaged, nil},
		{"an empty file", empty, nil},
		{"no file", filepath.Join(t.TempDir(), "none"), nil},
		{"a file that nobody is content with", good, refused},
	} {
		to := sqliteURL(t)
		for range 2 {
			err := gorm.Restore(t.Context(), to, tc.file, func(context.Context, string) error { return tc.ready })
			if err == nil || tc.ready != nil && !errors.Is(err, tc.ready) {
				t.Errorf("a restore of %s = %v", tc.name, err)
			}
		}
		left, err := filepath.Glob(fileOf(to) + "*")
		must(t, err)
		if len(left) != 0 {
			t.Errorf("a restore of %s left %v", tc.name, left)
		}
	}
}

// What was done to the copy is in the database, and what a killed restore left
// is not.
func TestARestoreTakesTheCopyThatWasMadeReady(t *testing.T) {
	url := served(t)
	file := filepath.Join(t.TempDir(), "backup.db")
	must(t, gorm.Backup(t.Context(), url, file))
	to := sqliteURL(t)
	must(t, os.Mkdir(fileOf(to)+".restore", 0o700))
	must(t, os.WriteFile(filepath.Join(fileOf(to)+".restore", filepath.Base(fileOf(to))), []byte("of before"), 0o600))
	must(t, gorm.Restore(t.Context(), to, file, func(ctx context.Context, url string) error {
		db, err := gorm.Open(ctx, gorm.Config{URL: url})
		must(t, err)
		_, err = gorm.NewStore(db, newVault(t)).Single().Restores.Raise(ctx, 7)
		return errors.Join(err, db.Close())
	}))
	epoch, err := gorm.NewStore(openEmpty(t, gorm.Config{URL: to}), newVault(t)).Single().Restores.Epoch(t.Context())
	if err != nil || epoch != 7 {
		t.Errorf("epoch %d, %v", epoch, err)
	}
	if _, err := os.Stat(fileOf(to) + ".restore"); err == nil {
		t.Error("the folder of the copy is left")
	}
}
