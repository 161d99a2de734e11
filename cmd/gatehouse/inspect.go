package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"runtime"
	"runtime/debug"
	"text/tabwriter"
	"time"

	api "gatehouse/adapters/http/api"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Validate the configuration, and start nothing."`
	Show  configShowCmd  `cmd:"" help:"Print every setting with its source, secrets masked."`
}

type configCheckCmd struct{}

// Run implements the command.
func (configCheckCmd) Run(p *process) error {
	cfg, err := p.settings()
	if err != nil {
		return err
	}
	if err := rehearse(cfg); err != nil {
		return usageError{fmt.Errorf("configuration:\n%w", err)}
	}
	_, err = fmt.Fprintln(p.out, "configuration is fine")
	return err
}

type configShowCmd struct{}

// Run implements the command.
func (configShowCmd) Run(p *process) error {
	cfg, err := p.settings()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	effective := cfg.effective()
	for key, v := range fields(reflect.ValueOf(effective), "") {
		fmt.Fprintf(w, "%s\t%s\t%s\n", key, cmp.Or(show(v.Interface()), "-"), cfg.origin[key])
	}
	return w.Flush()
}

type openapiCmd struct{}

// Run implements the command.
func (openapiCmd) Run(p *process) error {
	_, err := fmt.Fprintf(p.out, "%s\n", api.Document())
	return err
}

type healthcheckCmd struct{}

// Run implements the command.
func (healthcheckCmd) Run(ctx context.Context, p *process) error {
	cfg, err := p.settings()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(cfg.Internal.Address)+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: status %d", res.StatusCode)
	}
	_, err = fmt.Fprintln(p.out, "ready")
	return err
}

// reachable returns where a service is to be asked that listens on address.
func reachable(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// Set when the binary is linked.
var version, commit, date string

type release struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Date    string `json:"date"`
	Go      string `json:"go"`
}

// thisBuild falls back on what the Go tool noted.
func thisBuild() release {
	b := release{Version: version, Commit: commit, Date: date, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = cmp.Or(b.Commit, s.Value)
			case "vcs.time":
				b.Date = cmp.Or(b.Date, s.Value)
			}
		}
	}
	b.Version, b.Commit, b.Date = cmp.Or(b.Version, "devel"), cmp.Or(b.Commit, "unknown"), cmp.Or(b.Date, "unknown")
	return b
}

type versionCmd struct {
	JSON bool `help:"Print JSON."`
}

// Run implements the command.
func (c versionCmd) Run(p *process) error {
	b := thisBuild()
	if c.JSON {
		return json.NewEncoder(p.out).Encode(b)
	}
	_, err := fmt.Fprintf(p.out, "gatehouse %s\ncommit %s\nbuilt %s\n%s\n", b.Version, b.Commit, b.Date, b.Go)
	return err
}
