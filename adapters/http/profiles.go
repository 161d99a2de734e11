package http

import (
	"net/http"
	"net/http/pprof" // it also registers with the default server, which nobody runs

	"github.com/labstack/echo/v4"
)

// mountProfiles adds the profiles of the Go runtime: stacks and amounts, and no
// values. The command line, which net/http/pprof also shows, is not there: an
// operator may have put a secret in it.
func mountProfiles(e *echo.Echo) {
	for path, serve := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/:name": pprof.Index,
		"/debug/pprof/profile": pprof.Profile, "/debug/pprof/trace": pprof.Trace,
	} {
		e.GET(path, echo.WrapHandler(serve))
	}
}
