package main

import (
	"errors"
	"net"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/mail/mailtest"
)

func TestMain(m *testing.M) {
	testscript.Main(leakFree{m}, map[string]func(){"gatehouse": main})
}

// leakFree fails when a test leaves a goroutine behind.
type leakFree struct{ *testing.M }

// Run implements [testscript.TestingM].
func (m leakFree) Run() int {
	code := m.M.Run()
	pgtest.Stop()
	// GORM's memory of prepared statements has a goroutine that nobody can end.
	known := goleak.IgnoreAnyFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1")
	if err := goleak.Find(known); err != nil && code == 0 {
		println(err.Error())
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "postbox": postbox},
	})
}

// exits runs a program that must fail with a code:
//
//	exits 2 gatehouse serve --sideways
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		ts.Fatalf("%v, want exit code %s", err, args[0])
	}
	if got := strconv.Itoa(failed.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// postbox takes mails at $POSTBOX until the script ends.
func postbox(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, stop := mailtest.Start(l)
	ts.Defer(stop)
	ts.Setenv("POSTBOX", l.Addr().String())
}
