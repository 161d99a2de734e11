package faulttest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/mail/mailtest"
)

// cluster is two replicas on a schema of their own.
type cluster struct {
	a, b     *replica
	pg, smtp *wire
	post     *mailtest.Server
	db       *sql.DB // past the wire
	environ  []string
	own      [2][]string // what only one of the replicas is told
	stops    []func()    // in reverse
}

// newCluster starts two replicas that hash cheaply, limit nothing and repeat an
// answer for a minute, unless environ says otherwise.
func newCluster(t *testing.T, environ ...string) *cluster {
	t.Helper()
	c := prepare(t, environ...)
	t.Cleanup(c.stop)
	c.boot(t)
	return c
}

// common is a cluster for tests that do no harm to it.
var common = &shared{}

type shared struct {
	once sync.Once
	*cluster
}

func (s *shared) stop() {
	if s.cluster != nil {
		s.cluster.stop()
	}
}

func theCommon(t *testing.T) *cluster {
	t.Helper()
	common.once.Do(func() {
		common.cluster = prepare(t)
		common.boot(t)
	})
	if common.cluster == nil || common.b == nil {
		t.Fatal("the common cluster did not start")
	}
	return common.cluster
}

// prepare makes everything but the replicas.
func prepare(t *testing.T, environ ...string) *cluster {
	t.Helper()
	c := &cluster{pg: newWire(t, "postgres", database.Address())}
	c.later(c.pg.cut)

	schema := "faults_" + strings.ToLower(rand.Text())
	to := func(address string) string {
		u, err := url.Parse(database.URL())
		must(t, err)
		q := u.Query()
		q.Set("search_path", schema)
		u.Host, u.RawQuery = address, q.Encode()
		return u.String()
	}
	var err error
	c.db, err = sql.Open("pgx", to(database.Address()))
	must(t, err)
	c.later(func() { _ = c.db.Close() })
	c.exec(t, "CREATE SCHEMA "+schema)
	c.later(func() { _, _ = c.db.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE") })

	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	post, stop := mailtest.Start(l)
	c.post = post
	c.later(stop)
	c.smtp = newWire(t, "smtp", l.Addr().String())
	c.later(c.smtp.cut)

	var master [32]byte
	_, _ = rand.Read(master[:])
	c.environ = append([]string{
		"GATEHOUSE_DATABASE_URL=" + to(c.pg.address()), "GATEHOUSE_MAIL_URL=smtp://" + c.smtp.address(),
		"GATEHOUSE_KEYS_MASTER=" + base64.StdEncoding.EncodeToString(master[:]), "GATEHOUSE_APP_BASE_URL=http://gatehouse.test",
		"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=64", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1", "GATEHOUSE_LIMITS_ENABLED=false",
		"GATEHOUSE_TOKENS_REFRESH_REUSE_GRACE=60s", "GATEHOUSE_DATABASE_MAX_CONNECTIONS=12",
	}, environ...)
	return c
}

func (c *cluster) later(stop func()) { c.stops = append(c.stops, stop) }

func (c *cluster) stop() {
	for _, stop := range slices.Backward(c.stops) {
		stop()
	}
}

// boot starts both replicas, at the same time.
func (c *cluster) boot(t *testing.T) {
	t.Helper()
	a, b := c.replica(t, c.own[0]), c.replica(t, c.own[1])
	var both sync.WaitGroup
	var ok [2]bool
	for i, r := range []*replica{a, b} {
		both.Go(func() { ok[i] = r.start() })
	}
	both.Wait()
	if !ok[0] || !ok[1] {
		t.Fatalf("did not start: %s%s", a.said(), b.said())
	}
	c.a, c.b = a, b
}

// of returns the i-th replica, round and round.
func (c *cluster) of(i int) *replica { return []*replica{c.a, c.b}[i%2] }

func (c *cluster) both() []*replica { return []*replica{c.a, c.b} }

// exec changes the database behind the replicas' back.
func (c *cluster) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := c.db.ExecContext(t.Context(), statement, args...)
	must(t, err)
}

// count returns the number a query finds.
func (c *cluster) count(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	must(t, c.db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// command runs the program for an operator, and returns what it says.
func (c *cluster) command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env, cmd.Dir = append(os.Environ(), c.environ...), t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// replica is a process that serves at the same place whenever it runs.
type replica struct {
	public, internal string // host and port
	environ          []string
	dir              string

	cmd *exec.Cmd
	as  *syscall.Credential // nil for who runs the tests
	log *journal
}

func (c *cluster) replica(t testing.TB, own []string) *replica {
	t.Helper()
	r := newReplica(t, slices.Concat(c.environ, own))
	c.later(r.end)
	return r
}

// newReplica returns one that does not run yet.
func newReplica(t testing.TB, environ []string) *replica {
	t.Helper()
	public, err := pgtest.FreePort()
	must(t, err)
	internal, err := pgtest.FreePort()
	must(t, err)
	return &replica{
		public: net.JoinHostPort("127.0.0.1", public), internal: net.JoinHostPort("127.0.0.1", internal),
		environ: environ, dir: filepath.Join(scratch, public), log: &journal{},
	}
}

// end ends the process, and everything if the race detector has found something
// in it.
func (r *replica) end() {
	r.kill()
	if s := r.log.String(); strings.Contains(s, "DATA RACE") {
		panic(s)
	}
}

// start reports whether the process became ready; it has ended if not.
func (r *replica) start() bool {
	r.cmd = exec.Command(binary, "serve")
	r.cmd.Env = append(append(os.Environ(),
		"GATEHOUSE_HTTP_ADDRESS="+r.public, "GATEHOUSE_INTERNAL_ADDRESS="+r.internal,
		"GATEHOUSE_DATA_DIR="+r.dir,
	), r.environ...)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: r.as} // it ends when we do
	logs, err := r.cmd.StderrPipe()
	if err != nil || r.cmd.Start() != nil {
		return false
	}
	lines := bufio.NewReader(logs)
	for {
		line, err := lines.ReadBytes('\n')
		r.log.write(line)
		if err != nil {
			r.kill()
			return false
		}
		var l struct{ Msg string }
		if json.Unmarshal(line, &l) == nil && l.Msg == "ready" {
			break
		}
	}
	go func() { _, _ = io.Copy(writer(r.log.write), lines) }()
	return true
}

// kill ends the process as a power cut would.
func (r *replica) kill() {
	if r.cmd == nil || r.cmd.Process == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// terminate asks the process to stop, and returns its exit code.
func (r *replica) terminate(t *testing.T) int {
	t.Helper()
	must(t, r.cmd.Process.Signal(syscall.SIGTERM))
	_ = r.cmd.Wait() // the code says it all
	return r.cmd.ProcessState.ExitCode()
}

// said is the end of what the replica has logged.
func (r *replica) said() string {
	s := r.log.String()
	return s[max(0, len(s)-4000):]
}

// journal is what a replica logs, over all its lives.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) write(line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

type writer func([]byte)

// Write implements [io.Writer].
func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

// eventually waits until ok, as long as the test may take.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-patience:
			t.Fatalf("never happened: %s", what)
		}
	}
}
