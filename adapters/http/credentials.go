package http

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"gatehouse/domain/secret"
)

// Headers that carry a bare token (contract §5.1).
const (
	stepUpHeader    = "X-Step-Up-Token"
	twoFactorHeader = "X-Two-Factor-Authentication-Token"
)

// credentials are the tokens of a request, each from the one place that counts.
// There is no way from a bad token to another place.
type credentials struct {
	access  secret.Text // Authorization, or cookie
	refresh secret.Text // Authorization (A4 only), or cookie
	named   secret.Text // refresh token by cookie alone, for signing out
	stepUp  secret.Text

	twoFactor secret.Text
}

// Transport says where tokens are read from and repeated (contract §5.3).
type Transport struct {
	HeaderAllowed   bool // headers count, and answers repeat tokens in bodies
	HeaderPreferred bool // a header counts more than a cookie
}

// read collects the tokens of a request.
func (t Transport) read(r *http.Request, j jar) credentials {
	bearer := bearerOf(r)
	refreshCookie := j.read(r, refreshCookie)
	return credentials{
		access:  t.pick(bearer, j.read(r, accessCookie)),
		refresh: t.pick(bearer, refreshCookie),
		named:   refreshCookie,
		stepUp:  t.pick(headerOf(r, stepUpHeader), j.read(r, stepUpCookie)),

		twoFactor: t.pick(headerOf(r, twoFactorHeader), j.read(r, twoFactorCookie)),
	}
}

func (t Transport) pick(header, cookie secret.Text) secret.Text {
	switch {
	case !t.HeaderAllowed || header.Missing():
		return cookie
	case cookie.Missing() || t.HeaderPreferred:
		return header
	}
	return cookie
}

// byHeader reports whether the bearer header is what authenticates a request.
func (t Transport) byHeader(r *http.Request, j jar) bool {
	return t.HeaderAllowed && !bearerOf(r).Missing() && (t.HeaderPreferred || j.read(r, accessCookie).Missing())
}

// unusable stands for a token that was sent twice: it is refused, not chosen
// from (faults F40).
var unusable = secret.New("")

// bearerOf returns the token of the Authorization header (RFC 6750 §2.1).
// Another scheme counts as absent; the scheme without a token does not.
func bearerOf(r *http.Request) secret.Text {
	values := r.Header.Values(echo.HeaderAuthorization)
	if len(values) == 0 {
		return secret.Text{}
	}
	if len(values) > 1 {
		return unusable
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return secret.Text{}
	}
	return secret.New(strings.TrimLeft(token, " "))
}

func headerOf(r *http.Request, name string) secret.Text {
	switch values := r.Header.Values(name); len(values) {
	case 0:
		return secret.Text{}
	case 1:
		return secret.New(values[0])
	}
	return unusable
}
