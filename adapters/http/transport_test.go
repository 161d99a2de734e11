package http_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	adapter "gatehouse/adapters/http"
)

var cookieSet = []string{"access_token", "refresh_token", "step_up_token", "two_factor_authentication_token", "session_token", "oauth2_flow"}

// cleared fails unless an answer clears all six cookies.
func cleared(t *testing.T, a answer, prefix string) {
	t.Helper()
	all := a.cookies()
	if len(all) != len(cookieSet) || len(a.header.Values("Set-Cookie")) != len(cookieSet) {
		t.Errorf("it sets %q", a.header.Values("Set-Cookie"))
	}
	for _, name := range cookieSet {
		c := all[prefix+name]
		if c == nil || c.Value != "" || c.MaxAge >= 0 {
			t.Errorf("cookie %s%s is not cleared: %+v", prefix, name, c)
			continue
		}
		checkCookie(t, c, prefix != "", !slices.Contains([]string{"session_token", "oauth2_flow"}, name))
	}
	for _, line := range a.header.Values("Set-Cookie") {
		if !strings.Contains(line, "Max-Age=0;") {
			t.Errorf("no Max-Age=0 in %q", line)
		}
	}
}

func checkCookie(t *testing.T, c *http.Cookie, secure, strict bool) {
	t.Helper()
	site := http.SameSiteLaxMode
	if strict {
		site = http.SameSiteStrictMode
	}
	if !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.Secure != secure || c.SameSite != site || !c.Expires.IsZero() {
		t.Errorf("attributes %q", c.Raw)
	}
}

func TestCookiesAreForOurOriginAlone(t *testing.T) {
	for base, prefix := range map[string]string{"http://gatehouse.example": "", "https://gatehouse.example": "__Host-"} {
		t.Run(base, func(t *testing.T) {
			w := newWorld(t, withBase(base))
			w.ok(registerAs("ada@example.com"))
			in := w.ok(loginOf("ada@example.com", goodPassword))
			a := w.accountIn(in)
			up := w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access)))
			for _, one := range []struct {
				of        answer
				name      string
				value     string
				age, many int
			}{
				{in, "access_token", a.access, 15*60 - 1, 2},
				{in, "refresh_token", a.refresh, 90*24*3600 - 1, 2},
				{up, "step_up_token", up.text("stepUpToken"), 10*60 - 1, 1},
			} {
				c := one.of.cookies()[prefix+one.name]
				if c == nil || c.Value != one.value || c.MaxAge != one.age || len(one.of.cookies()) != one.many {
					t.Fatalf("cookies %q", one.of.header.Values("Set-Cookie"))
				}
				checkCookie(t, c, prefix != "", true)
			}
			w.ok(req("GET /api/users/me", "", cookie(prefix+"access_token", a.access)))
			cleared(t, w.ok(req("POST /api/auth/logout", "", cookie(prefix+"access_token", a.access))), prefix)
			if prefix != "" {
				w.want(401, "AUTHENTICATION_REQUIRED", req("GET /api/users/me", "", cookie("access_token", a.access)))
			}
		})
	}
}

func TestOneTransportCountsAndThereIsNoWayAround(t *testing.T) {
	preferred := adapter.Transport{HeaderAllowed: true, HeaderPreferred: true}
	second := adapter.Transport{HeaderAllowed: true}
	off := adapter.Transport{}
	const me = "GET /api/users/me"
	for _, row := range []struct {
		name           string
		by             adapter.Transport
		header, cookie string // good, bad or nothing
		code           string
	}{
		{"header", preferred, "good", "", ""},
		{"cookie", preferred, "", "good", ""},
		{"both, the header counts", preferred, "good", "bad", ""},
		{"a bad header is not replaced by a good cookie", preferred, "bad", "good", "ACCESS_TOKEN_INVALID"},
		{"an empty header is not replaced either", preferred, "empty", "good", "ACCESS_TOKEN_INVALID"},
		{"both, the cookie counts", second, "bad", "good", ""},
		{"a bad cookie is not replaced by a good header", second, "good", "bad", "ACCESS_TOKEN_INVALID"},
		{"header, though the cookie is preferred", second, "good", "", ""},
		{"headers are off", off, "good", "", "AUTHENTICATION_REQUIRED"},
		{"headers are off, cookies count", off, "bad", "good", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, withTransport(row.by))
			a := w.member("ada@example.com")
			values := map[string]string{"good": a.access, "bad": "bad", "empty": ""}
			r := req(me, "")
			if v, ok := values[row.header]; ok && row.header != "" {
				r = r.but(bearer(v))
			}
			if v, ok := values[row.cookie]; ok && row.cookie != "" {
				r = r.but(cookie("access_token", v))
			}
			if got := w.send(r); got.code() != row.code {
				t.Errorf("%d %s, want %q", got.status, got.code(), row.code)
			}
		})
	}
}

func TestStepUpTokensFollowTheSameRules(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	weak := changeBy(a).but(body(changeBody(goodPassword, "weak"))) // gets as far as the body
	w.want(400, "INVALID_REQUEST", weak.but(del("X-Step-Up-Token"), cookie("step_up_token", a.stepUp)))
	w.want(401, "STEP_UP_TOKEN_INVALID", weak.but(steppedUp("bad"), cookie("step_up_token", a.stepUp)))
	w.want(401, "STEP_UP_TOKEN_INVALID", weak.but(add("X-Step-Up-Token", a.stepUp)))
	w.want(401, "STEP_UP_TOKEN_INVALID", weak.but(set("X-Step-Up-Token", "Bearer "+a.stepUp)))
	w.want(401, "STEP_UP_TOKEN_INVALID", weak.but(steppedUp(a.access)))
}

func TestWithoutHeaderTransportNoBodyHoldsATokenOfSomebody(t *testing.T) {
	w := newWorld(t, withTransport(adapter.Transport{}))
	w.ok(registerAs("ada@example.com"))
	in := w.ok(loginOf("ada@example.com", goodPassword))
	a := w.accountIn(in)
	refreshed := w.ok(req("POST /api/auth/refresh", "", cookie("refresh_token", a.refresh)))
	up := w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, cookie("access_token", a.access)))
	guest := w.ok(req("POST /api/guests", `{"name":"Passer-by"}`))
	for _, one := range []answer{in, refreshed, up, guest} {
		for _, member := range []string{"accessToken", "refreshToken", "stepUpToken"} {
			if v, there := one.json[member]; there && v != nil {
				t.Errorf("%s is %v", member, v)
			}
		}
		for name, c := range one.cookies() {
			if c.Value == "" || strings.Contains(string(one.body), c.Value) {
				t.Errorf("cookie %s is empty or in the body", name)
			}
		}
	}
}

func TestADuplicateCredentialIsRefused(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", bearer(a.access), add("Authorization", "Bearer "+a.access)))
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", bearer(a.access), add("Authorization", "Basic eDp5")))
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", set("Cookie", "access_token="+a.access+"; access_token="+a.access)))
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", cookie("access_token", a.access), cookie("access_token", "x")))
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", set("Cookie", "refresh_token="+a.refresh+"; refresh_token="+a.refresh)))
}

func TestSchemesOfAuthorization(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	for value, code := range map[string]string{
		"Bearer " + a.access: "", "bearer " + a.access: "", "BEARER  " + a.access: "",
		"Basic eDp5": "AUTHENTICATION_REQUIRED", "DPoP " + a.access: "AUTHENTICATION_REQUIRED", a.access: "AUTHENTICATION_REQUIRED",
		"Bearer": "ACCESS_TOKEN_INVALID", "Bearer x y": "ACCESS_TOKEN_INVALID", "Bearer " + a.access + ",": "ACCESS_TOKEN_INVALID",
		"Bearer\t" + a.access: "AUTHENTICATION_REQUIRED",
	} {
		if got := w.send(req("GET /api/users/me", "", set("Authorization", value))); got.code() != code {
			t.Errorf("%.12q: %s, want %q", value, got.code(), code)
		}
	}
	w.ok(req("GET /api/users/me", "", set("Authorization", "Basic eDp5"), cookie("access_token", a.access)))
}

func TestOnlyTheRightKindOfTokenPasses(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", bearer(a.refresh)))
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", bearer(a.stepUp)))
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", bearer(a.refresh), cookie("access_token", a.access)))
	for _, wrong := range []string{a.access, a.stepUp} {
		w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(wrong)))
		w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(wrong), cookie("refresh_token", a.refresh)))
	}
	w.want(401, "STEP_UP_TOKEN_INVALID", changeBy(a).but(steppedUp(a.access)))
	w.want(401, "STEP_UP_TOKEN_INVALID", changeBy(a).but(steppedUp(a.refresh)))
	elsewhere := newWorld(t, withBase("http://staging.example"))
	b := elsewhere.member("ada@example.com")
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(b.refresh)))
}

func TestUnauthorizedAnswersSayWhatIsWanted(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	for want, r := range map[string]request{
		"Bearer":                       req("GET /api/users/me", ""),
		`Bearer error="invalid_token"`: req("GET /api/users/me", "", bearer("x")),
		`Bearer error="insufficient_user_authentication", acr_values="aal2 aal1", max_age=600`: changeBy(a).but(del("X-Step-Up-Token")),
	} {
		if got := w.send(r).header.Values("Www-Authenticate"); len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := w.send(loginOf("ada@example.com", "wrong")).header.Get("Www-Authenticate"); got != "Bearer" {
		t.Errorf("wrong credentials say %q", got)
	}
}

func TestASignedInCallerCannotRegisterSignInOrBecomeAGuest(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	for _, r := range []request{registerAs("eve@example.com"), loginOf("ada@example.com", goodPassword), req("POST /api/guests", `{"name":"x"}`)} {
		w.want(409, "ALREADY_AUTHENTICATED", r.but(bearer(a.access)))
		w.want(409, "ALREADY_AUTHENTICATED", r.but(cookie("access_token", a.access)))
		w.faults.plan("sessions.access", broken("DATABASE_FAILURE"))
		w.ok(r.but(bearer(a.access)))
		w.faults.clear()
		w.ok(r.but(bearer("bad")))
	}
}

// --- other sites ---

func TestWhoeverIsRefusedAsCrossSiteIsNotSameSite(t *testing.T) {
	const own, friend, absent = "http://gatehouse.example", "https://app.example", "absent"
	w := newWorld(t, with(func(d *adapter.Deps) { d.AllowedOrigins = []string{friend} }))
	std := http.NewCrossOriginProtection()
	for _, o := range []string{own, friend} {
		if err := std.AddTrustedOrigin(o); err != nil {
			t.Fatal(err)
		}
	}
	sites := map[string]int{absent: 0, "same-origin": 1, "none": 1, "same-site": -1, "cross-site": -1, "Same-Origin": -1, "": 0}
	origins := map[string]bool{
		absent: false, own: true, friend: true, "null": false, "https://gatehouse.example": false, "http://gatehouse.example:8080": false,
		"http://gatehouse.example.evil.com": false, "http://evil.example": false, "http://sub.gatehouse.example": false,
		"HTTP://GATEHOUSE.EXAMPLE": false, "https://app.example.": false, "": false,
	}
	for site, word := range sites {
		for origin, known := range origins {
			for _, sent := range []string{"cookie", "foreign cookie", "bearer", "bearer and cookie", "basic and cookie", "nothing"} {
				r := req("POST /api/auth/logout", "")
				if site != absent {
					r.header["Sec-Fetch-Site"] = []string{site}
				}
				if origin != absent {
					r.header["Origin"] = []string{origin}
				}
				guarded := false
				switch sent {
				case "cookie":
					r, guarded = r.but(cookie("oauth2_flow", "x")), true
				case "foreign cookie":
					r = r.but(cookie("theme", "dark"))
				case "bearer":
					r = r.but(bearer("x"))
				case "bearer and cookie":
					r = r.but(bearer("x"), cookie("access_token", "x"))
				case "basic and cookie":
					r, guarded = r.but(set("Authorization", "Basic x"), cookie("access_token", "x")), true
				}
				accepted := !guarded || word > 0 || (origin != absent && known) || (origin == absent && word == 0)
				got := w.sendUnlimited(r)
				if (got.code() != "CROSS_SITE_REQUEST_REFUSED") != accepted {
					t.Errorf("site %q, origin %q, %s: %d %s, want accepted %t", site, origin, sent, got.status, got.code(), accepted)
				}
				if guarded && accepted && site != "" && std.Check(plain(r)) != nil {
					t.Errorf("site %q, origin %q: net/http would refuse what we accept", site, origin)
				}
			}
		}
	}
}

// sendUnlimited sends without being limited by what was sent before.
func (w *world) sendUnlimited(r request) answer {
	w.t.Helper()
	w.clock.advance(time.Second)
	return w.send(r)
}

func plain(r request) *http.Request {
	out := httptest.NewRequest(r.method, "http://gatehouse.example"+r.path, nil)
	out.Header = r.header
	return out
}

func TestTwoOriginsAreNoOrigin(t *testing.T) {
	const own = "http://gatehouse.example"
	w := newWorld(t)
	w.want(403, "CROSS_SITE_REQUEST_REFUSED", req("POST /api/auth/logout", "", cookie("access_token", "x"), set("Origin", own), add("Origin", "https://evil.example")))
}

func TestSafeMethodsMayComeFromAnywhere(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	w.ok(req("GET /api/users/me", "", cookie("access_token", a.access), set("Sec-Fetch-Site", "cross-site"), set("Origin", "https://evil.example")))
}

func TestARefusedCrossSiteRequestChangesNothing(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	for _, kind := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded"} {
		w.want(403, "CROSS_SITE_REQUEST_REFUSED", req("DELETE /api/users/me/sessions", "", cookie("access_token", a.access),
			set("Content-Type", kind), set("Origin", "null")))
	}
	w.ok(req("GET /api/users/me", "", bearer(a.access)))
}

func TestOnlyPagesOfKnownOriginsReadAnswers(t *testing.T) {
	w := newWorld(t, withBase("https://gatehouse.example"), with(func(d *adapter.Deps) { d.AllowedOrigins = []string{"https://app.example:8443"} }))
	for origin, known := range map[string]bool{
		"https://gatehouse.example": true, "https://app.example:8443": true, "null": false, "http://gatehouse.example": false,
		"https://app.example": false, "https://gatehouse.example.evil.com": false, "https://evilgatehouse.example": false,
		"https://gatehouse.example:443": false, "https://sub.gatehouse.example": false, "*": false, "": false,
	} {
		preflight := req("OPTIONS /api/users/me/password", "", set("Origin", origin), set("Access-Control-Request-Method", "PUT"),
			set("Access-Control-Request-Headers", "authorization, x-step-up-token"))
		for name, a := range map[string]answer{
			"good":  w.send(req("GET /livez", "", set("Origin", origin))),
			"error": w.send(req("GET /api/users/me", "", set("Origin", origin))),
			"none":  w.send(req("GET /nowhere", "", set("Origin", origin))),
		} {
			want := map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "", "Access-Control-Expose-Headers": ""}
			if known {
				want = map[string]string{
					"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
					"Access-Control-Expose-Headers": "Retry-After, X-Request-Id, WWW-Authenticate",
				}
			}
			checkCORS(t, origin+" "+name, a, want)
		}
		if origin == "" {
			continue // not a preflight
		}
		a := w.send(preflight)
		want := map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Methods": "", "Access-Control-Allow-Headers": ""}
		if known {
			want = map[string]string{
				"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Methods": "GET, POST, PUT, DELETE", "Access-Control-Allow-Headers": "authorization, x-step-up-token",
			}
		}
		checkCORS(t, origin+" preflight", a, want)
		if a.status != http.StatusNoContent || len(a.body) != 0 {
			t.Errorf("preflight of %s: %d %s", origin, a.status, a.body)
		}
	}
}

func checkCORS(t *testing.T, name string, a answer, want map[string]string) {
	t.Helper()
	for header, value := range want {
		if got := strings.Join(a.header.Values(header), " | "); got != value {
			t.Errorf("%s: %s is %q, want %q", name, header, got, value)
		}
	}
	if !slices.Contains(a.header.Values("Vary"), "Origin") {
		t.Errorf("%s: Vary %q", name, a.header.Values("Vary"))
	}
}

func TestPreflightsCostNoBucket(t *testing.T) {
	w := newWorld(t)
	for range 250 {
		if a := w.send(req("OPTIONS /api/users/me", "", set("Origin", "http://gatehouse.example"), set("Access-Control-Request-Method", "GET"))); a.status != http.StatusNoContent {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	w.want(401, "AUTHENTICATION_REQUIRED", req("GET /api/users/me", ""))
}

func TestAnOriginIsExactlySchemeHostAndPort(t *testing.T) {
	for s, ok := range map[string]bool{
		"https://app.example": true, "http://localhost:5173": true, "https://[::1]:8443": true,
		"": false, "null": false, "*": false, "app.example": false, "https://app.example/": false, "https://app.example/x": false,
		"https://u@app.example": false, "ftp://app.example": false, "https://app.example?x": false, "https://": false, "https://app.example#x": false,
	} {
		got, err := adapter.Origin(s)
		if (err == nil) != ok || (ok && got != s) {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}
