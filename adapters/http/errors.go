package http

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/fault"
)

const problemType = "application/problem+json"

// renderer is the one place where errors become answers. Handlers return
// errors; they never write them.
type renderer struct{ d Deps }

func (p renderer) render(err error, c echo.Context) {
	if c.Response().Committed {
		p.d.Log.WarnContext(c.Request().Context(), "failed after the answer began", "requestId", sceneOf(c.Request().Context()).id, "err", err)
		return
	}
	s := sceneOf(c.Request().Context())
	f := s.gate.named(faultIn(err))
	a := answers[f.Code()]
	s.code = string(f.Code())
	p.logFailure(c, s, a.status, err)
	if err := p.send(c, f, p.problem(f, s, c.Request().URL.EscapedPath())); err != nil {
		p.d.Log.WarnContext(c.Request().Context(), "write problem", "requestId", s.id, "err", err)
	}
}

// send answers with what a fault's status asks for in headers, and with body.
func (p renderer) send(c echo.Context, f *fault.Error, body any) error {
	a, h := answers[f.Code()], c.Response().Header()
	if a.status == http.StatusUnauthorized {
		h.Set(echo.HeaderWWWAuthenticate, p.challenge(f.Code()))
	}
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		h.Set(echo.HeaderRetryAfter, seconds(f.Wait()))
	}
	if f.Code() == fault.MethodNotAllowed {
		h.Set(echo.HeaderAllow, allowed(c))
	}
	h.Set("Content-Language", p.d.Words.Tongue(sceneOf(c.Request().Context()).lang, string(f.Code())))
	h.Set(echo.HeaderContentType, problemType)
	c.Response().WriteHeader(a.status)
	return json.NewEncoder(c.Response()).Encode(body)
}

// logFailure logs what went wrong on our side, where it stops. A client that
// has hung up is no failure, whatever it interrupted, and a full queue is none
// of the program.
func (p renderer) logFailure(c echo.Context, s *scene, status int, err error) {
	ctx, level := c.Request().Context(), slog.LevelError
	switch {
	case status < http.StatusInternalServerError:
		return
	case ctx.Err() != nil:
		level, s.code = slog.LevelInfo, clientGone
	case status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	}
	p.d.Log.Log(ctx, level, "request failed", "requestId", s.id, "route", c.Path(), "code", s.code, "err", err)
}

// clientGone is what logs and metrics say instead of a code when nobody waits
// for the answer any more.
const clientGone = "CLIENT_GONE"

// problem tells a fault (RFC 9457). Nothing of its cause is in it.
func (p renderer) problem(f *fault.Error, s *scene, path string) api.Problem {
	a := answers[f.Code()]
	out := api.Problem{
		Type: "/errors/" + string(f.Code()), Title: a.title, Status: a.status, Detail: p.d.Words.Say(s.lang, string(f.Code())),
		Instance: path, Code: api.Code(f.Code()), Timestamp: api.Instant(p.d.Now()), RequestId: s.id,
	}
	for _, v := range f.Broken() {
		out.Errors = append(out.Errors, api.FieldError{
			Field: v.Field, Rule: string(v.Rule), Message: p.d.Words.Say(s.lang, "rule."+string(v.Rule)),
		})
	}
	return out
}

// faultIn returns the outermost fault in err. What Echo refuses becomes one of
// ours, and what is no fault an INTERNAL_ERROR.
func faultIn(err error) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	refused, ok := errors.AsType[*echo.HTTPError](err)
	switch {
	case !ok:
		return fault.New(fault.InternalError)
	case refused.Code == http.StatusNotFound:
		return fault.New(fault.RouteNotFound)
	case refused.Code == http.StatusMethodNotAllowed:
		return fault.New(fault.MethodNotAllowed)
	case refused.Code < http.StatusInternalServerError:
		return fault.Invalid("", fault.RuleType)
	}
	return fault.New(fault.InternalError)
}

// allowed lists the methods of a path. What the router found lacks HEAD, which
// is answered as GET, and has OPTIONS, which only preflights may use.
func allowed(c echo.Context) string {
	found, _ := c.Get(echo.ContextKeyHeaderAllow).(string)
	var methods []string
	for method := range strings.SplitSeq(found, ", ") {
		switch method {
		case http.MethodOptions:
		case http.MethodGet:
			methods = append(methods, http.MethodGet, http.MethodHead)
		default:
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}

// challenge is the WWW-Authenticate of a 401 (RFC 6750 §3). Where a proof is
// missing it says which classes will do, the better one first, and how old the
// proof may be (RFC 9470 §3).
func (p renderer) challenge(code fault.Code) string {
	switch code { //nolint:exhaustive // the others say nothing about a token
	case fault.AccessTokenExpired, fault.AccessTokenInvalid:
		return `Bearer error="invalid_token"`
	case fault.StepUpTokenExpired, fault.StepUpTokenInvalid, fault.StepUpTokenMissing:
		return `Bearer error="insufficient_user_authentication", acr_values="aal2 aal1", max_age=` + seconds(p.d.StepUpAge)
	}
	return "Bearer"
}

func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
