package http_test

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// subject is how the codes of an operation are provoked: a request that is
// fine, and what differs for each code.
type subject struct {
	fine func(w *world) request
	op   string // a store call of the operation, behind all checks
	rows map[string]row
	// out of reach, and why
	unreachable map[string]string
}

// row makes the answer that should carry a code.
type row func(w *world) answer

// ownChange changes a password as its owner may.
func ownChange(w *world) request {
	a := w.proven(w.member("ada@example.com"))
	return changeBy(a)
}

func changeBy(a account) request {
	return req("PUT /api/users/me/password", changeBody(goodPassword, nextPassword), bearer(a.access), steppedUp(a.stepUp))
}

func changeBody(old, next string) string {
	return `{"oldPassword":` + quoted(old) + `,"newPassword":` + quoted(next) + `}`
}

func as(line, body string) func(*world) request {
	return func(w *world) request { return req(line, body, bearer(w.member("ada@example.com").access)) }
}

func anyone(line, body string) func(*world) request {
	return func(*world) request { return req(line, body) }
}

// byAdmin asks as an admin, where there is a group staff.
func byAdmin(line, content string) func(*world) request {
	return func(w *world) request {
		as := bearer(w.admin().access)
		w.ok(req("POST /api/groups", staff, as))
		return req(line, content, as)
	}
}

const staff = `{"key":"staff","translations":{"en":{"name":"Staff"},"de":{"name":"Belegschaft"}}}`

// after sends the fine request of a subject after something was planned.
func (s subject) after(plan func(w *world)) row {
	return func(w *world) answer {
		r := s.fine(w)
		plan(w)
		return w.send(r)
	}
}

func (s subject) fails(op string, code fault.Code) row {
	return s.after(func(w *world) { w.faults.plan(op, broken(code)) })
}

func (s subject) but(changes ...change) row {
	return func(w *world) answer { return w.send(s.fine(w).but(changes...)) }
}

// generic are the rows of the error sets (contract §1.4).
func (s subject) generic() map[string]row {
	return map[string]row{
		"IP_RATE_LIMIT_EXCEEDED":                 s.fails("bucket address", fault.IPRateLimitExceeded),
		"IP_LOGIN_RATE_LIMIT_EXCEEDED":           s.fails("bucket login", fault.IPLoginRateLimitExceeded),
		"USER_RATE_LIMIT_EXCEEDED":               s.fails("bucket user", fault.UserRateLimitExceeded),
		"SERVICE_OVERLOADED":                     s.after(func(w *world) { w.stopping.Store(true) }),
		"CROSS_SITE_REQUEST_REFUSED":             s.but(crossSite),
		"AUTHENTICATION_REQUIRED":                s.but(del("Authorization")),
		"ACCESS_TOKEN_INVALID":                   s.but(bearer("nonsense")),
		"ACCESS_TOKEN_EXPIRED":                   s.after(func(w *world) { w.clock.advance(15 * time.Minute) }),
		"ACCESS_TOKEN_ALLOWLIST_READING_FAILURE": s.fails("sessions.access", fault.DatabaseFailure),
		"STEP_UP_TOKEN_MISSING":                  s.but(del("X-Step-Up-Token")),
		"STEP_UP_TOKEN_INVALID":                  s.but(steppedUp("nonsense")),
		"STEP_UP_TOKEN_EXPIRED":                  s.after(func(w *world) { w.clock.advance(10 * time.Minute) }),
		"INVALID_REQUEST":                        s.but(body("{")),
		"REQUEST_TOO_LARGE":                      s.but(body(`{"a":"` + strings.Repeat("a", 64<<10) + `"}`)),
		"UNSUPPORTED_MEDIA_TYPE":                 s.but(set("Content-Type", "text/plain")),
		"DATABASE_FAILURE":                       s.fails(s.op, fault.DatabaseFailure),
		"DATABASE_ENCRYPTION_FAILURE":            s.fails(s.op, fault.DatabaseEncryptionFailure),
		"INVALID_PRINCIPAL_DOCUMENT":             s.fails(s.op, fault.InvalidPrincipalDocument),
		"ROLE_REQUIRED": func(w *world) answer {
			r := s.fine(w)
			return w.send(r.but(bearer(w.member("eve@example.com").access), del("X-Step-Up-Token")))
		},
		"POST_COMMIT_SIDE_EFFECT_FAILURE": s.after(func(w *world) { w.faults.plan("propagate", errStorage) }),
		"TOKEN_CREATION_FAILURE":          s.fails("mint", fault.TokenCreationFailure),
		"INTERNAL_ERROR":                  s.after(func(w *world) { w.faults.plan(s.op, errStorage) }),
		"ALREADY_AUTHENTICATED": func(w *world) answer {
			in := w.member("eve@example.com")
			return w.send(s.fine(w).but(bearer(in.access)))
		},
		"PRINCIPAL_NOT_FOUND": s.after(func(w *world) { w.faults.plan(s.op, outbound.ErrNotFound) }),
	}
}

func subjects() map[string]subject {
	all := map[string]subject{
		"A1": {
			fine: anyone("POST /api/auth/register", registerAs("ada@example.com").body), op: "principals.byEmail",
		},
		"A2": {
			fine: func(w *world) request {
				w.ok(registerAs("ada@example.com"))
				return loginOf("ada@example.com", goodPassword)
			}, op: "principals.byEmail",
		},
		"A3": {fine: as("POST /api/auth/logout", ""), op: "sessions.end"},
		"A4": {
			fine: func(w *world) request {
				return req("POST /api/auth/refresh", `{"browser":"Lynx"}`, bearer(w.member("ada@example.com").refresh))
			}, op: "sessions.refreshable",
		},
		"A5": {fine: as("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`), op: "principals.byID"},
		"A6": {fine: as("GET /api/auth/status", ""), op: "open"},
		"V1": {
			fine: func(w *world) request { return redeem(w.bound(w.member("ada@example.com"), payment), payment) }, op: "sessions.access",
		},
		"A7": {
			fine: func(w *world) request {
				in := w.member("ada@example.com")
				return req("POST /api/auth/email/verification", `{"token":"`+w.link()+`"}`, bearer(in.access))
			}, op: "onetime.find",
		},
		"A8": {fine: as("GET /api/auth/email/verification/cooldown", ""), op: "open"},
		"A9": {
			fine: func(w *world) request {
				in := w.member("ada@example.com")
				w.clock.advance(time.Minute) // the cooldown of the registration
				return req("POST /api/auth/email/verification/send", "", bearer(in.access))
			}, op: "principals.byID",
		},
		"A10": {
			fine: func(w *world) request {
				w.ok(registerAs("ada@example.com"))
				return resetBy(w.resetLink("ada@example.com"))
			}, op: "onetime.find",
		},
		"A11": {fine: anyone("GET /api/auth/password/reset/cooldown?email=ada@example.com", "")},
		"A12": {
			fine: func(w *world) request {
				w.ok(registerAs("ada@example.com"))
				return forgot("ada@example.com")
			}, op: "principals.byEmail",
		},
		"P1": {fine: as("GET /api/users/me", ""), op: "open"},
		"P2": {fine: as("PUT /api/users/me", `{"name":"Ada King"}`), op: "principals.byID"},
		"P4": {
			fine: func(w *world) request {
				return moveBy(w.proven(w.member("ada@example.com")), "ada@elsewhere.example")
			}, op: "principals.byID",
		},
		"P5": {fine: ownChange, op: "principals.byID"},
		"S1": {fine: as("GET /api/users/me/sessions", ""), op: "sessions.of"},
		"S2": {fine: anyone("POST /api/users/me/sessions/token", `{"browser":"Lynx"}`), op: "mint"},
		"S3": {
			fine: func(w *world) request {
				in := w.member("ada@example.com")
				return req("DELETE /api/users/me/sessions/"+w.signIn("ada@example.com", goodPassword).session, "", bearer(in.access))
			}, op: "sessions.end",
		},
		"S4": {fine: as("DELETE /api/users/me/sessions", ""), op: "sessions.endAll"},
		"G1": {fine: anyone("POST /api/guests", `{"name":"Passer-by"}`), op: "principals.add"},
		"R1": {
			fine: byAdmin("POST /api/groups", `{"key":"guild","translations":{"en":{"name":"Guild"}}}`), op: "groups.add",
		},
		"R2": {fine: byAdmin("GET /api/groups", ""), op: "groups.page"},
		"R3": {fine: byAdmin("GET /api/groups/staff", ""), op: "groups.byKey"},
		"R4": {fine: byAdmin("PUT /api/groups/staff", `{"translations":{"de":{"name":"Leute"}}}`), op: "groups.byKey"},
		"R5": {fine: byAdmin("DELETE /api/groups/staff", ""), op: "groups.delete"},
		"R6": {
			fine: func(w *world) request {
				return byAdmin("POST /api/groups/staff/members/"+w.member("bob@example.com").id, "")(w)
			}, op: "principals.byID",
		},
		"R7": {
			fine: func(w *world) request {
				id := w.member("bob@example.com").id
				joins := byAdmin("POST /api/groups/staff/members/"+id, "")(w)
				w.ok(joins)
				return joins.but(by("DELETE"))
			}, op: "principals.byID",
		},
		"K1": {
			fine: func(w *world) request {
				a := w.admin()
				return req("POST /api/security/secrets/rotate-keys", "", bearer(a.access), steppedUp(a.stepUp))
			}, op: "rotations.start",
		},
		"K2": {
			fine: func(w *world) request {
				return req("GET /api/security/secrets/rotate-keys/status", "", bearer(w.admin().access))
			}, op: "rotations.latest",
		},
		"W1": {fine: anyone("GET /.well-known/jwks.json", "")},
		"W2": {fine: anyone("GET /api/openapi", "")},
		"W3": {fine: anyone("GET /livez", "")},
	}
	add := func(id string, rows map[string]row) {
		s := all[id]
		s.rows = rows
		all[id] = s
	}
	add("A1", map[string]row{"HASH_FAILURE": all["A1"].fails("hash", fault.HashFailure)})
	add("A2", map[string]row{
		"HASH_FAILURE":        all["A2"].fails("match", fault.HashFailure),
		"INVALID_CREDENTIALS": all["A2"].but(body(`{"email":"ada@example.com","password":"wrong"}`)),
		"USER_DISABLED": func(w *world) answer {
			in := w.member("ada@example.com")
			w.rewrite(in.id, func(p *principal.Principal) { p.Disable() })
			return w.send(loginOf("ada@example.com", goodPassword))
		},
		"TOO_MANY_ATTEMPTS": func(w *world) answer {
			r := all["A2"].fine(w)
			for range 5 {
				w.want(401, "INVALID_CREDENTIALS", loginOf("ada@example.com", "wrong"))
			}
			return w.send(r)
		},
	})
	add("A3", map[string]row{})
	add("A4", map[string]row{
		"REFRESH_TOKEN_MISSING": all["A4"].but(del("Authorization")),
		"REFRESH_TOKEN_INVALID": all["A4"].but(bearer("nonsense")),
		"REFRESH_TOKEN_EXPIRED": all["A4"].after(func(w *world) { w.clock.advance(90 * 24 * time.Hour) }),
	})
	add("V1", map[string]row{
		"STEP_UP_TOKEN_INVALID": all["V1"].but(body(`{"token":"nonsense",` + payment + `}`)),
		"STEP_UP_TOKEN_EXPIRED": all["V1"].after(func(w *world) { w.clock.advance(10 * time.Minute) }),
	})
	add("A5", map[string]row{
		"UNMET_AUTHENTICATION_REQUIREMENTS": all["A5"].but(body(`{"password":"` + goodPassword + `","acr_values":"aal2"}`)),
		"MISSING_PASSWORD_PARAMETER":        all["A5"].but(body("{}")),
		"INVALID_CREDENTIALS":               all["A5"].but(body(`{"password":"wrong"}`)),
		"HASH_FAILURE":                      all["A5"].fails("match", fault.HashFailure),
		"NO_PASSWORD_PROVIDER": func(w *world) answer {
			return w.send(req("POST /api/auth/step-up", "", bearer(w.put(withoutPassword()).access)))
		},
		"SESSION_EXPIRED": all["A5"].after(func(w *world) { w.faults.planAfter("sessions.access", 1, outbound.ErrNotFound) }),
		"STEP_UP_TOKEN_CREATION_FORBIDDEN": func(w *world) answer {
			in := w.guest()
			w.clock.advance(10 * time.Minute)
			return w.send(req("POST /api/auth/step-up", "", bearer(in.access)))
		},
		"TOO_MANY_ATTEMPTS": func(w *world) answer {
			r := all["A5"].fine(w)
			for range 5 {
				w.want(401, "INVALID_CREDENTIALS", r.but(body(`{"password":"wrong"}`)))
			}
			return w.send(r)
		},
	})
	add("A7", map[string]row{
		"EMAIL_VERIFICATION_TOKEN_INVALID": all["A7"].but(body(`{"token":"nonsense"}`)),
		"EMAIL_VERIFICATION_TOKEN_EXPIRED": all["A7"].after(func(w *world) { w.clock.advance(24 * time.Hour) }),
		"EMAIL_ALREADY_VERIFIED": func(w *world) answer {
			r := all["A7"].fine(w)
			w.ok(r)
			return w.send(r)
		},
		"USER_NOT_FOUND": all["A7"].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
		"EMAIL_TAKEN": func(w *world) answer {
			confirm := w.pendingMove()
			w.ok(registerAs("ada@elsewhere.example"))
			return w.send(confirm)
		},
		"POST_COMMIT_SIDE_EFFECT_FAILURE": func(w *world) answer {
			confirm := w.pendingMove()
			w.faults.plan("propagate", errStorage)
			return w.send(confirm)
		},
	})
	add("A8", map[string]row{
		"CACHE_OPERATION_FAILURE": all["A8"].fails("cooldowns.left", fault.DatabaseFailure),
		"USER_NOT_FOUND": func(w *world) answer {
			return w.send(req("GET /api/auth/email/verification/cooldown", "", bearer(w.guest().access)))
		},
	})
	add("A10", map[string]row{
		"PASSWORD_RESET_TOKEN_INVALID": all["A10"].but(body(resetBody("nonsense", nextPassword))),
		"PASSWORD_RESET_TOKEN_EXPIRED": all["A10"].after(func(w *world) { w.clock.advance(30 * time.Minute) }),
		"USER_NOT_FOUND":               all["A10"].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
		"HASH_FAILURE":                 all["A10"].fails("hash", fault.HashFailure),
	})
	add("A11", map[string]row{
		"INVALID_REQUEST":         all["A11"].but(to("/api/auth/password/reset/cooldown")),
		"CACHE_OPERATION_FAILURE": all["A11"].fails("cooldowns.left", fault.DatabaseFailure),
	})
	add("A12", map[string]row{
		"CACHE_OPERATION_FAILURE": all["A12"].fails("cooldowns.start", fault.DatabaseFailure),
		"EMAIL_COOLDOWN_ACTIVE": func(w *world) answer {
			r := all["A12"].fine(w)
			w.ok(r)
			return w.send(r)
		},
		"EMAIL_DISABLED": func(w *world) answer {
			dark := newWorld(w.t, withoutMail())
			return dark.send(all["A12"].fine(dark))
		},
	})
	add("A9", map[string]row{
		"INVALID_REQUEST":         all["A9"].but(to("/api/auth/email/verification/send?locale=!")),
		"CACHE_OPERATION_FAILURE": all["A9"].fails("cooldowns.start", fault.DatabaseFailure),
		"EMAIL_ALREADY_VERIFIED": func(w *world) answer {
			r := all["A9"].fine(w)
			w.ok(req("POST /api/auth/email/verification", `{"token":"`+w.link()+`"}`))
			return w.send(r)
		},
		"EMAIL_COOLDOWN_ACTIVE": func(w *world) answer {
			r := all["A9"].fine(w)
			w.ok(r)
			return w.send(r)
		},
		"EMAIL_DISABLED": func(w *world) answer {
			dark := newWorld(w.t, withoutMail())
			a := dark.send(all["A9"].fine(dark))
			if got := a.header.Get("Retry-After"); got != "3600" {
				w.t.Errorf("Retry-After %s, want 3600", got)
			}
			return a
		},
		"USER_NOT_FOUND": func(w *world) answer {
			return w.send(req("POST /api/auth/email/verification/send", "", bearer(w.guest().access)))
		},
	})
	add("P4", map[string]row{
		"USER_NOT_FOUND": func(w *world) answer {
			in := w.guest()
			in.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(in.access))).text("stepUpToken")
			return w.send(moveBy(in, "gus@example.com"))
		},
		"EMAIL_TAKEN": all["P4"].but(body(`{"newEmail":"ADA@example.com"}`)),
		"EMAIL_COOLDOWN_ACTIVE": func(w *world) answer {
			r := all["P4"].fine(w)
			w.ok(r)
			return w.send(r)
		},
		"CACHE_OPERATION_FAILURE": all["P4"].fails("cooldowns.start", fault.DatabaseFailure),
		"POST_COMMIT_SIDE_EFFECT_FAILURE": func(w *world) answer {
			dark := newWorld(w.t, withoutMail())
			r := all["P4"].fine(dark)
			dark.faults.plan("propagate", errStorage)
			return dark.send(r)
		},
	})
	add("R1", map[string]row{
		"INVALID_GROUP_TRANSLATION": all["R1"].but(body(`{"key":"guild","translations":{}}`)),
		"GROUP_KEY_EXISTS":          all["R1"].but(body(`{"key":"staff","translations":{"en":{"name":"Guild"}}}`)),
	})
	add("R2", map[string]row{"INVALID_REQUEST": all["R2"].but(to("/api/groups?page=-1"))})
	add("R3", map[string]row{
		"INVALID_REQUEST":           all["R3"].but(to("/api/groups/staff?locale=!")),
		"DATABASE_ENTITY_NOT_FOUND": all["R3"].but(to("/api/groups/STAFF")),
	})
	add("R4", map[string]row{
		"INVALID_GROUP_TRANSLATION": all["R4"].but(body(`{"translationsToDelete":["en"]}`)),
		"DATABASE_ENTITY_NOT_FOUND": all["R4"].but(to("/api/groups/STAFF")),
	})
	add("R5", map[string]row{
		"DATABASE_ENTITY_NOT_FOUND": all["R5"].but(to("/api/groups/STAFF")),
		"MEMBER_UPDATE_FAILURE":     all["R5"].fails("groups.empty", fault.DatabaseFailure),
		"POST_COMMIT_SIDE_EFFECT_FAILURE": func(w *world) answer {
			deletes := all["R7"].fine(w).but(by("DELETE"), to("/api/groups/staff"))
			w.faults.plan("propagate", errStorage)
			return w.send(deletes)
		},
	})
	for _, id := range []string{"R6", "R7"} {
		add(id, map[string]row{
			"INVALID_REQUEST": all[id].but(to("/api/groups/staff/members/bob")),
			"GROUP_NOT_FOUND": all[id].but(to("/api/groups/STAFF/members/" + newID())),
			"USER_NOT_FOUND":  all[id].but(to("/api/groups/staff/members/" + newID())),
		})
	}
	add("K1", map[string]row{
		"SECRET_ROTATION_ONGOING": func(w *world) answer {
			r := all["K1"].fine(w)
			w.ok(r)
			return w.send(r)
		},
	})
	add("P5", map[string]row{
		"USER_NOT_FOUND": func(w *world) answer {
			in := w.guest()
			in.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(in.access))).text("stepUpToken")
			return w.send(changeBy(in))
		},
		"NO_PASSWORD_PROVIDER": func(w *world) answer { return w.send(changeBy(w.put(withoutPassword()))) },
		"INVALID_CREDENTIALS":  all["P5"].but(body(changeBody("wrong", nextPassword))),
		"TOO_MANY_ATTEMPTS": func(w *world) answer {
			r := all["P5"].fine(w)
			for range 5 {
				w.want(401, "INVALID_CREDENTIALS", r.but(body(changeBody("wrong", nextPassword))))
			}
			return w.send(r)
		},
		"HASH_FAILURE": all["P5"].fails("match", fault.HashFailure),
	})
	add("S3", map[string]row{
		"INVALID_REQUEST":     all["S3"].but(to("/api/users/me/sessions/not-a-uuid")),
		"PRINCIPAL_NOT_FOUND": all["S3"].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
	})
	for _, id := range []string{"S1", "S4"} {
		add(id, map[string]row{
			"PRINCIPAL_NOT_FOUND": all[id].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
		})
	}
	maps.Copy(all, peopleSubjects())
	maps.Copy(all, passkeySubjects())
	maps.Copy(all, enrolmentSubjects())
	maps.Copy(all, avatarSubjects())
	maps.Copy(all, challengeSubjects())
	maps.Copy(all, trailSubjects())
	return all
}

func TestEveryPublishedCodeOfEveryOperationCanBeProvoked(t *testing.T) {
	all := subjects()
	for _, id := range built() {
		s, e := all[id], endpointOf(t, id)
		generic := s.generic()
		published := slices.Concat(slices.Collect(maps.Values(e.Errors))...)
		if s.op != "" {
			published = append(published, "INTERNAL_ERROR")
		}
		for _, code := range published {
			t.Run(id+"/"+code, func(t *testing.T) {
				reason, unreachable := s.unreachable[code]
				how := s.rows[code]
				if how == nil {
					how = generic[code]
				}
				switch {
				case unreachable && reason != "":
					return
				case how == nil:
					t.Fatalf("nothing provokes %s", code)
				}
				w := newWorld(t)
				a := how(w)
				if a.code() != code {
					t.Fatalf("%d %s, want %s\n%s", a.status, a.code(), code, w.log.String())
				}
				if !slices.Contains(e.Errors[strconv.Itoa(a.status)], code) && code != "INTERNAL_ERROR" {
					t.Errorf("%s is not published for %d", code, a.status)
				}
			})
		}
		for code := range s.rows {
			if !slices.Contains(published, code) {
				t.Errorf("%s: the row of %s provokes what is not published", id, code)
			}
		}
	}
}

func TestTheFineRequestOfEveryOperationSucceeds(t *testing.T) {
	for id, s := range subjects() {
		t.Run(id, func(t *testing.T) {
			w := newWorld(t)
			w.ok(s.fine(w))
			if last := w.traffic.last(); last.code != "" || last.status != http.StatusOK || last.route == "" {
				t.Errorf("measured %+v", last)
			}
		})
	}
}

// TestEveryCodeOfChangePassword names each way to a code of P5, several where
// there are several.
func TestEveryCodeOfChangePassword(t *testing.T) {
	s := subjects()["P5"]
	huge := changeBody(goodPassword, strings.Repeat("Aa1!", 64<<10))
	rows := []struct {
		name, code string
		how        row
	}{
		{"a declared size above the limit", "REQUEST_TOO_LARGE", s.but(body(huge))},
		{"an undeclared size above the limit", "REQUEST_TOO_LARGE", s.but(body(huge), func(r *request) { r.chunked = true })},
		{"too many requests of an address", "IP_RATE_LIMIT_EXCEEDED", s.fails("bucket address", fault.IPRateLimitExceeded)},
		{"too many requests of a user", "USER_RATE_LIMIT_EXCEEDED", s.fails("bucket user", fault.UserRateLimitExceeded)},
		{"too many wrong passwords", "TOO_MANY_ATTEMPTS", s.rows["TOO_MANY_ATTEMPTS"]},
		{"another site", "CROSS_SITE_REQUEST_REFUSED", s.but(crossSite)},
		{"nobody", "AUTHENTICATION_REQUIRED", s.but(del("Authorization"))},
		{"an unreadable access token", "ACCESS_TOKEN_INVALID", s.but(bearer("a.b.c"))},
		{"an old access token", "ACCESS_TOKEN_EXPIRED", s.after(func(w *world) { w.clock.advance(15 * time.Minute) })},
		{"a session that has ended", "ACCESS_TOKEN_EXPIRED", func(w *world) answer {
			r := s.fine(w)
			w.ok(req("POST /api/auth/logout", "", func(out *request) { out.header.Set("Authorization", r.header.Get("Authorization")) }))
			return w.send(r)
		}},
		{"another token generation", "ACCESS_TOKEN_EXPIRED", func(w *world) answer {
			a := w.proven(w.member("ada@example.com"))
			w.rewrite(a.id, func(p *principal.Principal) { p.SetAdmin(true) })
			return w.send(changeBy(a))
		}},
		{"an unreadable allow-list", "ACCESS_TOKEN_ALLOWLIST_READING_FAILURE", s.fails("sessions.access", fault.DatabaseFailure)},
		{"no step-up", "STEP_UP_TOKEN_MISSING", s.but(del("X-Step-Up-Token"))},
		{"an unreadable step-up", "STEP_UP_TOKEN_INVALID", s.but(steppedUp("a.b.c"))},
		{"an old step-up", "STEP_UP_TOKEN_EXPIRED", s.after(func(w *world) { w.clock.advance(10 * time.Minute) })},
		{"the step-up of another session", "STEP_UP_TOKEN_INVALID", func(w *world) answer {
			a := w.proven(w.member("ada@example.com"))
			b := w.signIn("ada@example.com", goodPassword)
			b.stepUp = a.stepUp
			return w.send(changeBy(b))
		}},
		{"the step-up of somebody else", "STEP_UP_TOKEN_INVALID", func(w *world) answer {
			a, b := w.proven(w.member("ada@example.com")), w.member("eve@example.com")
			b.stepUp = a.stepUp
			return w.send(changeBy(b))
		}},
		{"a form", "UNSUPPORTED_MEDIA_TYPE", s.but(set("Content-Type", "application/x-www-form-urlencoded"))},
		{"no type", "UNSUPPORTED_MEDIA_TYPE", s.but(del("Content-Type"))},
		{"no body", "INVALID_REQUEST", s.but(body(""))},
		{"a bad locale", "INVALID_REQUEST", s.but(to("/api/users/me/password?locale=!"))},
		{"a weak password", "INVALID_REQUEST", s.but(body(changeBody(goodPassword, "weak")))},
		{"the same password", "INVALID_REQUEST", s.but(body(changeBody(goodPassword, goodPassword)))},
		{"a guest", "USER_NOT_FOUND", s.rows["USER_NOT_FOUND"]},
		{"an account that has gone", "USER_NOT_FOUND", s.after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) })},
		{"a database that fails", "DATABASE_FAILURE", s.fails("principals.byID", fault.DatabaseFailure)},
		{"a commit that fails", "DATABASE_FAILURE", s.fails("commit", fault.DatabaseFailure)},
		{"sealed data that does not open", "DATABASE_ENCRYPTION_FAILURE", s.fails("principals.byID", fault.DatabaseEncryptionFailure)},
		{"a record that makes no sense", "INVALID_PRINCIPAL_DOCUMENT", s.fails("principals.byID", fault.InvalidPrincipalDocument)},
		{"no password identity", "NO_PASSWORD_PROVIDER", s.rows["NO_PASSWORD_PROVIDER"]},
		{"a wrong password", "INVALID_CREDENTIALS", s.but(body(changeBody("wrong", nextPassword)))},
		{"an empty old password", "INVALID_CREDENTIALS", s.but(body(changeBody("", nextPassword)))},
		{"comparing fails", "HASH_FAILURE", s.fails("match", fault.HashFailure)},
		{"hashing fails", "HASH_FAILURE", s.fails("hash", fault.HashFailure)},
		{"too many wait to hash", "SERVICE_OVERLOADED", s.fails("admit", fault.ServiceOverloaded)},
		{"the service stops", "SERVICE_OVERLOADED", s.after(func(w *world) { w.stopping.Store(true) })},
		{"the caches cannot be told", "POST_COMMIT_SIDE_EFFECT_FAILURE", s.after(func(w *world) { w.faults.plan("propagate", errStorage) })},
		{"something unforeseen", "INTERNAL_ERROR", s.after(func(w *world) { w.faults.plan("principals.byID", errStorage) })},
		{"another path", "ROUTE_NOT_FOUND", s.but(to("/api/users/me/password/"))},
		{"another method", "METHOD_NOT_ALLOWED", s.but(by("POST"))},
	}
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.code] = true
		t.Run(r.name, func(t *testing.T) {
			w := newWorld(t)
			a := r.how(w)
			if a.code() != r.code {
				t.Fatalf("%d %s, want %s\n%s", a.status, a.code(), r.code, w.log.String())
			}
			if a.header.Get("Set-Cookie") != "" {
				t.Errorf("it sets %q", a.header.Values("Set-Cookie"))
			}
			w.faults.clear()
			w.stopping.Store(false)
			w.clock.advance(time.Hour)
			standing := goodPassword
			if r.code == "POST_COMMIT_SIDE_EFFECT_FAILURE" {
				standing = nextPassword
			}
			if r.code != "NO_PASSWORD_PROVIDER" && r.name != "a guest" {
				w.ok(loginOf("ada@example.com", standing))
			}
		})
	}
	for status, codes := range endpointOf(t, "P5").Errors {
		for _, code := range codes {
			if !seen[code] {
				t.Errorf("%s %s has no row", status, code)
			}
		}
	}
}

// TestTheFirstFailingStepAnswers breaks ever fewer things of one request, in
// the order of the checks: the next step answers each time, and everything
// behind it is still wrong.
func TestTheFirstFailingStepAnswers(t *testing.T) {
	w := newWorld(t)
	a, other := w.proven(w.member("ada@example.com")), w.guest()
	other.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(other.access))).text("stepUpToken")
	bare := w.put(withoutPassword())
	huge := strings.Repeat("x", 65<<10)

	r := req("POST /api/users/me/password/?locale=!", huge, set("Content-Type", "text/plain"),
		cookie("access_token", "bad"), cookie("step_up_token", "bad"), set("Origin", "https://evil.example"))
	for _, op := range []string{"bucket address", "bucket user", "sessions.access", "principals.byID", "match", "hash", "commit"} {
		w.faults.plan(op, broken(fault.DatabaseFailure))
	}
	w.stopping.Store(true)

	heal := func(op string) change { return func(*request) { w.faults.mend(op) } }
	steps := []struct {
		code string
		mend change // what is wrong no more afterwards
	}{
		{"SERVICE_OVERLOADED", func(*request) { w.stopping.Store(false) }},
		{"ROUTE_NOT_FOUND", to("/api/users/me/password?locale=!")},
		{"METHOD_NOT_ALLOWED", by("PUT")},
		{"REQUEST_TOO_LARGE", body("{")},
		{"IP_RATE_LIMIT_EXCEEDED", heal("bucket address")},
		{"CROSS_SITE_REQUEST_REFUSED", del("Origin", "Cookie")},
		{"AUTHENTICATION_REQUIRED", bearer("bad")},
		{"ACCESS_TOKEN_INVALID", bearer(other.access)},
		{"ACCESS_TOKEN_ALLOWLIST_READING_FAILURE", heal("sessions.access")},
		{"USER_RATE_LIMIT_EXCEEDED", heal("bucket user")},
		{"STEP_UP_TOKEN_MISSING", steppedUp(a.stepUp)},
		{"STEP_UP_TOKEN_INVALID", steppedUp(other.stepUp)},
		{"UNSUPPORTED_MEDIA_TYPE", set("Content-Type", "application/json")},
		{"INVALID_REQUEST", body(changeBody("wrong", "weak"))},
		{"INVALID_REQUEST", body(changeBody("wrong", nextPassword))},
		{"INVALID_REQUEST", to("/api/users/me/password")},
		{"DATABASE_FAILURE", heal("principals.byID")},
		{"USER_NOT_FOUND", func(r *request) { bearer(bare.access)(r); steppedUp(bare.stepUp)(r) }},
		{"NO_PASSWORD_PROVIDER", func(r *request) { bearer(a.access)(r); steppedUp(a.stepUp)(r) }},
	}
	for _, s := range steps {
		if got := w.send(r); got.code() != s.code {
			t.Fatalf("%d %s, want %s\n%s", got.status, got.code(), s.code, w.log.String())
		}
		r = r.but(s.mend)
	}
	w.faults.plan("match", broken(fault.HashFailure))
	w.faults.plan("hash", broken(fault.HashFailure))
	w.faults.mend("commit")
	for _, s := range []struct {
		code string
		mend change
	}{
		{"HASH_FAILURE", heal("match")},
		{"INVALID_CREDENTIALS", body(changeBody(goodPassword, nextPassword))},
		{"HASH_FAILURE", heal("hash")},
	} {
		if got := w.send(r); got.code() != s.code {
			t.Fatalf("%d %s, want %s\n%s", got.status, got.code(), s.code, w.log.String())
		}
		r = r.but(s.mend)
	}
	w.ok(r)
}
