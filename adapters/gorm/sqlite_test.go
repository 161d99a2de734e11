package gorm_test

import (
	"bufio"
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/adapters/gorm"
	"gatehouse/ports/outbound"
)

func fileOf(url string) string { return strings.TrimPrefix(url, "sqlite://") }

// child, if set, is the database that this process opens and keeps.
const child = "GATEHOUSE_TEST_KEEP_OPEN"

// TestKeepOpen is the other process of the next test.
func TestKeepOpen(t *testing.T) {
	url := os.Getenv(child)
	if url == "" {
		return
	}
	open(t, gorm.Config{URL: url})
	os.Stdout.WriteString("open\n")
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // until we are killed
}

func TestOneProcessHasTheFolder(t *testing.T) {
	url := sqliteURL(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKeepOpen$")
	cmd.Env = append(os.Environ(), child+"="+url)
	in, err := cmd.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	for _, other := range []string{url, "sqlite://" + filepath.Join(filepath.Dir(fileOf(url)), "other.db")} {
		_, err := gorm.Open(t.Context(), gorm.Config{URL: other})
		if err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("Open beside another process = %v", err)
		}
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	open(t, gorm.Config{URL: url}) // the dead hold no lock
}

func TestSecondOpenInOneProcessIsRefused(t *testing.T) {
	url := sqliteURL(t)
	first, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	must(t, err)
	if _, err := gorm.Open(t.Context(), gorm.Config{URL: url}); err == nil {
		t.Error("a second Open = nil")
	}
	must(t, first.Close())
	openEmpty(t, gorm.Config{URL: url})
}

func TestNobodyElseMayReadTheFile(t *testing.T) {
	url := "sqlite://" + filepath.Join(t.TempDir(), "data", "gatehouse.db")
	must(t, os.MkdirAll(filepath.Dir(fileOf(url)), 0o700))
	must(t, os.WriteFile(fileOf(url), nil, 0o644))
	fill(t, gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t)))
	must(t, filepath.WalkDir(filepath.Dir(fileOf(url)), func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		i, err := d.Info()
		if err == nil && i.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", d.Name(), i.Mode())
		}
		return err
	}))
}

func TestADamagedFileIsRefused(t *testing.T) {
	url := sqliteURL(t)
	db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	must(t, err)
	must(t, db.Migrate(t.Context()))
	must(t, db.Close())
	b, err := os.ReadFile(fileOf(url))
	must(t, err)
	for i := 4096; i < len(b); i++ {
		b[i] ^= 0x55
	}
	must(t, os.WriteFile(fileOf(url), b, 0o600))
	if _, err := gorm.Open(t.Context(), gorm.Config{URL: url}); err == nil {
		t.Error("Open of a damaged file = nil")
	}
}

func TestSynchronousIsChosenByName(t *testing.T) {
	for _, level := range []string{"OFF", "NORMAL", "FULL", ""} {
		openEmpty(t, gorm.Config{URL: sqliteURL(t), Synchronous: level})
	}
	if _, err := gorm.Open(t.Context(), gorm.Config{URL: sqliteURL(t), Synchronous: "full"}); err == nil {
		t.Error(`Open with synchronous "full" = nil, and the driver would ignore it`)
	}
}

// Whoever finds the file learns no address, device or token from it.
func TestTheFileTellsNothingPersonal(t *testing.T) {
	url := sqliteURL(t)
	db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	must(t, err)
	must(t, db.Migrate(t.Context()))
	st := gorm.NewStore(db, newVault(t))
	fill(t, st)
	raw := files(t, url)
	must(t, db.Close())
	raw = append(raw, files(t, url)...)
	if !bytes.Contains(raw, []byte("Readable Name")) {
		t.Fatal("not even the name is found, so this test would find nothing else")
	}
	for _, text := range personal {
		if bytes.Contains(raw, []byte(text)) {
			t.Errorf("the file holds %q", text)
		}
	}
}

func files(t *testing.T, url string) (all []byte) {
	t.Helper()
	found, err := filepath.Glob(fileOf(url) + "*")
	must(t, err)
	for _, f := range found {
		b, err := os.ReadFile(f)
		must(t, err)
		all = append(all, b...)
	}
	return all
}

// A finished notice keeps nothing that could be opened.
func TestFinishedNoticesAreWiped(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		db := open(t, gorm.Config{URL: url})
		st := gorm.NewStore(db, newVault(t))
		fill(t, st)
		s := st.Single()
		claims, err := s.Outbox.Claim(t.Context(), "me", now, now, 9)
		must(t, err)
		for i, c := range claims {
			must(t, s.Outbox.Settle(t.Context(), c, outbound.Outcome{At: now, Dead: i == 0, Error: "smtp_550"}))
		}
		var left int
		raw(t, url, func(ctx context.Context, db execer) {
			must(t, db.QueryRowContext(ctx, "SELECT count(*) FROM outbox WHERE payload IS NOT NULL").Scan(&left))
		})
		if len(claims) != 2 || left != 0 {
			t.Errorf("%d of %d finished notices keep their payload", left, len(claims))
		}
	})
}
