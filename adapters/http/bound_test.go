package http_test

import (
	"strings"
	"testing"
	"time"

	adapter "gatehouse/adapters/http"
)

// payment is what a service that moves money might ask a step-up for.
const payment = `"purpose":"payment:42","payloadHash":"47DEQpj8HBSa-_TImW"`

// bound returns a step-up token that is good for one thing.
func (w *world) bound(a account, what string) string {
	w.t.Helper()
	return w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`",`+what+`}`, bearer(a.access))).text("stepUpToken")
}

func redeem(token, what string) request {
	return req("POST /api/auth/step-up/redeem", `{"token":"`+token+`",`+what+`}`)
}

func TestAStepUpForOneThingIsGoodForThatAloneAndOnce(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	token := w.bound(a, payment)

	w.want(401, "STEP_UP_TOKEN_INVALID", changeBy(a).but(steppedUp(token)))
	if status := w.ok(req("GET /api/auth/status", "", bearer(a.access), steppedUp(token))); status.json["stepUp"] != false {
		t.Errorf("it counts as a step-up: %s", status.body)
	}
	for _, other := range []string{`"purpose":"payment:43","payloadHash":"47DEQpj8HBSa-_TImW"`, `"purpose":"payment:42"`} {
		w.want(401, "STEP_UP_TOKEN_INVALID", redeem(token, other))
	}
	got := w.ok(redeem(token, payment))
	if got.text("userId") != a.id || got.text("sessionId") != a.session || got.text("purpose") != "payment:42" || got.text("acr") != "aal1" {
		t.Errorf("approval: %s", got.body)
	}
	again := w.want(401, "STEP_UP_TOKEN_INVALID", redeem(token, payment))
	if said := again.header.Get("WWW-Authenticate"); !strings.Contains(said, "insufficient_user_authentication") {
		t.Errorf("WWW-Authenticate: %s", said)
	}
}

// A plain step-up is for whatever is ours, and says nothing about what others
// ask for.
func TestAPlainStepUpApprovesOfNothingInParticular(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.want(401, "STEP_UP_TOKEN_INVALID", redeem(a.stepUp, payment))
}

func TestATokenForOneThingStandsInTheBodyAndInNoCookie(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) { d.Transport.HeaderAllowed = false }))
	a := w.member("ada@example.com")
	up := w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`",`+payment+`}`, cookie("access_token", a.access)))
	if up.text("stepUpToken") == "" || len(up.header.Values("Set-Cookie")) > 0 {
		t.Errorf("cookies %v\n%s", up.header.Values("Set-Cookie"), up.body)
	}
	w.ok(redeem(up.text("stepUpToken"), payment))
}

func TestAProofGrowsNoOlderThanIsAskedFor(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	a.stepUp = w.bound(a, `"max_age":60,"acr_values":"aal1"`)
	w.clock.advance(59 * time.Second)
	w.ok(req("GET /api/users/me", "", bearer(a.access), steppedUp(a.stepUp)))
	w.clock.advance(time.Second)
	w.want(401, "STEP_UP_TOKEN_EXPIRED", changeBy(a))
}

func TestWhatAStepUpMayBeAskedForHasRules(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	for sent, rule := range map[string]string{
		`"purpose":" "`:                      "purpose not_blank",
		`"payloadHash":"47DEQpj8HBSa-_TImW"`: "purpose required",
		`"purpose":"p","payloadHash":"x"`:    "payloadHash pattern",
		`"acr_values":""`:                    "acr_values not_blank",
		`"max_age":0`:                        "max_age range",
		`"max_age":"60"`:                     "max_age type",
	} {
		got := w.want(400, "INVALID_REQUEST", req("POST /api/auth/step-up", `{"password":"x",`+sent+`}`, bearer(a.access)))
		field, name, _ := strings.Cut(rule, " ")
		if !strings.Contains(string(got.body), `"field":"`+field+`"`) || !strings.Contains(string(got.body), `"rule":"`+name+`"`) {
			t.Errorf("%s: want %s\n%s", sent, rule, got.body)
		}
	}
	w.want(400, "INVALID_REQUEST", redeem("x", `"purpose":""`))
}
