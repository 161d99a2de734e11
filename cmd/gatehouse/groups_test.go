package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/redis/redistest"
)

const (
	boss   = "root@example.com"
	people = `{"key":"staff","translations":{"en":{"name":"Staff"},"de":{"name":"Belegschaft"}}}`
)

// administered are settings with which there is an admin from the start.
var administered = []string{"GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL=" + boss, "GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD=" + first}

// id is whoever has the cookies of c.
func (c caller) id(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/api/users/me", http.NoBody)
	must(t, err)
	res, err := c.Do(req)
	must(t, err)
	defer res.Body.Close()
	var me struct{ ID string }
	must(t, json.NewDecoder(res.Body).Decode(&me))
	if me.ID == "" {
		t.Fatalf("who has these cookies is %s", res.Status)
	}
	return me.ID
}

// Groups are the same on both databases, to the last refusal.
func TestGroupsOnBothDatabases(t *testing.T) {
	for name, environ := range map[string][]string{"sqlite": nil, "postgres": {"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append(append([]string{"GATEHOUSE_LIMITS_ENABLED=false"}, administered...), environ...)...)
			ada := p.caller()
			must(t, ada.do(t.Context(), "POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`)))
			must(t, ada.do(t.Context(), "POST", "/api/auth/login", credentialsOf("ada@example.com", "")))
			guest := p.caller()
			must(t, guest.do(t.Context(), "POST", "/api/guests", `{"name":"Passer-by"}`))
			p.must("POST", p.public+"/api/auth/login", credentialsOf(boss, ""), 200)
			who, nobody, somebody := ada.id(t), guest.id(t), "0198c0de-7a11-7b2c-9d3e-4f5061728394"

			for _, step := range []struct {
				method, path, body string
				status             int
				says               string
			}{
				{"POST", "", people, 200, `"key":"staff"`},
				{"POST", "", people, 409, "GROUP_KEY_EXISTS"},
				{"POST", "", strings.Replace(people, "staff", "Staff", 1), 200, `"key":"Staff"`},
				{"POST", "", `{"key":"x","translations":{"de":{"name":"x"}}}`, 400, "INVALID_GROUP_TRANSLATION"},
				{"POST", "", `{"key":"x","translations":{"en":{"name":"a\u0000b"}}}`, 400, "control_characters"},
				{"PUT", "/staff", `{"translations":{"fr":{"name":"É"}},"translationsToDelete":["de"]}`, 200, `"locale":"en"`},
				{"PUT", "/staff", `{"translationsToDelete":["en"]}`, 400, "INVALID_GROUP_TRANSLATION"},
				{"PUT", "/STAFF", `{}`, 404, "DATABASE_ENTITY_NOT_FOUND"},
				{"GET", "/staff?locale=fr-CA", "", 200, `"name":"É"`},
				{"GET", "/sta%00ff", "", 404, "DATABASE_ENTITY_NOT_FOUND"},
				{"GET", "?sort=name,desc&locale=fr", "", 200, `{"content":[{"description":"","key":"staff","locale":"fr","name":"É"},{"description":"","key":"Staff","locale":"en","name":"Staff"}],`},
				{"GET", "?size=1&page=1", "", 200, `"key":"staff"`}, // "S" comes before "s"
				{"POST", "/staff/members/" + who, "", 200, `"groups":["staff"]`},
				{"POST", "/staff/members/" + who, "", 200, `"groups":["staff"]`},
				{"POST", "/Staff/members/" + who, "", 200, `"groups":["Staff","staff"]`},
				{"POST", "/STAFF/members/" + somebody, "", 404, "GROUP_NOT_FOUND"},
				{"POST", "/staff/members/" + somebody, "", 404, "USER_NOT_FOUND"},
				{"POST", "/staff/members/" + nobody, "", 404, "USER_NOT_FOUND"},
				{"DELETE", "/Staff/members/" + who, "", 200, `"groups":["staff"]`},
				{"DELETE", "/Staff", "", 200, `"success":true`},
				{"DELETE", "/staff", "", 200, `"success":true`},
				{"DELETE", "/staff", "", 404, "DATABASE_ENTITY_NOT_FOUND"},
				{"DELETE", "/staff/members/" + who, "", 404, "GROUP_NOT_FOUND"},
				{"GET", "", "", 200, `"totalElements":0`},
			} {
				got, answer := p.call(step.method, p.public+"/api/groups"+step.path, step.body)
				if got != step.status || !strings.Contains(answer, step.says) {
					t.Errorf("%s %s %s: %d %s, want %d with %s", step.method, step.path, step.body, got, answer, step.status, step.says)
				}
			}
			if err := ada.do(t.Context(), "GET", "/api/users/me", ""); err == nil || !strings.Contains(err.Error(), "ACCESS_TOKEN_EXPIRED") {
				t.Errorf("who was in groups: %v", err)
			}
			must(t, ada.do(t.Context(), "POST", "/api/auth/refresh", ""))
			must(t, ada.do(t.Context(), "GET", "/api/users/me", ""))
		})
	}
}

// F05, F93: what a group means to tokens counts on every replica, whatever a
// cache remembers.
func TestAMembershipCountsOnEveryReplica(t *testing.T) {
	cache := redistest.Start(t)
	p := newPair(t, append([]string{"GATEHOUSE_CACHE_URL=" + cache.URL, "GATEHOUSE_LIMITS_ENABLED=false"}, administered...)...)
	for _, r := range p.of {
		<-r.log.says("cache is in reach")
	}
	admin := p.device(boss)
	admin.signsIn(0)
	admin.must(0, "POST", "/api/groups", people)
	ada := p.person()
	member := "/api/groups/staff/members/" + caller{ada.Client, p.of[0].public}.id(t)
	for _, step := range []struct{ method, path string }{{"POST", member}, {"DELETE", member}, {"POST", member}, {"DELETE", "/api/groups/staff"}} {
		cache.Do("FLUSHALL") // or nothing would be remembered of her for seconds
		ada.isKnown()
		admin.must(0, step.method, step.path, "")
		ada.isNobody(step.method + " " + step.path)
		ada.must(1, "POST", "/api/auth/refresh", "")
	}
	ada.isKnown()
}

// Whoever adds, removes and deletes at once, on whichever replica: none of them
// fails for another, and in the end nobody is in a group that is gone.
func TestGroupsAreManagedByManyAtOnce(t *testing.T) {
	p := newPair(t, append([]string{"GATEHOUSE_LIMITS_ENABLED=false"}, administered...)...)
	admin := p.device(boss)
	admin.signsIn(0)
	admin.must(0, "POST", "/api/groups", people)
	var crowd []caller
	var ids []string
	for range 4 {
		crowd = append(crowd, caller{p.person().Client, p.of[0].public})
		ids = append(ids, crowd[len(crowd)-1].id(t))
	}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			method, path := "POST", "/api/groups/staff/members/"+ids[i%len(ids)]
			switch {
			case i == 20:
				method, path = "DELETE", "/api/groups/staff"
			case i%5 == 0:
				method = "DELETE"
			}
			err := admin.do(i%2, method, path, "")
			if err != nil && !strings.Contains(err.Error(), "GROUP_NOT_FOUND") {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, who := range crowd {
		must(t, who.do(t.Context(), "POST", "/api/auth/refresh", ""))
		if groups := who.groups(t); len(groups) > 0 {
			t.Errorf("somebody is in %v", groups)
		}
	}
}

// groups are those that the access token of c names.
func (c caller) groups(t *testing.T) []string {
	t.Helper()
	at, err := url.Parse(c.base)
	must(t, err)
	for _, cookie := range c.Jar.Cookies(at) {
		if cookie.Name == "access_token" {
			var claims struct{ Groups []string }
			decode(t, cookie.Value, &claims)
			return claims.Groups
		}
	}
	t.Fatal("there is no access token")
	return nil
}

// decode reads the claims of a token.
func decode(t *testing.T, token string, into any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("not a token")
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	must(t, json.Unmarshal(b, into))
}
