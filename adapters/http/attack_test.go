package http_test

import (
	"slices"
	"strings"
	"testing"

	adapter "gatehouse/adapters/http"
)

// What an attacker's look at the endpoints has found, and must not come back.

func TestARefreshTokenIsJudgedBeforeTheBody(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{"{", `{"browser":5}`, strings.Repeat(" ", 100<<10)} {
		w.want(401, "REFRESH_TOKEN_MISSING", req("POST /api/auth/refresh", "").but(func(r *request) { r.body = body[:min(len(body), 1<<10)] }))
		w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", body[:min(len(body), 1<<10)], bearer("nonsense")))
	}
}

func TestABearerHeaderThatDoesNotCountExcusesNoForeignPage(t *testing.T) {
	for name, transport := range map[string]adapter.Transport{
		"cookies only": {}, "cookies first": {HeaderAllowed: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ada := w.member("ada@example.com")
			off := newWorld(t, with(func(d *adapter.Deps) { d.Transport = transport }))
			off.want(403, "CROSS_SITE_REQUEST_REFUSED", req("PUT /api/users/me", `{"name":"Eve"}`, bearer("x"),
				cookie("access_token", ada.access), set("Origin", "https://evil.example"), set("Sec-Fetch-Site", "cross-site")))
		})
	}
}

func TestAParameterThatWasSentTwiceIsNamed(t *testing.T) {
	w := newWorld(t)
	for query, field := range map[string]string{
		"send-email=true&send-email=false": "send-email", "locale=de&locale=fr": "locale",
	} {
		a := w.want(400, "INVALID_REQUEST", req("POST /api/auth/register?"+query, `{"email":"a@example.com","password":"Correct-Horse-7","name":"A"}`))
		if !slices.Equal(a.rules(), []string{field + ":type"}) {
			t.Errorf("%s: %v", query, a.rules())
		}
	}
}

func TestAnIdInThePathIsDecodedOnceAndThenJudged(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada@example.com")
	w.ok(req("DELETE /api/users/me/sessions/0198c0de-7a11-7b2c-9d3e-4f506172839%34", "", bearer(ada.access)))
}

func TestAllListsOfLanguagesCount(t *testing.T) {
	w := newWorld(t)
	r := req("GET /api/users/me", "")
	r.header["Accept-Language"] = []string{"xx", "de"}
	if a := w.want(401, "AUTHENTICATION_REQUIRED", r); a.header.Get("Content-Language") != "de" {
		t.Errorf("answered in %q", a.header.Get("Content-Language"))
	}
}

func TestACompressedBodyIsRefusedHoweverThatIsSaid(t *testing.T) {
	w := newWorld(t)
	r := req("POST /api/auth/login", `{"email":"a@example.com","password":"x"}`)
	r.header["Content-Encoding"] = []string{"identity", "gzip"}
	w.want(415, "UNSUPPORTED_MEDIA_TYPE", r)
}

func TestACookieThatCannotBeReadIsOneTooMany(t *testing.T) {
	w := newWorld(t)
	ada := w.member("ada@example.com")
	w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", set("Cookie", `access_token=`+ada.access+`; access_token=a\b`)))
}

func TestTheMethodOfAStrangerIsNotLogged(t *testing.T) {
	w := newWorld(t)
	w.want(405, "METHOD_NOT_ALLOWED", req(strings.Repeat("X", 9000)+" /api/users/me", ""))
	if strings.Contains(w.log.String(), "XXXX") {
		t.Error("the log repeats the method")
	}
}
