package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"

	authenticator "github.com/pquerna/otp/totp"

	"gatehouse/adapters/gorm/pgtest"
)

// app is an authenticator app that was set up, as its owner got it.
type app struct {
	Secret, Token, QRCode string
	RecoveryCodes         []string
}

// app sets one up, after a step-up.
func (p *program) app() (a app) {
	p.t.Helper()
	must(p.t, json.Unmarshal([]byte(p.must("GET", p.public+"/api/auth/2fa/totp/setup", "", 200)), &a))
	return a
}

// shown is the code that it shows now.
func (a app) shown(t *testing.T) string {
	t.Helper()
	code, err := authenticator.GenerateCode(a.Secret, now())
	must(t, err)
	return code
}

func (a app) confirmation(t *testing.T) string {
	t.Helper()
	return `{"token":"` + a.Token + `","code":"` + a.shown(t) + `"}`
}

// atOnce asks for one thing many times at once, and counts the answers by what
// they say: "" for those that went through.
func (p *program) atOnce(method, path, body string, says ...string) map[string]int {
	p.t.Helper()
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		counts = map[string]int{}
		same   = caller{p.client, p.public}
	)
	for range 24 {
		all.Go(func() {
			err := same.do(p.t.Context(), method, path, body)
			outcome := "something else"
			for _, s := range says {
				if err != nil && strings.Contains(err.Error(), s) {
					outcome = s
				}
			}
			if err == nil {
				outcome = ""
			}
			mu.Lock()
			defer mu.Unlock()
			if outcome == "something else" {
				p.t.Errorf("%s %s: %v", method, path, err)
			}
			counts[outcome]++
		})
	}
	all.Wait()
	return counts
}

// Faults F19, F81: what is confirmed at once on either database is confirmed
// once, what is guessed at once is judged five times, and of two methods one
// stays where one has to.
func TestAnAuthenticatorAppIsConfirmedOnceOnBothDatabases(t *testing.T) {
	const setup, off, email = "/api/auth/2fa/totp/setup", "/api/auth/2fa/totp", "/api/auth/2fa/email"
	for name, environ := range map[string][]string{"sqlite": nil, "postgres": {"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append([]string{
				"GATEHOUSE_LIMITS_IP=1000", "GATEHOUSE_LIMITS_USER=1000", "GATEHOUSE_TWO_FACTOR_REQUIRED=true",
			}, environ...)...)
			p.proven("ada@example.com")
			guessed := p.app()
			got := p.atOnce("POST", setup, `{"token":"`+guessed.Token+`","code":"`+wrongFor(t, guessed)+`"}`,
				"WRONG_TWO_FACTOR_CODE", "TOO_MANY_ATTEMPTS", "TOTP_SETUP_TOKEN_INVALID")
			if got["WRONG_TWO_FACTOR_CODE"] != 5 || got[""] != 0 {
				t.Errorf("guesses at once: %v", got)
			}
			if status, answer := p.call("POST", p.public+setup, guessed.confirmation(t)); !strings.Contains(answer, "TOTP_SETUP_TOKEN_INVALID") {
				t.Errorf("after five: %d %s", status, answer)
			}

			p.proven("eve@example.com")
			p.must("POST", p.public+"/api/auth/2fa/email/send", "", 200)
			mailed := regexp.MustCompile(`\b\d{6}\b`).FindString(p.mail("email_authentication").Text)
			got = p.atOnce("POST", email+"/enable", `{"code":"`+mailed+`"}`, "TWO_FACTOR_METHOD_ALREADY_ENABLED", "TWO_FACTOR_CODE_EXPIRED",
				"WRONG_TWO_FACTOR_CODE", "TOO_MANY_ATTEMPTS")
			if got[""] != 1 {
				t.Errorf("a mailed code at once: %v", got)
			}
			for range 2 {
				got := p.atOnce("POST", setup, p.app().confirmation(t), "TWO_FACTOR_METHOD_ALREADY_ENABLED", "TOTP_SETUP_TOKEN_INVALID", "TOO_MANY_ATTEMPTS")
				if got[""] != 1 {
					t.Errorf("confirmations at once: %v", got)
				}
				p.must("GET", p.public+setup, "", 409)
				if got := p.atOnce("DELETE", off, "", "TWO_FACTOR_METHOD_ALREADY_DISABLED"); got[""] != 1 {
					t.Errorf("switched off at once: %v", got)
				}
			}
			p.must("POST", p.public+setup, p.app().confirmation(t), 200)
			var both sync.WaitGroup
			for _, path := range []string{off, email} {
				both.Go(func() { _, _ = p.call("DELETE", p.public+path, "") })
			}
			both.Wait()
			if me := p.must("GET", p.public+"/api/users/me", "", 200); strings.Contains(me, `"twoFactorMethods":[]`) || strings.Contains(me, `["totp","email"]`) {
				t.Errorf("of two methods that went at once %s", me)
			}
		})
	}
}

// proven registers somebody, signs them in, and lets them prove who they are.
func (p *program) proven(address string) {
	p.t.Helper()
	p.must("POST", p.public+"/api/auth/logout", "", 200)
	p.must("POST", p.public+"/api/auth/register", credentialsOf(address, `,"name":"Ada"`), 200)
	p.must("POST", p.public+"/api/auth/login", credentialsOf(address, ""), 200)
	p.must("POST", p.public+"/api/auth/step-up", `{"password":"`+first+`"}`, 200)
}

func wrongFor(t *testing.T, a app) string {
	t.Helper()
	if a.shown(t) == "000000" {
		return "000001"
	}
	return "000000"
}
