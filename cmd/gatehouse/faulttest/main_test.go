// Package faulttest does harm to the real thing: replicas of the binary as
// processes of their own, on a PostgreSQL and a Redis of their own, with a
// mail server, and on every way between them something that cuts, slows and
// swallows. Each test names the fault of docs/faults.md it is about, and says
// what it did and counted.
package faulttest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
)

// long asks for more rounds, as make faults does.
var long = flag.Bool("long", os.Getenv("GATEHOUSE_FAULTS") == "long", "more rounds")

// rounds says how often to repeat something: often when there is time.
func rounds(short, longer int) int {
	if *long {
		return longer
	}
	return short
}

// What all tests share: a folder, the program, and a database server that is
// always up between two tests.
var (
	scratch, binary string
	database        *pgtest.Server
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if err := flag.Set("test.parallel", "4"); err != nil { // what runs in parallel mostly waits
		return 0, err
	}
	if scratch, err = os.MkdirTemp("", "gatehouse-faults-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	binary = filepath.Join(scratch, "gatehouse")
	built := make(chan error, 1)
	go func() { built <- build(binary) }()
	database, err = pgtest.New(context.Background())
	if err == nil {
		defer database.Close()
	}
	if err = errors.Join(err, <-built); err != nil {
		return 0, err
	}
	defer func() { common.stop() }()
	return m.Run(), nil
}

// build makes the program as this test was made, race detector included, so
// that only the linker has work to do.
func build(to string) error {
	args := []string{"build", "-o", to}
	if racing() {
		args = append(args, "-race", "-gcflags=modernc.org/sqlite/lib=-race=false")
	}
	out, err := exec.Command("go", append(args, "gatehouse/cmd/gatehouse")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

func racing() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
