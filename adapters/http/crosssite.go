package http

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"gatehouse/domain/fault"
)

// origins are the exact origins whose pages may call: that of the base URL,
// and the configured ones.
type origins []string

// sameSite refuses with CROSS_SITE_REQUEST_REFUSED an unsafe request that has
// token cookies, no bearer header, and a browser's word that it comes from
// elsewhere (contract §5.4). A bearer header that does not count, because
// cookies do, excuses nothing.
func (o origins) sameSite(r *http.Request, j jar, t Transport) error {
	if safe(r.Method) || !j.carriesAny(r) || t.byHeader(r, j) || o.vouchedFor(r) {
		return nil
	}
	return fault.New(fault.CrossSiteRequestRefused)
}

func (o origins) vouchedFor(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if site == "same-origin" || site == "none" {
		return true
	}
	if from, sent := r.Header[echo.HeaderOrigin]; sent {
		return len(from) == 1 && slices.Contains(o, from[0])
	}
	return site == ""
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// cors answers preflights, and lets pages of our origins read every answer,
// errors included. A foreign origin gets no CORS header at all (contract §1.1).
func (o origins) cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		h.Add(echo.HeaderVary, echo.HeaderOrigin)
		origin := r.Header.Get(echo.HeaderOrigin)
		known := slices.Contains(o, origin)
		if known {
			h.Set(echo.HeaderAccessControlAllowOrigin, origin)
			h.Set(echo.HeaderAccessControlAllowCredentials, "true")
			h.Set(echo.HeaderAccessControlExposeHeaders, "Retry-After, X-Request-Id, WWW-Authenticate")
		}
		if r.Method != http.MethodOptions {
			return next(c)
		}
		wanted := r.Header.Get(echo.HeaderAccessControlRequestMethod)
		if origin == "" || wanted == "" {
			return notAPreflight(next, c)
		}
		if known {
			h.Set(echo.HeaderAccessControlAllowMethods, "GET, POST, PUT, DELETE")
			if headers := r.Header.Values(echo.HeaderAccessControlRequestHeaders); len(headers) > 0 {
				h.Set(echo.HeaderAccessControlAllowHeaders, strings.Join(headers, ", "))
			}
			h.Set(echo.HeaderAccessControlMaxAge, "600")
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// notAPreflight answers a plain OPTIONS as any other method that a path does
// not take; the router would answer it by itself.
func notAPreflight(next echo.HandlerFunc, c echo.Context) error {
	if _, known := c.Get(echo.ContextKeyHeaderAllow).(string); known {
		return fault.New(fault.MethodNotAllowed)
	}
	return next(c)
}
