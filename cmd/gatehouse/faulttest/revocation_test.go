package faulttest

import (
	"encoding/json"
	"net/http"
	"testing"
)

// prey is somebody with two sessions, one of which is to end.
type prey struct {
	acting, other       pair
	session             string // the other one
	stepUp, otherStepUp string
}

// prey signs somebody in twice, and lets both replicas know.
func (c *cluster) prey(t *testing.T) prey {
	t.Helper()
	address, acting := c.person(t)
	p := prey{acting: acting, other: c.a.signIn(address, password).must(t).pair()}
	var a, b answer
	p.stepUp, a = c.a.stepUp(acting.AccessToken, password)
	p.otherStepUp, b = c.b.stepUp(p.other.AccessToken, password)
	a.must(t)
	b.must(t)
	for _, r := range c.both() {
		r.listSessions(acting.AccessToken).must(t)
		r.listSessions(p.other.AccessToken).must(t)
	}
	p.session = c.a.sessionOf(t, p.other)
	return p
}

func (r *replica) sessionOf(t *testing.T, p pair) string {
	t.Helper()
	a := r.ask("GET", "/api/auth/status", p.AccessToken, "").must(t)
	var s struct{ SessionID string }
	must(t, json.Unmarshal([]byte(a.body), &s))
	return s.SessionID
}

// ways are all that ends the other session.
var ways = map[string]struct {
	end  func(at *replica, p prey) answer
	kept bool // is the acting one
}{
	"a logout": {func(at *replica, p prey) answer {
		return at.ask("POST", "/api/auth/logout", p.other.AccessToken, "")
	}, true},
	"the end of one session": {func(at *replica, p prey) answer {
		return at.ask("DELETE", "/api/users/me/sessions/"+p.session, p.acting.AccessToken, "")
	}, true},
	"the end of all sessions": {func(at *replica, p prey) answer {
		return at.ask("DELETE", "/api/users/me/sessions", p.acting.AccessToken, "")
	}, false},
	"a password change": {func(at *replica, p prey) answer {
		return at.changePassword(p.acting.AccessToken, p.stepUp, password, another)
	}, true},
}

// over complains unless a replica refuses everything of the session that ended.
func (p prey) over(t *testing.T, r *replica) {
	t.Helper()
	r.whoAmI(p.other.AccessToken).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
	r.listSessions(p.other.AccessToken).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
	r.refresh(p.other.RefreshToken).wants(t, http.StatusUnauthorized, "REFRESH_TOKEN_INVALID")
	r.changePassword(p.other.AccessToken, p.otherStepUp, password, another).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
}

// F05, F06: what one replica has ended is refused by the other's very next
// answer, whatever the token.
func TestF05WhatEndedOnOneReplicaIsRefusedByTheNextRequestOnTheOther(t *testing.T) {
	c := theCommon(t)
	n := rounds(3, 50)
	for i := range n {
		for name, way := range ways {
			p := c.prey(t)
			way.end(c.of(i), p).must(t)
			p.over(t, c.of(i+1))
			if got := c.of(i + 1).whoAmI(p.acting.AccessToken).ok(); got != way.kept {
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
