// Package redistest gives tests a Redis of their own: a process of the program
// redis-server on a free port, with a password, that keeps nothing by itself and ends with
// the test. Only tests import it, and no test is skipped for the want of it.
package redistest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a server, running or not.
type Server struct {
	URL string // with the password

	t              testing.TB
	port, password string
	home           string
	cmd            *exec.Cmd
}

// Start returns a server that runs, and is empty.
func Start(t testing.TB) *Server {
	t.Helper()
	s := New(t)
	s.Start()
	return s
}

// New returns a server that does not run yet.
func New(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("no Redis here: apt-get install redis-server")
	}
	s := &Server{t: t, port: freePort(t), password: rand.Text(), home: t.TempDir()}
	s.URL = "redis://:" + s.password + "@" + s.Address()
	t.Cleanup(s.Kill)
	return s
}

// Address is where the server listens.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", s.port) }

// Start starts it at its address, empty or with what it was told to SAVE before,
// and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.home, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	conf := filepath.Join(s.home, "conf") // arguments are seen by everybody
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\nrequirepass %s\nsave \"\"\nappendonly no\ndir %s\n", s.port, s.password, s.home)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command("redis-server", conf)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = log, log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		dir, err := s.ask("CONFIG", "GET", "dir")
		if err == nil && strings.Contains(dir, s.home) {
			return
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(log.Name())
			s.t.Fatalf("no server of ours answers: %q, %v\n%s", dir, err, said)
		}
	}
}

// Kill ends it at once, if it runs.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Pause stops it in the middle of whatever it does, until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(what os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(what); err != nil {
		s.t.Fatal(err)
	}
}

// Do sends a command, whose words hold no blanks or quotes at their ends, and
// returns the answer as it came.
func (s *Server) Do(words ...string) string {
	s.t.Helper()
	answer, err := s.ask(words...)
	if err != nil || strings.HasPrefix(answer, "-") {
		s.t.Fatalf("%v: %q, %v", words, answer, err)
	}
	return answer
}

// ask speaks the protocol by itself, so that a test does not depend on the
// client it tests.
func (s *Server) ask(words ...string) (answer string, err error) {
	c, err := net.DialTimeout("tcp", s.Address(), time.Second)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	for _, command := range [][]string{{"AUTH", s.password}, words, {"QUIT"}} {
		fmt.Fprintf(c, "*%d\r\n", len(command))
		for _, w := range command {
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	var all strings.Builder
	lines := bufio.NewReader(c)
	if _, err := lines.ReadString('\n'); err != nil { // of AUTH
		return "", err
	}
	if _, err := lines.WriteTo(&all); err != nil {
		return "", err
	}
	return strings.TrimSuffix(all.String(), "+OK\r\n"), nil // of QUIT
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
