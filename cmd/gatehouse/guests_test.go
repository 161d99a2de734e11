package main

import (
	"strings"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
)

// A guest becomes a user, is told everything, and leaves: the same on both
// databases.
func TestAGuestBecomesAUserAndLeavesOnBothDatabases(t *testing.T) {
	for name, environ := range map[string][]string{"sqlite": nil, "postgres": {"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}} {
		t.Run(name, func(t *testing.T) {
			p := start(t, environ...)
			const gus = "gus@example.com"
			ask := func(method, path, body string, status int, says ...string) {
				t.Helper()
				got, answer := p.call(method, p.public+path, body)
				for _, s := range says {
					if !strings.Contains(answer, s) {
						t.Errorf("%s %s lacks %s: %s", method, path, s, answer)
					}
				}
				if got != status {
					t.Fatalf("%s %s: %d %s, want %d", method, path, got, answer, status)
				}
			}
			convert := func(address string) string {
				return `{"email":"` + address + `","password":"` + first + `"}`
			}
			ask("POST", "/api/auth/register", credentialsOf("eve@example.com", `,"name":"Eve"`), 200)
			ask("POST", "/api/guests", `{"name":"Gus"}`, 200, `"roles":["GUEST"]`)
			who := caller{p.client, p.public}.id(t)
			ask("POST", "/api/guests/convert-to-user", convert("EVE@example.com"), 409, "GUEST_EMAIL_TAKEN")
			ask("POST", "/api/guests/convert-to-user", convert(gus), 200, who, `"roles":["USER"]`, `"emailVerified":false`)
			ask("POST", "/api/guests/convert-to-user", convert(gus), 409, "GUEST_IS_ALREADY_USER")
			ask("POST", "/api/auth/email/verification", `{"token":"`+p.link(gus)+`"}`, 200, `"emailVerified":true`)
			ask("POST", "/api/auth/step-up", credentialsOf(gus, ""), 200)
			ask("GET", "/api/users/me/export", "", 200, who, gus, `"current":true`, `"amr":["guest"]`, `"kind":"email_verification"`, `"provider":"password"`)
			ask("POST", "/api/auth/logout", "", 200)
			ask("POST", "/api/auth/login", credentialsOf(gus, ""), 200, who)
			ask("POST", "/api/auth/step-up", credentialsOf(gus, ""), 200)
			ask("GET", "/api/users/me/export", "", 200, `"endReason":"signed_out"`)
			ask("DELETE", "/api/users/me", "", 200)
			ask("GET", "/api/users/me", "", 401)
			ask("POST", "/api/auth/login", credentialsOf(gus, ""), 401, "INVALID_CREDENTIALS")
		})
	}
}
