package faulttest

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	authenticator "github.com/pquerna/otp/totp"
)

// app is an authenticator app as its owner got it.
type app struct {
	Secret, Token string
	RecoveryCodes []string
}

// protected is somebody who has an authenticator app on.
func (c *cluster) protected(t *testing.T) (address string, a app) {
	t.Helper()
	address, p := c.person(t)
	proof, stepped := c.a.stepUp(p.AccessToken, password)
	stepped.must(t)
	begun := c.a.ask("GET", "/api/auth/2fa/totp/setup", p.AccessToken, "", "X-Step-Up-Token", proof).must(t)
	must(t, json.Unmarshal([]byte(begun.body), &a))
	c.b.ask("POST", "/api/auth/2fa/totp/setup", p.AccessToken, object("token", a.Token, "code", a.shown(t, 0)), "X-Step-Up-Token", proof).must(t)
	return address, a
}

// shown is the code the app shows so long from now.
func (a app) shown(t *testing.T, later time.Duration) string {
	t.Helper()
	code, err := authenticator.GenerateCode(a.Secret, time.Now().Add(later))
	must(t, err)
	return code
}

// challenges are so many sign-ins that wait for a second factor.
func (c *cluster) challenges(t *testing.T, address string, n int) (tokens []string) {
	t.Helper()
	for _, a := range together(n, func(i int) answer { return c.of(i).signIn(address, password) }) {
		var in struct{ TwoFactorAuthenticationToken string }
		must(t, json.Unmarshal([]byte(a.must(t).body), &in))
		tokens = append(tokens, in.TwoFactorAuthenticationToken)
	}
	return tokens
}

// oneOf sends the same answer to every challenge at once, and wants one of them
// to get in and all others to be told that it is wrong.
func (c *cluster) oneOf(t *testing.T, challenges []string, path, body, wrong string) {
	t.Helper()
	won := 0
	for _, a := range together(len(challenges), func(i int) answer {
		return c.of(i).ask("POST", path, "", body, "X-Two-Factor-Authentication-Token", challenges[i])
	}) {
		if a.ok() {
			won++
			continue
		}
		a.wants(t, http.StatusUnauthorized, wrong)
	}
	if won != 1 {
		t.Errorf("%d answers with one code succeeded", won)
	}
}

// F17: the code of an authenticator app is accepted once, and none before it,
// by whichever replica it reaches.
func TestF17OneOfManyAnswersWithOneCodeOverTwoReplicasWins(t *testing.T) {
	c := theCommon(t)
	n := rounds(2, 30)
	for range n {
		address, a := c.protected(t)
		challenges := c.challenges(t, address, 21)
		code, earlier := a.shown(t, 30*time.Second), a.shown(t, -30*time.Second)
		c.oneOf(t, challenges[1:], "/api/auth/2fa/login", object("totp", code), "WRONG_TWO_FACTOR_CODE")
		for i, again := range []string{code, earlier} {
			c.of(i).ask("POST", "/api/auth/2fa/login", "", object("totp", again), "X-Two-Factor-Authentication-Token", challenges[0]).
				wants(t, http.StatusUnauthorized, "WRONG_TWO_FACTOR_CODE")
		}
	}
	t.Logf("%d codes of apps sent with 20 challenges at once each over two replicas: %d winners", n, n)
}

// F18: a recovery code is used up once, whoever sends it where.
func TestF18OneOfManyUsesOfARecoveryCodeOverTwoReplicasWins(t *testing.T) {
	c := theCommon(t)
	n := rounds(2, 30)
	for range n {
		address, a := c.protected(t)
		c.oneOf(t, c.challenges(t, address, 20), "/api/auth/2fa/totp/recover", object("code", a.RecoveryCodes[0]), "WRONG_TOTP_RECOVERY_CODE")
	}
	t.Logf("%d recovery codes sent with 20 challenges at once each over two replicas: %d winners", n, n)
}
