package http

import (
	"net/http"
	"strings"
	"time"

	"gatehouse/domain/secret"
	"gatehouse/domain/session"
)

// The cookie set (contract §5.3). One of them belongs to a feature that is not
// built yet; it is cleared, and looked at by the cross-site check, all the same.
const (
	accessCookie    = "access_token"
	refreshCookie   = "refresh_token"
	stepUpCookie    = "step_up_token"
	twoFactorCookie = "two_factor_authentication_token"
	sessionCookie   = "session_token"
	flowCookie      = "oauth2_flow"
)

var cookieSet = []string{accessCookie, refreshCookie, stepUpCookie, twoFactorCookie, sessionCookie, flowCookie}

// jar reads and writes the cookies of one installation. With an https base URL
// they are Secure and have the prefix __Host- (RFC 6265bis §4.1.3.2), and
// unprefixed ones are ignored.
type jar struct{ secure bool }

func (j jar) name(of string) string {
	if j.secure {
		return "__Host-" + of
	}
	return of
}

// read returns the value of a cookie. Two of one name are unusable: the
// browser does not say which one is ours.
func (j jar) read(r *http.Request, name string) secret.Text {
	found := r.CookiesNamed(j.name(name))
	switch sent := j.sent(r, name); {
	case sent == 0:
		return secret.Text{}
	case sent > 1 || len(found) != 1: // or one that cannot be read
		return unusable
	case found[0].Value == "":
		return secret.Text{}
	}
	return secret.New(found[0].Value)
}

// sent counts the cookies of a name, those included that net/http skips.
func (j jar) sent(r *http.Request, name string) (n int) {
	for _, line := range r.Header.Values("Cookie") {
		for pair := range strings.SplitSeq(line, ";") {
			if sent, _, _ := strings.Cut(strings.TrimSpace(pair), "="); sent == j.name(name) {
				n++
			}
		}
	}
	return n
}

// carriesAny reports whether a request has one of the six cookies.
func (j jar) carriesAny(r *http.Request) bool {
	for _, name := range cookieSet {
		if j.sent(r, name) > 0 {
			return true
		}
	}
	return false
}

// set sends a token. net/http would look at every character of it, which may be
// a thousand; tokens are what we made, and have none that needs it.
func (j jar) set(w http.ResponseWriter, name string, value secret.Text, end, now time.Time) {
	c := j.cookie(name) //nolint:gosec // G124 does not see what cookie sets
	c.MaxAge = max(1, int(end.Sub(now)/time.Second))
	w.Header().Add("Set-Cookie", strings.Replace(c.String(), "=", "="+value.Reveal(), 1))
}

func (j jar) setPair(w http.ResponseWriter, p session.Pair, now time.Time) {
	j.set(w, accessCookie, p.Access, p.AccessExpires, now)
	j.set(w, refreshCookie, p.Refresh, p.RefreshExpires, now)
}

func (j jar) clearAll(w http.ResponseWriter) { j.clear(w, cookieSet...) }

func (j jar) clear(w http.ResponseWriter, names ...string) {
	for _, name := range names {
		c := j.cookie(name) //nolint:gosec // G124 does not see what cookie sets
		c.MaxAge = -1       // net/http writes Max-Age=0
		http.SetCookie(w, c)
	}
}

func (j jar) cookie(name string) *http.Cookie {
	c := &http.Cookie{ //nolint:gosec // G124: Secure depends on the base URL, which production wants to be https
		Name: j.name(name), Path: "/", HttpOnly: true, Secure: j.secure, SameSite: http.SameSiteStrictMode,
	}
	if name == sessionCookie || name == flowCookie {
		c.SameSite = http.SameSiteLaxMode
	}
	return c
}
