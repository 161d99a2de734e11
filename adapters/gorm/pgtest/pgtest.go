// Package pgtest gives tests a PostgreSQL of their own. It uses the server that
// GATEHOUSE_TEST_POSTGRES_URL names, else it starts a private one from the
// programs under /usr/lib/postgresql and throws it away at the end. Only tests
// import it, and no test is skipped for the want of a server.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// env names a server that is there already. Its user must be allowed to create
// schemas and roles.
const env = "GATEHOUSE_TEST_POSTGRES_URL"

var server struct {
	once sync.Once
	url  string
	db   *sql.DB // to make and drop schemas with
	err  error
	stop func()
}

// Main runs the tests of a package and then stops the server they used:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
func Main(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

// Stop ends the server, for packages whose tests have a Main of their own.
func Stop() {
	if server.db != nil {
		_ = server.db.Close()
	}
	if server.stop != nil {
		server.stop()
	}
}

// URL returns the URL of an empty schema, which goes when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	server.once.Do(func() { start(t.Context()) })
	if server.err != nil {
		t.Fatal(server.err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	t.Cleanup(func() { do(context.WithoutCancel(t.Context()), t, "DROP SCHEMA "+name+" CASCADE") })
	do(t.Context(), t, "CREATE SCHEMA "+name)
	u, err := url.Parse(server.url)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// Role returns owner, the URL of a schema, for a new role that may read and
// write the tables which are there, and change none. settings are of the role,
// such as "statement_timeout = '7s'". It goes when the test ends.
func Role(t testing.TB, owner string, settings ...string) string {
	t.Helper()
	u, err := url.Parse(owner)
	if err != nil {
		t.Fatal(err)
	}
	schema, name, password := u.Query().Get("search_path"), "role_"+strings.ToLower(rand.Text()), rand.Text()
	steps := []string{
		"CREATE ROLE " + name + " LOGIN PASSWORD '" + password + "'",
		"GRANT USAGE ON SCHEMA " + schema + " TO " + name,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + schema + " TO " + name,
	}
	for _, s := range settings {
		steps = append(steps, "ALTER ROLE "+name+" SET "+s)
	}
	t.Cleanup(func() { do(context.WithoutCancel(t.Context()), t, "DROP OWNED BY "+name, "DROP ROLE "+name) })
	do(t.Context(), t, steps...)
	u.User = url.UserPassword(name, password)
	return u.String()
}

func do(ctx context.Context, t testing.TB, steps ...string) {
	t.Helper()
	for _, s := range steps {
		if _, err := server.db.ExecContext(ctx, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func start(ctx context.Context) {
	if server.url = os.Getenv(env); server.url == "" {
		own, err := New(ctx, "fsync=off", "full_page_writes=off", "autovacuum=off", "deadlock_timeout=100ms")
		if err != nil {
			server.err = err
			return
		}
		server.url, server.stop = own.URL(), own.Close
	}
	server.db, server.err = sql.Open("pgx", server.url)
}

// Program returns the path of a program that comes with the server, such as
// pg_dump.
func Program(t testing.TB, name string) string {
	t.Helper()
	bin, err := newest()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(bin, name)
}

// newest returns the folder of the latest server's programs, by number.
func newest() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL here: apt-get install postgresql, or set " + env)
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(filepath.Dir(a)) - version(filepath.Dir(b)) })), nil
}

func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// owner gives the folder to who will run the server, which refuses to run for
// root. The server ends when we do.
func owner(home string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return as, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, errors.Join(err1, err2, os.Chown(home, int(uid), int(gid)))
}

// initialise sorts texts as English does where it can, so that nothing relies
// on the order of bytes without asking for it.
func initialise(bin, data, password string, as *syscall.SysProcAttr) error {
	file := filepath.Join(filepath.Dir(data), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o644); err != nil { // in a folder of the server's own
		return err
	}
	args := []string{ // md5, because hundreds of connections are made, and scram is slow by design
		"-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
		"-A", "md5", "--pwfile=" + file,
	}
	if version(bin) >= 15 {
		args = append(args, "--locale-provider=icu", "--icu-locale=en")
	}
	cmd := exec.Command(filepath.Join(bin, "initdb"), args...)
	cmd.SysProcAttr = as
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}
