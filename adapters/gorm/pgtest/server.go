package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Server is a PostgreSQL of a test's own, on loopback, which may be stopped in
// bad ways. Its methods are not safe for concurrent use.
type Server struct {
	bin, home, password, port string
	settings                  []string
	as                        *syscall.SysProcAttr
	cmd                       *exec.Cmd
	ended                     chan struct{} // closed once cmd has
}

// New starts a server with an empty database, from the programs under
// /usr/lib/postgresql. A setting is name=value, as in postgresql.conf; without
// any it keeps its promises as in production. Close it.
func New(ctx context.Context, settings ...string) (*Server, error) {
	bin, err := newest()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "gatehouse-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, home: home, password: rand.Text(), settings: settings}
	if err := s.found(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) found(ctx context.Context) (err error) {
	if s.as, err = owner(s.home); err != nil {
		return err
	}
	if err := initialise(s.bin, s.data(), s.password, s.as); err != nil {
		return err
	}
	if s.port, err = FreePort(); err != nil {
		return err
	}
	return s.Start(ctx)
}

func (s *Server) data() string { return filepath.Join(s.home, "data") }

// Address is where it listens, also after a restart.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", s.port) }

// URL is how its superuser connects.
func (s *Server) URL() string {
	return fmt.Sprintf("postgres://postgres:%s@%s/postgres?sslmode=disable", s.password, s.Address())
}

// Start starts the server, with the data it had, and returns once it answers.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := s.launch(ctx)
		if err == nil {
			return nil
		}
		said, _ := os.ReadFile(s.log())
		s.Stop(syscall.SIGQUIT)
		select { // what is left of a killed one may hold its port and its memory for a moment
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", err, said)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) log() string { return filepath.Join(s.home, "log") }

func (s *Server) launch(ctx context.Context) error {
	log, err := os.Create(s.log())
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own handle
	args := []string{"-D", s.data(), "-k", s.home, "-p", s.port, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, s.as
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() {
		_ = cmd.Wait() // its log says why
		close(ended)
	}()
	return s.ours(ctx)
}

// ours waits until the server answers, and makes sure that it is the one we
// started.
func (s *Server) ours(ctx context.Context) error {
	db, err := sql.Open("pgx", s.URL())
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		var dir string
		err := db.QueryRowContext(ctx, "SHOW data_directory").Scan(&dir)
		switch {
		case err == nil && dir == s.data():
			return nil
		case err == nil:
			return fmt.Errorf("the server on our port works in %s", dir)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Stop ends the server and returns when it has ended. PostgreSQL takes SIGQUIT
// for an immediate stop, after which it has to recover, and SIGINT for a clean
// one. After SIGKILL its parts end by themselves, a little later.
func (s *Server) Stop(how syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(how) // it may have ended already
	<-s.ended
}

// Close ends the server and removes what it stored.
func (s *Server) Close() {
	s.Stop(syscall.SIGQUIT)
	_ = os.RemoveAll(s.home)
}

// FreePort returns a port of loopback on which nobody listens, below those
// that systems give away by themselves, so that nobody gets it while its owner
// is away.
func FreePort() (string, error) {
	const lowest, below = 10000, 32000
	for {
		port := strconv.Itoa(lowest + mathrand.IntN(below-lowest))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", err
		}
		return port, l.Close()
	}
}
