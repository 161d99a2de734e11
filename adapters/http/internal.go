package http

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/fault"
)

// InternalDeps are what the internal address is built from, besides those of
// the public one.
type InternalDeps struct {
	Deps
	Metrics http.Handler
	Ready   func() bool      // false before serving and while stopping
	Checks  map[string]Check // what readiness depends on, by name
	Helps   map[string]Check // what we can do without, by name
	Profile bool             // offer profiles of the process
}

// Check returns nil if a dependency is usable.
type Check func(ctx context.Context) error

// patience is how long a readiness check may take.
const patience = time.Second

// NewInternal returns the handler of the internal address: liveness,
// readiness, metrics, profiles and the development mailbox. It has no access check and
// must never be exposed.
func NewInternal(d InternalDeps) (http.Handler, error) {
	e := newEcho(d.Deps)
	e.GET("/livez", func(c echo.Context) error { return c.JSON(http.StatusOK, api.Liveness{Status: "live"}) })
	e.GET("/readyz", d.readiness)
	e.GET("/metrics", echo.WrapHandler(d.Metrics))
	if d.Profile {
		mountProfiles(e)
	}
	d.Development = false // the reference page talks to the public address
	if err := mount(e, d.Deps); err != nil {
		return nil, err
	}
	return headAsGet(e), nil
}

// unready is a problem with what was found (RFC 9457 §3.2).
type unready struct {
	api.Problem
	Checks map[string]string `json:"checks"`
}

func (d InternalDeps) readiness(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), patience)
	defer cancel()
	found, good := map[string]string{}, d.Ready()
	for name, check := range d.Checks {
		found[name] = "ok"
		if err := check(ctx); err != nil {
			d.Log.WarnContext(ctx, "not ready", "check", name, "err", err)
			found[name], good = "failed", false
		}
	}
	for name, check := range d.Helps {
		found[name] = "ok"
		if check(ctx) != nil { // whoever helps tells the log by itself
			found[name] = "degraded"
		}
	}
	if good {
		return c.JSON(http.StatusOK, readinessAnswer{Status: "ready", Checks: found})
	}
	s, f, p := sceneOf(c.Request().Context()), fault.New(fault.ServiceOverloaded), renderer{d.Deps}
	s.code = string(f.Code())
	return p.send(c, f, unready{p.problem(f, s, c.Request().URL.EscapedPath()), found})
}

type readinessAnswer struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks"`
}
