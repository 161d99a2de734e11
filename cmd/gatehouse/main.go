// Gatehouse is an identity service: accounts, sessions and sign-in over HTTP.
// This package owns configuration, construction and lifecycle, and no rule of
// an account.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	httpadapter "gatehouse/adapters/http"
	telemetryadapter "gatehouse/adapters/telemetry"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(1) // whoever asks twice does not want to wait
	}()
	std := streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	err := run(ctx, os.Args[1:], os.Environ(), std)
	if err != nil {
		fmt.Fprintln(std.err, "gatehouse:", err)
	}
	os.Exit(exitCode(err))
}

// streams are where a program reads and writes: answers go to out, logs and
// everything else to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

type cli struct {
	Config string   `help:"Settings to lay over the defaults (YAML)." placeholder:"FILE"`
	Set    []string `help:"A setting, over everything else. Repeatable." placeholder:"SECTION.KEY=VALUE" sep:"none"`

	Serve       serveCmd       `cmd:"" help:"Serve until SIGTERM or SIGINT."`
	Migrate     migrateCmd     `cmd:"" help:"Change the schema of the database."`
	DB          dbCmd          `cmd:"" name:"db" help:"Back the database up, put it back, move it to PostgreSQL."`
	User        userCmd        `cmd:"" help:"Create, list and change users."`
	Sessions    sessionsCmd    `cmd:"" help:"End sessions."`
	Passwords   passwordsCmd   `cmd:"" help:"Prepare what passwords are checked against."`
	Keys        keysCmd        `cmd:"" help:"Show, exchange and forget the keys of the service."`
	Audit       auditCmd       `cmd:"" help:"Check the record of what was asked."`
	Mail        mailCmd        `cmd:"" help:"See mails as people will, and check that they will arrive."`
	Settings    configCmd      `cmd:"" name:"config" help:"Check or show the configuration."`
	Openapi     openapiCmd     `cmd:"" help:"Print the OpenAPI document of the API."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask whether the service is ready: exit 0 when it is, 1 otherwise."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// usageError is a mistake of whoever started the program.
type usageError struct{ error }

// Unwrap returns the mistake.
func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if _, usage := errors.AsType[usageError](err); usage {
		return 2
	}
	return 1
}

// run is main without the process: tests call it with arguments, an
// environment and streams of their own.
func run(ctx context.Context, args, environ []string, std streams) error {
	var c cli
	helped := false
	parser, err := kong.New(&c, kong.Name("gatehouse"), kong.Description("An identity service: accounts, sessions and sign-in."),
		kong.Writers(std.out, std.err), kong.Exit(func(int) { helped = true }))
	if err != nil {
		return err
	}
	cmd, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return usageError{fmt.Errorf("%w (gatehouse --help lists what there is)", err)}
	}
	level := new(slog.LevelVar)
	p := &process{
		streams: std, environ: environ, log: newLog(std.err, level), level: level,
		path: c.Config, flags: c.Set,
	}
	cmd.BindTo(ctx, (*context.Context)(nil))
	return cmd.Run(p)
}

// process is what every command may use.
type process struct {
	streams
	environ []string
	log     *slog.Logger
	level   *slog.LevelVar // of log: what app.log_level says, once that is known
	path    string
	flags   []string
}

// settings reads the configuration, whose mistakes are those of the operator.
func (p *process) settings() (settings, error) {
	cfg, err := loadConfig(p.path, p.flags, p.environ, p.log)
	if err != nil {
		return cfg, usageError{fmt.Errorf("configuration:\n%w", err)}
	}
	p.level.Set(cfg.App.LogLevel)
	return cfg, nil
}

// newLog writes JSON lines that carry the id of the request they belong to.
func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	lines := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	return slog.New(telemetryadapter.Correlate(lines, httpadapter.RequestID))
}
