package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/ports/inbound"
)

func TestAPanicIsAnInternalErrorAndTellsNothing(t *testing.T) {
	const canary = "canary-7b1f"
	for _, value := range []any{canary, errors.New(canary), fmt.Stringer(bytes.NewBufferString(canary)), struct{ s string }{canary}, fault.New(fault.RoleRequired)} {
		w := newWorld(t, with(func(d *adapter.Deps) { d.WhoAmI = panics{value} }))
		a := w.member("ada@example.com")
		got := w.want(500, "INTERNAL_ERROR", req("GET /api/users/me", "", bearer(a.access)))
		if all := string(got.body) + w.log.String(); strings.Contains(all, canary) {
			t.Errorf("%T is told: %s", value, all)
		}
		if !strings.Contains(w.log.String(), "panics.Do") {
			t.Error("the log has no stack")
		}
		w.ok(req("GET /api/auth/status", "", bearer(a.access)))
	}
}

func TestAFailureThatIsNoFaultTellsNothing(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	w.faults.plan("open", errors.New("canary-7b1f"))
	got := w.want(500, "INTERNAL_ERROR", req("GET /api/users/me", "", bearer(a.access)))
	if strings.Contains(string(got.body), "canary") || !strings.Contains(w.log.String(), "canary-7b1f") {
		t.Errorf("body %s\nlog %s", got.body, w.log.String())
	}
}

func TestAFaultTheOperationDoesNotNameIsAnInternalError(t *testing.T) {
	for _, code := range []fault.Code{fault.RoleRequired, fault.HashFailure, fault.EmailTaken, fault.IPLoginRateLimitExceeded, "NO_SUCH_CODE"} {
		w := newWorld(t, with(func(d *adapter.Deps) {
			d.ListSessions = inbound.Func[inbound.ListSessions, inbound.Sessions](func(context.Context, inbound.ListSessions) (inbound.Sessions, error) {
				return nil, fault.New(code)
			})
		}))
		a := w.member("ada@example.com")
		w.want(500, "INTERNAL_ERROR", req("GET /api/users/me/sessions", "", bearer(a.access)))
	}
}

func TestNoSecretEverGetsIntoTheLog(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) { d.Limits.Enabled = false }))
	secrets := map[string]string{
		"address": "canary.address@example.com", "password": "Canary-Password-1", "next password": "Canary-Next-2", "name": "Canary Name",
		"wrong password": "canary-wrong-3", "bad token": "canary.token.bad", "bad link": "canary-link-bad", "query": "canary-query-4", "new address": "canary.moved@example.com",
	}
	address, pass := secrets["address"], secrets["password"]
	w.ok(req("POST /api/auth/register", `{"email":`+quoted(address)+`,"password":`+quoted(pass)+`,"name":`+quoted(secrets["name"])+`}`))
	a := w.signIn(address, pass, set("User-Agent", "canary-agent"))
	a.stepUp = w.ok(req("POST /api/auth/step-up", `{"password":`+quoted(pass)+`}`, bearer(a.access))).text("stepUpToken")
	secrets["access"], secrets["refresh"], secrets["step-up"], secrets["link"] = a.access, a.refresh, a.stepUp, w.link()
	secrets["reset link"] = w.resetLink(address)
	change := changeBy(a).but(body(changeBody(pass, secrets["next password"])))

	walk := []request{
		loginOf(address, secrets["wrong password"]), loginOf(secrets["wrong password"]+"@example.com", pass),
		req("GET /api/users/me", "", bearer(secrets["bad token"])), req("GET /api/users/me", "", cookie("access_token", a.refresh)),
		req("GET /api/users/me?x="+secrets["query"], "", bearer(a.access)), req("GET /"+secrets["query"], ""),
		req("DELETE /api/users/me/sessions/"+secrets["query"], "", bearer(a.access)),
		req("POST /api/auth/email/verification", `{"token":`+quoted(secrets["bad link"])+`}`),
		req("POST /api/auth/email/verification?token="+secrets["bad link"], ""),
		req("POST /api/auth/register", `{"email":[`+quoted(address)+`],"password":{"x":`+quoted(pass)+`}}`),
		req("POST /api/auth/register", `{"email":`+quoted(address)+`,"password":`+quoted(pass)+`,"name":"`+"\xff"+`"}`),
		req("POST /api/auth/register", `{"email":`+quoted(address)+`,"password":`+quoted(pass)),
		resetBy(secrets["bad link"]), resetBy(secrets["reset link"]).but(body(resetBody(secrets["reset link"], "short"))),
		req("POST /api/auth/password/reset?token="+secrets["reset link"], `{"newPassword":"short"}`),
		req("GET /api/auth/password/reset?token="+secrets["reset link"], ""),
		forgot(address), forgot("[" + address), req("GET /api/auth/password/reset/cooldown?email="+address, ""),
		moveBy(a, secrets["new address"]), moveBy(a, address), moveBy(a, "["+secrets["new address"]),
		change.but(body(changeBody(pass, "short"))), change.but(steppedUp(secrets["bad token"])),
		req("POST /api/auth/refresh", "", bearer(secrets["bad token"])), req("PUT /api/users/me", `{"name":`+quoted(secrets["name"])+`}`, bearer(a.access)),
	}
	for _, r := range walk {
		w.send(r)
	}
	for _, op := range []string{"principals.byID", "principals.byEmail", "sessions.access", "sessions.refreshable", "open", "match", "hash", "admit", "mint", "commit", "propagate", "onetime.find", "cooldowns.start", "cooldowns.left"} {
		w.faults.plan(op, broken(fault.DatabaseFailure))
		for _, r := range append(walk, change, loginOf(address, pass), req("POST /api/auth/refresh", "", bearer(a.refresh)),
			req("POST /api/auth/email/verification", `{"token":`+quoted(secrets["link"])+`}`)) {
			w.clock.advance(time.Minute / 10)
			w.send(r)
		}
		w.faults.clear()
	}
	if len(w.mails(notice.EmailVerification)) == 0 {
		t.Error("no mail was promised")
	}
	text := w.log.String()
	for name, s := range secrets {
		if strings.Contains(text, s) {
			at := strings.Index(text, s)
			t.Errorf("the %s is in the log: …%s…", name, text[max(0, at-300):min(len(text), at+100)])
		}
	}
	for _, part := range strings.Split(a.access, ".")[1:] {
		if strings.Contains(text, part) {
			t.Error("a part of the access token is in the log")
		}
	}
}

func TestEveryRequestIsOneLineWithItsPatternAndCode(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	w.want(400, "INVALID_REQUEST", req("DELETE /api/users/me/sessions/x", "", bearer(a.access)))
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	var last map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 || last["route"] != "/api/users/me/sessions/:sessionId" || last["status"] != 400.0 || last["code"] != "INVALID_REQUEST" || last["method"] != "DELETE" {
		t.Errorf("%d lines, the last %v", len(lines), last)
	}
	if got := w.traffic.last(); got != (served{"/api/users/me/sessions/:sessionId", "DELETE", "INVALID_REQUEST", 400}) {
		t.Errorf("measured %+v", got)
	}
	w.want(404, "ROUTE_NOT_FOUND", req("GET /made-up-1", ""))
	if got := w.traffic.last(); got.route != "" {
		t.Errorf("an unknown path is measured as %q", got.route)
	}
}
