package http_test

import (
	"encoding/json"
	"net/url"
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

// Faults F59: whatever strangers send, the log has lines of JSON of a bounded
// length, one record in each, and nothing that a terminal obeys.
func TestNothingThatIsSentBreaksALineOfTheLog(t *testing.T) {
	w := newWorld(t, withProxies("127.0.0.0/8"), with(func(d *adapter.Deps) { d.Limits.Enabled = false }))
	ada := w.member("ada@example.com")
	const evil = "\x1b[2J\u2028\n{\"msg\":\"audit\",\"forged\":true}"
	long := strings.Repeat("long", 1<<18)
	header := strings.NewReplacer("\n", "", "\x1b", "").Replace(evil)
	path := url.PathEscape(evil)
	label := `"session":{"browser":` + quoted(evil) + `,"os":` + quoted(evil) + `}`
	for _, r := range []request{
		req("GET /"+path, ""), req("GET /api/users/"+path, "", bearer(ada.access)), req("GET /api/users/me?"+path+"="+path, "", bearer(ada.access)),
		req("GET /api/auth/status?locale="+path, ""), req("DELETE /api/users/me/sessions/"+path, "", bearer(ada.access)),
		req("GET /api/users/me", "", bearer(ada.access), set("User-Agent", header), set("Accept-Language", header), set("X-Request-Id", header), set("Forwarded", header), set("X-Forwarded-For", header)),
		req("GET /api/users/me", "", bearer(ada.access), set("User-Agent", long[:60_000]), set("X-Request-Id", long[:9_000])),
		req("GET /api/users/me", "", bearer(header)), req("GET /api/users/me", "", cookie("access_token", path)),
		req("POST /api/auth/login", `{"email":`+quoted(evil)+`,"password":`+quoted(evil)+`,`+label+`}`),
		req("POST /api/auth/login", `{"email":"ada@example.com","password":`+quoted(goodPassword)+`,`+label+`}`, set("User-Agent", header)),
		req("POST /api/auth/register", `{"email":"eve@example.com","password":`+quoted(goodPassword)+`,"name":`+quoted(evil)+`}`),
		req("POST /api/auth/register", `{`+quoted(evil)+`:`+quoted(long[:40_000])+`}`), req("POST /api/auth/login", evil+long),
	} {
		w.send(r)
	}
	records := 0
	for line := range strings.Lines(w.log.String()) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil || len(line) > 4096 || strings.ContainsAny(line, "\x1b\u2028") {
			t.Errorf("a line of %d bytes, %v: %.300q", len(line), err, line)
		}
		if record["forged"] != nil {
			t.Errorf("a record was forged: %s", line)
		}
		records++
	}
	if records < 14 {
		t.Errorf("%d records", records)
	}
}

func TestTheMethodOfAStrangerIsNotLogged(t *testing.T) {
	w := newWorld(t)
	w.want(405, "METHOD_NOT_ALLOWED", req(strings.Repeat("X", 9000)+" /api/users/me", ""))
	if strings.Contains(w.log.String(), "XXXX") {
		t.Error("the log repeats the method")
	}
}
