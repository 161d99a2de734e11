package http_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	adapter "gatehouse/adapters/http"
	"gatehouse/adapters/ledger"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// --- requests ---

// of makes the request of somebody who has proven themselves about an id, which
// is * in line.
func of(a account, line, id string) request {
	return req(strings.Replace(line, "*", id, 1), "", bearer(a.access), steppedUp(a.stepUp))
}

const (
	listing   = "GET /api/users"
	viewing   = "GET /api/users/*"
	deleting  = "DELETE /api/users/*"
	disabling = "POST /api/users/*/disable"
	enabling  = "POST /api/users/*/enable"
	granting  = "POST /api/admins/*"
	revoking  = "DELETE /api/admins/*"
)

// converting makes a guest a user.
func converting(a account, address string) request {
	return req("POST /api/guests/convert-to-user?locale=fr", `{"email":`+quoted(address)+`,"password":"`+goodPassword+`"}`, bearer(a.access))
}

// leaving deletes one's own account.
func leaving(a account) request { return of(a, "DELETE /api/users/me", "") }

// exporting asks for everything that is stored about oneself.
func exporting(a account) request { return of(a, "GET /api/users/me/export", "") }

// vanishing is somebody who is deleted by another request meanwhile.
func vanishing(s subject) row {
	return s.after(func(w *world) { w.faults.planAfter("principals.byID", 1, outbound.ErrNotFound) })
}

// on is the subject of what an admin does to a user.
func on(line string) subject {
	return subject{fine: func(w *world) request { return of(w.admin(), line, w.member("eve@example.com").id) }, op: "principals.byID"}
}

// peopleSubjects are those of accounts of others.
func peopleSubjects() map[string]subject {
	bad := func(line string) row {
		return func(w *world) answer { return w.send(of(w.admin(), line, "x")) }
	}
	onSelf := func(line string) row {
		return func(w *world) answer {
			a := w.admin()
			return w.send(of(a, line, a.id))
		}
	}
	onGuest := func(line string) row {
		return func(w *world) answer { return w.send(of(w.admin(), line, w.guest().id)) }
	}
	list := func(w *world) request { return of(w.admin(), listing, "") }
	all := map[string]subject{
		"U1": {fine: list, op: "principals.page"},
		"U2": {
			fine: func(w *world) request {
				a := w.member("ada@example.com")
				return of(a, viewing, a.id)
			}, op: "principals.byID",
		},
		"P3": {fine: func(w *world) request { return leaving(w.proven(w.member("ada@example.com"))) }, op: "principals.byID"},
		"X1": {fine: func(w *world) request { return exporting(w.proven(w.member("ada@example.com"))) }, op: "dossiers.of"},
		"G2": {fine: func(w *world) request { return converting(w.guest(), "gus@example.com") }, op: "principals.byID"},
		"U3": on(deleting), "U4": on(disabling), "U5": on(enabling), "D1": on(granting), "D2": on(revoking),
	}
	for id, rows := range map[string]map[string]row{
		"U1": {
			"INVALID_REQUEST": func(w *world) answer { return w.send(of(w.admin(), listing+"?roles=root", "")) },
			"HASH_FAILURE":    all["U1"].fails("principals.page", fault.HashFailure),
		},
		"U2": {"INVALID_REQUEST": bad(viewing), "USER_NOT_FOUND": onGuest(viewing)},
		"G2": {
			"GUEST_NOT_FOUND":       all["G2"].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
			"GUEST_IS_ALREADY_USER": func(w *world) answer { return w.send(converting(w.member("ada@example.com"), "x")) },
			"GUEST_EMAIL_TAKEN":     all["G2"].after(func(w *world) { w.ok(registerAs("GUS@example.com")) }),
			"HASH_FAILURE":          all["G2"].fails("hash", fault.HashFailure),
		},
		"X1": {"PRINCIPAL_NOT_FOUND": all["X1"].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) })},
		"P3": {
			"DATABASE_ENTITY_NOT_FOUND":   vanishing(all["P3"]),
			"AT_LEAST_ONE_ADMIN_REQUIRED": func(w *world) answer { return w.send(leaving(w.admin())) },
		},
		"U3": {
			"INVALID_REQUEST": bad(deleting), "USER_NOT_FOUND": onGuest(deleting), "DATABASE_ENTITY_NOT_FOUND": vanishing(all["U3"]),
			"AT_LEAST_ONE_ADMIN_REQUIRED": onSelf(deleting),
		},
		"U4": {
			"INVALID_REQUEST": bad(disabling), "USER_NOT_FOUND": onGuest(disabling),
			"AT_LEAST_ONE_ADMIN_REQUIRED": onSelf(disabling),
		},
		"U5": {"INVALID_REQUEST": bad(enabling), "USER_NOT_FOUND": onGuest(enabling)},
		"D1": {"INVALID_REQUEST": bad(granting), "GUEST_CANNOT_PERFORM_THIS_ACTION": onGuest(granting)},
		"D2": {
			"INVALID_REQUEST": bad(revoking), "USER_NOT_FOUND": onGuest(revoking), "AT_LEAST_ONE_ADMIN_REQUIRED": onSelf(revoking),
			"POST_COMMIT_SIDE_EFFECT_FAILURE": func(w *world) answer {
				a, b := w.admin(), w.adminAt("eve@example.com")
				w.faults.plan("propagate", errStorage)
				return w.send(of(a, revoking, b.id))
			},
		},
	} {
		s := all[id]
		s.rows = rows
		all[id] = s
	}
	return all
}

// --- what others may know (U2) ---

func TestWhatOthersMayKnowOfAUser(t *testing.T) {
	w := newWorld(t)
	ada, eve, gus := w.admin(), w.member("eve@example.com"), w.guest()
	const overview = `{"id":"*","name":"Ada Lovelace","avatar":null,"roles":["USER"],"disabled":`
	for _, row := range []struct {
		name, path, want string
		by               account
	}{
		{"a user", eve.id, overview + `null}`, eve},
		{"a guest", strings.ToUpper(eve.id), overview + `null}`, gus},
		{"an admin", eve.id, overview + `false}`, ada},
	} {
		t.Run(row.name, func(t *testing.T) {
			golden(t, w.ok(of(row.by, viewing, row.path)), "%s", strings.Replace(row.want, "*", eve.id, 1))
		})
	}
	for _, id := range []string{newID(), gus.id} { // one that is nobody's and a guest's look alike
		w.want(404, "USER_NOT_FOUND", of(ada, viewing, id))
	}
	w.want(401, "AUTHENTICATION_REQUIRED", of(ada, viewing, eve.id).but(del("Authorization")))
}

func TestPublicProfilesNeedNoToken(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) { d.PublicProfiles = true }))
	ada := w.admin()
	for name, change := range map[string]change{
		"no token": del("Authorization"), "a bad one": bearer("nonsense"), "a refresh token": bearer(ada.refresh),
	} {
		if a := w.ok(of(ada, viewing, ada.id).but(change)); a.json["disabled"] != nil {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if a := w.ok(of(ada, viewing, ada.id)); a.json["disabled"] != false {
		t.Errorf("an admin: %s", a.body)
	}
	w.want(404, "USER_NOT_FOUND", of(ada, viewing, w.guest().id).but(del("Authorization")))
	w.want(401, "AUTHENTICATION_REQUIRED", req("GET /api/users/me", ""))
	w.clock.advance(15 * time.Minute)
	w.ok(of(ada, viewing, ada.id)) // has expired, and counts as absent
}

// --- disabling (U4, U5) ---

// Whatever was begun before an account was shut goes no further (faults F07).
func TestADisabledUserGetsNowhere(t *testing.T) {
	w := newWorld(t)
	ada, eve := w.admin(), w.proven(w.member("eve@example.com"))
	reset := w.resetLink(eve.email)
	verify := w.link()
	w.outstanding(eve.id)

	if a := w.ok(of(ada, disabling, eve.id)); a.json["disabled"] != true || a.text("id") != eve.id {
		t.Errorf("%s", a.body)
	}
	for _, r := range []request{
		req("GET /api/users/me", "", bearer(eve.access)), changeBy(eve), moveBy(eve, "eve@elsewhere.example"),
		req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(eve.access)),
	} {
		w.want(401, "ACCESS_TOKEN_EXPIRED", r)
	}
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(eve.refresh)))
	w.want(401, "PASSWORD_RESET_TOKEN_INVALID", resetBy(reset))
	w.want(401, "EMAIL_VERIFICATION_TOKEN_INVALID", confirm(verify))
	w.want(403, "USER_DISABLED", loginOf(eve.email, goodPassword))
	w.want(401, "INVALID_CREDENTIALS", loginOf(eve.email, "wrong"))
	if got := w.usable(); got != "" {
		t.Errorf("usable: %s", got)
	}

	w.ok(of(ada, disabling, eve.id)) // is so already
	if a := w.ok(of(ada, enabling, eve.id)); a.json["disabled"] != false {
		t.Errorf("%s", a.body)
	}
	w.ok(of(ada, enabling, eve.id))
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(eve.refresh)))
	w.clock.advance(2 * time.Minute) // of the login bucket
	w.want(401, "PASSWORD_RESET_TOKEN_INVALID", resetBy(reset))
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(eve.access)))
	w.signIn(eve.email, goodPassword)
}

// --- the role ADMIN (D1, D2) ---

func TestARoleCountsAtOnce(t *testing.T) {
	w := newWorld(t)
	ada, eve := w.admin(), w.proven(w.member("eve@example.com"))
	w.want(403, "ROLE_REQUIRED", of(eve, granting, eve.id)) // nobody makes themselves an admin (faults F65)

	if a := w.ok(of(ada, granting, eve.id)); !slices.Equal(a.json["roles"].([]any), []any{"USER", "ADMIN"}) {
		t.Errorf("%s", a.body)
	}
	w.want(401, "ACCESS_TOKEN_EXPIRED", of(eve, granting, eve.id))
	stale := eve
	eve.access = w.ok(req("POST /api/auth/refresh", "", bearer(eve.refresh))).text("accessToken")
	w.want(401, "ACCESS_TOKEN_EXPIRED", of(stale, viewing, eve.id))
	w.ok(of(eve, granting, eve.id)) // has it already, so the token goes on
	w.ok(of(eve, revoking, ada.id))
	w.want(401, "ACCESS_TOKEN_EXPIRED", of(ada, revoking, eve.id))
	w.want(409, "AT_LEAST_ONE_ADMIN_REQUIRED", of(eve, revoking, eve.id))
	w.want(409, "AT_LEAST_ONE_ADMIN_REQUIRED", of(eve, disabling, eve.id))
	if a := w.ok(of(eve, revoking, ada.id)); !slices.Equal(a.json["roles"].([]any), []any{"USER"}) {
		t.Errorf("%s", a.body)
	}
}

// Rights come before the record, so that nobody without them learns who exists
// (faults F83).
func TestOnlyAdminsLearnWhoExists(t *testing.T) {
	w := newWorld(t)
	eve, gus := w.proven(w.member("eve@example.com")), w.guest()
	gus.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(gus.access))).text("stepUpToken")
	for _, line := range []string{disabling, enabling, granting, revoking} {
		for _, id := range []string{eve.id, gus.id, newID(), "x"} {
			w.want(403, "ROLE_REQUIRED", of(eve, line, id))
			w.want(403, "ROLE_REQUIRED", of(gus, line, id))
		}
		w.want(401, "STEP_UP_TOKEN_MISSING", of(w.admin(), line, "x").but(del("X-Step-Up-Token")))
		w.clock.advance(5 * time.Minute) // of the login bucket
		eve, gus = w.renewed(eve), w.renewed(gus)
	}
}

// renewed refreshes a session, and proves nothing anew.
func (w *world) renewed(a account) account {
	w.t.Helper()
	got := w.accountIn(w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh))))
	got.stepUp = a.stepUp
	return got
}

func TestAdminsWhoGetRidOfEachOtherAtOnceLeaveOne(t *testing.T) {
	for _, lines := range [][2]string{{revoking, revoking}, {disabling, disabling}, {revoking, disabling}, {deleting, deleting}, {deleting, revoking}} {
		w := newWorld(t)
		a, b := w.admin(), w.adminAt("eve@example.com")
		requests := [2]request{of(a, lines[0], b.id), of(b, lines[1], a.id)}
		var answers [2]answer
		var both sync.WaitGroup
		for i, r := range requests {
			both.Go(func() { answers[i] = w.send(r) })
		}
		both.Wait()
		left, err := w.store.Single().Principals.EnabledAdmins(t.Context())
		if err != nil || len(left) != 1 {
			t.Fatalf("%v: admins left: %v, %v", lines, left, err)
		}
		done := 0
		for _, got := range answers {
			if got.status == 200 {
				done++
			} else if !slices.Contains([]string{"AT_LEAST_ONE_ADMIN_REQUIRED", "ACCESS_TOKEN_EXPIRED"}, got.code()) {
				t.Errorf("%v: %d %s", lines, got.status, got.code())
			}
		}
		if done != 1 {
			t.Errorf("%v: %d of both were done", lines, done)
		}
	}
}

// --- deletion (P3, U3) ---

// Nothing of somebody who was deleted works, whoever did it (faults F07).
func TestWhoIsDeletedIsGone(t *testing.T) {
	for name, row := range map[string]struct {
		how func(w *world, ada, eve account) request
		own bool // the cookies are eve's
	}{
		"by themselves": {func(_ *world, _, eve account) request { return leaving(eve) }, true},
		"by an admin":   {func(_ *world, ada, eve account) request { return of(ada, deleting, strings.ToUpper(eve.id)) }, false},
		"as an admin, by themselves": {func(w *world, ada, eve account) request {
			w.ok(of(ada, granting, eve.id))
			eve.access = w.ok(req("POST /api/auth/refresh", "", bearer(eve.refresh))).text("accessToken")
			return of(eve, deleting, eve.id)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ada, eve := w.admin(), w.proven(w.member("eve@example.com"))
			verify := w.link()
			a := w.ok(row.how(w, ada, eve))
			golden(t, a, `{"success":true}`)
			if got := len(a.cookies()); (got == 6) != row.own || (got == 0) == row.own {
				t.Errorf("%d cookies", got)
			}
			for _, c := range a.cookies() {
				if c.MaxAge >= 0 || c.Value != "" {
					t.Errorf("cookie %s", c)
				}
			}
			w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(eve.access)))
			w.want(401, "ACCESS_TOKEN_EXPIRED", changeBy(eve))
			w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(eve.refresh)))
			w.want(401, "EMAIL_VERIFICATION_TOKEN_INVALID", confirm(verify))
			w.want(404, "USER_NOT_FOUND", of(ada, viewing, eve.id))
			w.want(404, "USER_NOT_FOUND", of(ada, deleting, eve.id))
			w.want(401, "INVALID_CREDENTIALS", loginOf(eve.email, goodPassword))
			if all, err := ledger.New(w.ledger).All(t.Context()); err != nil || len(all) != 1 || !all[principal.ID(eve.id)].At.Equal(w.clock.now()) {
				t.Errorf("the ledger holds %v, %v", all, err)
			}
			if heir := w.member(eve.email); heir.id == eve.id { // the address is free
				t.Error("the account is back")
			}
		})
	}
}

func TestAGuestCanLeave(t *testing.T) {
	w := newWorld(t)
	gus := w.guest()
	gus.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(gus.access))).text("stepUpToken")
	w.ok(leaving(gus))
	w.want(401, "ACCESS_TOKEN_EXPIRED", leaving(gus))
}

// What tells of an event goes to where it was to go; what carries a secret that
// opens nothing any more does not go at all (faults F86).
func TestNoticesOutliveTheirAccount(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("Ada@Example.com"))
	w.ok(forgot(a.email))
	w.ok(changeBy(a))
	w.ok(leaving(a))
	if all := append(w.mails(notice.EmailVerification), w.mails(notice.PasswordReset)...); len(all) != 0 {
		t.Errorf("links are mailed: %+v", all)
	}
	told := w.mails(notice.PasswordChanged)
	if len(told) != 1 || told[0].To.Typed() != "Ada@Example.com" || told[0].Principal != "" {
		t.Errorf("told %+v", told)
	}
}

func TestADeletionThatFailsChangesNothing(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	for _, op := range []string{"principals.delete", "commit"} {
		w.faults.plan(op, broken(fault.DatabaseFailure))
		if got := w.want(500, "DATABASE_FAILURE", leaving(a)); got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: cookies %q", op, got.header.Values("Set-Cookie"))
		}
		w.faults.clear()
	}
	w.ok(req("GET /api/users/me", "", bearer(a.access)))
	if all, err := ledger.New(w.ledger).All(t.Context()); err != nil || len(all) != 0 || len(w.mails(notice.EmailVerification)) != 1 {
		t.Errorf("the ledger holds %v, %v", all, err)
	}
}

// A cache that did not hear of it changes nothing about it.
func TestADeletionStandsWhateverBecomesOfItsEffects(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.faults.plan("propagate", errStorage)
	if got := w.want(500, "POST_COMMIT_SIDE_EFFECT_FAILURE", leaving(a)); len(got.cookies()) != 6 {
		t.Errorf("%d cookies", len(got.cookies()))
	}
	if all, err := ledger.New(w.ledger).All(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("the ledger holds %v, %v", all, err)
	}
	w.want(401, "ACCESS_TOKEN_EXPIRED", leaving(a))
}

// --- conversion (G2) ---

func TestAGuestBecomesAUserAndStaysSignedIn(t *testing.T) {
	w := newWorld(t)
	gus := w.guest()
	w.clock.advance(time.Minute)
	a := w.ok(converting(gus, "Gus@Example.com"))
	user, in := a.json["user"].(map[string]any), w.accountIn(a)
	if in.id != gus.id || in.session != gus.session || user["email"] != "Gus@Example.com" || user["name"] != "Passer-by" || user["emailVerified"] != false ||
		!slices.Equal(user["roles"].([]any), []any{"USER"}) || a.cookies()["access_token"].Value != in.access || a.cookies()["refresh_token"].Value != in.refresh {
		t.Errorf("%s", a.body)
	}
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(gus.access)))
	w.ok(req("GET /api/users/me", "", bearer(in.access)))
	w.want(409, "GUEST_IS_ALREADY_USER", converting(in, "x"))
	mail := w.mails(notice.EmailVerification)
	if len(mail) != 1 || mail[0].To.Typed() != "Gus@Example.com" || mail[0].Locale != "fr" {
		t.Fatalf("mails %+v", mail)
	}

	// The answer was lost: the old refresh token brings the same pair (faults §6.3).
	same := w.ok(req("POST /api/auth/refresh", "", bearer(gus.refresh)))
	if same.text("accessToken") != in.access || same.text("refreshToken") != in.refresh {
		t.Error("another pair")
	}
	w.ok(confirm(mail[0].Token.Reveal()))
	w.signIn("gus@example.com", goodPassword)
}

// Of many conversions of a guest one wins, and of many guests who want an
// address one gets it (faults F95).
func TestOneConversionWins(t *testing.T) {
	w := newWorld(t)
	gus := w.guest()
	const n = 8
	codes := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		r := converting(gus, "gus"+string(rune('a'+i))+"@example.com")
		all.Go(func() { codes[i] = w.send(r).code() })
	}
	all.Wait()
	won := 0
	for _, code := range codes {
		if code == "" {
			won++
		} else if !slices.Contains([]string{"GUEST_IS_ALREADY_USER", "ACCESS_TOKEN_EXPIRED"}, code) {
			t.Errorf("refused with %s", code)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d conversions were done", won, n)
	}

	guests := make([]account, n)
	for i := range guests {
		guests[i] = w.guest()
	}
	for i, g := range guests {
		all.Go(func() { codes[i] = w.send(converting(g, "same@example.com")).code() })
	}
	all.Wait()
	slices.Sort(codes)
	if codes[0] != "" || codes[1] != "GUEST_EMAIL_TAKEN" || codes[n-1] != "GUEST_EMAIL_TAKEN" {
		t.Errorf("codes %q", codes)
	}
}

// The change stands, so the tokens that go with it are handed over.
func TestAConversionIsAnsweredWhateverBecomesOfItsEffects(t *testing.T) {
	w := newWorld(t)
	gus := w.guest()
	w.faults.plan("propagate", errStorage)
	a := w.want(500, "POST_COMMIT_SIDE_EFFECT_FAILURE", converting(gus, "gus@example.com"))
	w.ok(req("GET /api/users/me", "", bearer(a.cookies()["access_token"].Value)))
}
