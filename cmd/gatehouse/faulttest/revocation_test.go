package faulttest

import (
	"net/http"
	"strings"
	"testing"
)

// ways are all that ends sessions of somebody, told to one replica. Each
// returns who keeps the session it was asked with, if anybody.
var ways = map[string]func(t *testing.T, c *cluster, at *replica, address string, acting, other pair) (kept bool){
	"a logout": func(t *testing.T, _ *cluster, at *replica, _ string, _, other pair) bool {
		at.ask("POST", "/api/auth/logout", other.AccessToken, "").must(t)
		return true
	},
	"the end of one session": func(t *testing.T, _ *cluster, at *replica, _ string, acting, other pair) bool {
		at.ask("DELETE", "/api/users/me/sessions/"+at.sessionOf(t, other), acting.AccessToken, "").must(t)
		return true
	},
	"the end of all sessions": func(t *testing.T, _ *cluster, at *replica, _ string, acting, _ pair) bool {
		at.ask("DELETE", "/api/users/me/sessions", acting.AccessToken, "").must(t)
		return false
	},
	"a password change": func(t *testing.T, _ *cluster, at *replica, _ string, acting, _ pair) bool {
		stepUp, a := at.stepUp(acting.AccessToken, password)
		a.must(t)
		at.changePassword(acting.AccessToken, stepUp, password, another).must(t)
		return true
	},
}

func (r *replica) sessionOf(t *testing.T, p pair) string {
	t.Helper()
	a := r.ask("GET", "/api/auth/status", p.AccessToken, "").must(t)
	_, id, _ := strings.Cut(a.body, `"sessionId":"`)
	id, _, ok := strings.Cut(id, `"`)
	if !ok {
		t.Fatal(a)
	}
	return id
}

// F05, F06: what one replica has ended is refused by the other's very next
// answer, whatever the token.
func TestF05WhatEndedOnOneReplicaIsRefusedByTheNextRequestOnTheOther(t *testing.T) {
	c := theCommon(t)
	n := rounds(3, 50)
	for i := range n {
		for name, end := range ways {
			at, elsewhere := c.of(i), c.of(i+1)
			address, acting := c.person(t)
			other := at.signIn(address, password).must(t).pair()
			stepUp, a := elsewhere.stepUp(other.AccessToken, password)
			a.must(t)
			elsewhere.whoAmI(other.AccessToken).must(t) // it knows the token
			kept := end(t, c, at, address, acting, other)

			elsewhere.whoAmI(other.AccessToken).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
			elsewhere.refresh(other.RefreshToken).wants(t, http.StatusUnauthorized, "REFRESH_TOKEN_INVALID")
			elsewhere.changePassword(other.AccessToken, stepUp, password, another).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
			if got := elsewhere.whoAmI(acting.AccessToken).ok(); got != kept {
				t.Errorf("after %s the session it was asked with is live: %t", name, got)
			}
		}
	}
	t.Logf("%d times each of %d ways: access, refresh and step-up tokens refused at once by the other replica", n, len(ways))
}

// F06: a sign-in that compared the old password while it was being replaced
// gains nothing that lasts.
func TestF06ASignInThatRacesWithAPasswordChangeOnTheOtherReplicaGainsNothing(t *testing.T) {
	c := theCommon(t)
	n := rounds(5, 100)
	tried, dead := 0, 0
	for i := range n {
		address, acting := c.person(t)
		at, elsewhere := c.of(i), c.of(i+1)
		stepUp, a := at.stepUp(acting.AccessToken, password)
		a.must(t)
		got := together(9, func(i int) answer {
			if i == 4 {
				return at.changePassword(acting.AccessToken, stepUp, password, another)
			}
			return elsewhere.signIn(address, password)
		})
		got[4].must(t)
		for j, a := range got {
			switch {
			case j == 4:
			case a.ok():
				dead++
				for _, r := range c.both() {
					r.whoAmI(a.pair().AccessToken).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
					r.refresh(a.pair().RefreshToken).wants(t, http.StatusUnauthorized, "REFRESH_TOKEN_INVALID")
				}
			default:
				a.wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
			}
			tried++
		}
		elsewhere.signIn(address, password).wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
		elsewhere.signIn(address, another).must(t)
		elsewhere.whoAmI(acting.AccessToken).must(t)
	}
	t.Logf("%d changes raced with %d sign-ins on the other replica: %d of those were in time and had ended with the change, the others were refused", n, tried-n, dead)
}

// F07, F80: an operator who disables somebody is a process of its own, and both
// replicas obey with their next answer, at every step of what was under way.
func TestF07WhomACommandDisablesIsRefusedByBothReplicasAtEveryStep(t *testing.T) {
	c := theCommon(t)
	address, p := c.person(t)
	stepUp, a := c.b.stepUp(p.AccessToken, password)
	a.must(t)
	for _, r := range c.both() {
		r.whoAmI(p.AccessToken).must(t)
	}
	c.command(t, "user", "disable", address)
	for _, r := range c.both() {
		r.whoAmI(p.AccessToken).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
		r.refresh(p.RefreshToken).wants(t, http.StatusUnauthorized, "REFRESH_TOKEN_INVALID")
		r.changePassword(p.AccessToken, stepUp, password, another).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
		r.signIn(address, password).wants(t, http.StatusForbidden, "USER_DISABLED")
		r.signIn(address, another).wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
	}
	t.Log("disabled by a command: access, refresh and step-up tokens and sign-in refused by both replicas")
}
