package http_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/throttle"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// --- requests ---

func forgot(address string) request {
	return req("POST /api/auth/password/reset-request", `{"email":`+quoted(address)+`}`)
}

// resetLink asks for a reset link and returns its token.
func (w *world) resetLink(address string) string {
	w.t.Helper()
	w.ok(forgot(address))
	return w.linkOf(notice.PasswordReset)
}

func resetBody(token, next string) string {
	return `{"token":` + quoted(token) + `,"newPassword":` + quoted(next) + `}`
}

func resetBy(token string) request {
	return req("POST /api/auth/password/reset", resetBody(token, nextPassword))
}

func moveBy(a account, address string) request {
	return req("PUT /api/users/me/email", `{"newEmail":`+quoted(address)+`}`, bearer(a.access), steppedUp(a.stepUp))
}

func confirm(token string) request {
	return req("POST /api/auth/email/verification", `{"token":`+quoted(token)+`}`)
}

// pendingMove returns the request that gives ada the address
// ada@elsewhere.example, from her other session.
func (w *world) pendingMove() request {
	w.t.Helper()
	a := w.proven(w.member("ada@example.com"))
	w.ok(moveBy(a, "ada@elsewhere.example"))
	return confirm(w.link())
}

// --- password reset (A10 to A12) ---

func TestAForgottenPasswordIsReplacedByMail(t *testing.T) {
	w := newWorld(t)
	a := w.member("Ada@Example.com")
	golden(t, w.ok(req("POST /api/auth/password/reset-request?locale=de_AT", `{"email":" ada@EXAMPLE.com "}`)), `{"cooldown":60}`)
	mail := w.mails(notice.PasswordReset)[0]
	if mail.To.Typed() != "Ada@Example.com" || mail.Locale != "de-AT" || mail.Principal != principal.ID(a.id) || mail.Valid != 30*time.Minute ||
		!mail.ExpiresAt.Equal(w.clock.now().Add(30*time.Minute)) || mail.From.Address.String() != "127.0.0.1" {
		t.Errorf("mail %+v", mail)
	}
	// The token of the body counts more than that of the query.
	r := req("POST /api/auth/password/reset?token=wrong&locale=fr", resetBody(mail.Token.Reveal(), nextPassword))
	golden(t, w.ok(r), `{"success":true}`)
	if told := w.mails(notice.PasswordChanged); len(told) != 1 || told[0].To.Typed() != "Ada@Example.com" || told[0].Locale != "fr" {
		t.Errorf("told %+v", told)
	}
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(a.access)))
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(a.refresh)))
	w.want(401, "INVALID_CREDENTIALS", loginOf(a.email, goodPassword))
	in := w.ok(loginOf(a.email, nextPassword))
	if user, _ := in.json["user"].(map[string]any); user["emailVerified"] != true {
		t.Error("the address is not verified")
	}
}

func TestTheTokenOfAResetMayBeInTheQuery(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	token := w.resetLink(a.email)
	for _, body := range []string{`{"newPassword":"` + nextPassword + `"}`, `{"token":null,"newPassword":"` + nextPassword + `"}`} {
		got := w.want(400, "INVALID_REQUEST", req("POST /api/auth/password/reset", body))
		if !slices.Equal(got.rules(), []string{"token:required"}) {
			t.Errorf("%s: %v", body, got.rules())
		}
	}
	w.ok(req("POST /api/auth/password/reset?token="+token, `{"newPassword":"`+nextPassword+`"}`))
	w.signIn(a.email, nextPassword)
}

func TestARefusedPasswordLeavesTheLinkGood(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	token := w.resetLink(a.email)
	got := w.want(400, "INVALID_REQUEST", req("POST /api/auth/password/reset", `{"newPassword":"weak"}`))
	if !slices.Equal(got.rules(), []string{"newPassword:digit", "newPassword:min_length", "newPassword:special", "newPassword:upper", "token:required"}) {
		t.Errorf("rules %v", got.rules())
	}
	w.want(400, "INVALID_REQUEST", req("POST /api/auth/password/reset", resetBody(token, "weak")))
	w.signIn(a.email, goodPassword)
	w.ok(resetBy(token))
}

// A mail scanner opens the link, and people click twice (faults F35).
func TestAResetLinkIsUsedUpByOnePostAndByNothingElse(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	token := w.resetLink(a.email)
	for _, method := range []string{"GET", "HEAD"} {
		if got := w.send(req(method+" /api/auth/password/reset?token="+token, "")); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, got.status)
		}
	}
	w.ok(resetBy(token))
	w.want(401, "PASSWORD_RESET_TOKEN_INVALID", req("POST /api/auth/password/reset", resetBody(token, "Another-Pass-9")))
	w.clock.advance(30 * time.Minute)
	w.want(401, "PASSWORD_RESET_TOKEN_EXPIRED", resetBy(token))
	w.signIn(a.email, nextPassword)
}

// What makes a reset link worthless (faults F67).
func TestAResetLinkDies(t *testing.T) {
	for name, tc := range map[string]struct {
		by   func(w *world, a account)
		code string
	}{
		"of a newer one": {func(w *world, a account) {
			w.clock.advance(time.Minute)
			w.resetLink(a.email)
		}, "PASSWORD_RESET_TOKEN_INVALID"},
		"of a password change": {func(w *world, a account) { w.ok(changeBy(w.proven(a))) }, "PASSWORD_RESET_TOKEN_INVALID"},
		"of a change of address": {func(w *world, a account) {
			w.ok(moveBy(w.proven(a), "ada@elsewhere.example"))
			w.ok(confirm(w.link()))
		}, "PASSWORD_RESET_TOKEN_INVALID"},
		"of disabling": {func(w *world, a account) {
			w.rewrite(a.id, func(p *principal.Principal) { p.Disable() })
		}, "PASSWORD_RESET_TOKEN_INVALID"},
		"of old age": {func(w *world, _ account) { w.clock.advance(30 * time.Minute) }, "PASSWORD_RESET_TOKEN_EXPIRED"},
		"of nothing": {func(w *world, _ account) { w.clock.advance(30*time.Minute - time.Microsecond) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.member("ada@example.com")
			token := w.resetLink(a.email)
			tc.by(w, a)
			if got := w.send(resetBy(token)); got.code() != tc.code {
				t.Errorf("%d %s, want %s", got.status, got.code(), tc.code)
			}
		})
	}
}

// Disabled between two steps of the reset (faults F80).
func TestADisabledAccountGetsNoLinkAndTakesNone(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	token := w.resetLink(a.email)
	w.rewrite(a.id, func(p *principal.Principal) { p.Disable() })
	w.want(401, "PASSWORD_RESET_TOKEN_INVALID", resetBy(token))
	w.clock.advance(time.Minute)
	golden(t, w.ok(forgot(a.email)), `{"cooldown":60}`)
	if sent := w.mails(notice.PasswordReset); len(sent) != 1 || len(w.mails(notice.NoAccountInfo)) != 0 {
		t.Errorf("%d links", len(sent))
	}
	w.want(403, "USER_DISABLED", loginOf(a.email, goodPassword))
}

// One link, many uses at once (faults F81).
func TestOneOfManyResetsWins(t *testing.T) {
	const crowd = 20
	w := newWorld(t, with(func(d *adapter.Deps) { d.Limits.Enabled = false }))
	token := w.resetLink(w.member("ada@example.com").email)
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			switch a := w.send(req("POST /api/auth/password/reset", resetBody(token, goodPassword+string(rune('a'+i))))); a.code() {
			case "":
				won.Add(1)
			case "PASSWORD_RESET_TOKEN_INVALID":
				lost.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.code())
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != crowd-1 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
	if told := w.mails(notice.PasswordChanged); len(told) != 1 {
		t.Errorf("told %d times", len(told))
	}
}

// The link is of one account, whoever is signed in where it is opened (faults
// F90).
func TestAResetNeitherUsesNorTouchesTheSessionOfTheCaller(t *testing.T) {
	w := newWorld(t)
	ada, eve := w.member("ada@example.com"), w.member("eve@example.com")
	token := w.resetLink(ada.email)
	for _, as := range [][]change{
		{bearer(eve.access)},
		{cookie("access_token", eve.access), cookie("refresh_token", eve.refresh), set("Sec-Fetch-Site", "same-origin")},
		{cookie("access_token", "nonsense"), set("Sec-Fetch-Site", "same-origin")},
	} {
		got := w.ok(resetBy(token).but(as...))
		if set := got.header.Values("Set-Cookie"); len(set) != 0 {
			t.Errorf("it sets %q", set)
		}
		w.ok(req("GET /api/users/me", "", bearer(eve.access)))
		w.clock.advance(time.Minute)
		token = w.resetLink(ada.email)
	}
	w.signIn(eve.email, goodPassword)
	w.signIn(ada.email, nextPassword)
}

func TestAResetGivesAFirstPasswordToAnAccountWithoutOne(t *testing.T) {
	w := newWorld(t)
	a := w.put(withoutPassword())
	w.ok(resetBy(w.resetLink(a.email)))
	in := w.ok(loginOf(a.email, nextPassword))
	user, _ := in.json["user"].(map[string]any)
	if got, _ := json.Marshal(user["identityProviders"]); string(got) != `["github","password"]` {
		t.Errorf("identities %s", got)
	}
}

// Nobody but the owner learns that an account has no password.
func TestASignInWithoutAPasswordIsAnsweredAsAWrongOneAndToldToTheOwner(t *testing.T) {
	w := newWorld(t)
	a := w.put(withoutPassword())
	w.ok(registerAs("ada@example.com"))
	var bodies []string
	for _, address := range []string{"ada@example.com", a.email, "eve@example.com"} {
		got := w.want(401, "INVALID_CREDENTIALS", loginOf(address, "wrong"))
		delete(got.json, "requestId")
		b, _ := json.Marshal(got.json)
		bodies = append(bodies, string(b))
	}
	if bodies[0] != bodies[1] || bodies[1] != bodies[2] {
		t.Errorf("answers differ: %q", bodies)
	}
	told := w.mails(notice.IdentityProviderInfo)
	if len(told) != 1 || told[0].To.Typed() != a.email || told[0].Provider != "github" {
		t.Errorf("told %+v", told)
	}
	w.faults.plan("entry.turnAway", broken("DATABASE_FAILURE"))
	w.want(500, "DATABASE_FAILURE", loginOf(a.email, "wrong"))
}

func TestAResetForgetsWrongPasswords(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) { d.Limits.Enabled = false }))
	a := w.member("ada@example.com")
	for range 5 {
		w.want(401, "INVALID_CREDENTIALS", loginOf(a.email, "wrong"))
	}
	w.want(429, "TOO_MANY_ATTEMPTS", loginOf(a.email, goodPassword))
	w.ok(resetBy(w.resetLink(a.email)))
	w.ok(loginOf(a.email, nextPassword))
	st, err := w.store.Single().Attempts.State(t.Context(), throttle.Subject{Account: a.email, Network: "127.0.0.0/24"})
	if err != nil || st.Account.Failures+st.Network.Failures != 0 {
		t.Errorf("counters %+v, %v", st, err)
	}
}

// Nobody learns from the answers who has an account (faults F34).
func TestKnownAndUnknownAddressesAreOfOneKindToWhoForgotAPassword(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) { d.Limits.Enabled = false }))
	w.member("known@example.com")
	off := w.member("disabled@example.com")
	w.rewrite(off.id, func(p *principal.Principal) { p.Disable() })
	ask := func(address string) (all []answer) {
		cooldown := req("GET /api/auth/password/reset/cooldown?email="+address, "")
		return []answer{
			w.send(cooldown), w.send(forgot(address)), w.send(forgot(strings.ToUpper(address))), w.send(cooldown),
		}
	}
	known := ask("known@example.com")
	for i, want := range []string{`{"remaining":0}`, `{"cooldown":60}`, "", `{"remaining":60}`} {
		if want == "" {
			if known[i].code() != "EMAIL_COOLDOWN_ACTIVE" || known[i].header.Get("Retry-After") != "60" {
				t.Errorf("asked twice: %s", known[i].body)
			}
			continue
		}
		golden(t, known[i], "%s", want)
	}
	for _, address := range []string{"unknown@example.com", "disabled@example.com"} {
		for i, got := range ask(address) {
			for _, varies := range []string{"requestId", "timestamp"} {
				delete(got.json, varies)
				delete(known[i].json, varies)
			}
			for _, a := range []answer{got, known[i]} {
				a.header.Del("X-Request-Id")
				a.header.Del("Date")
				a.header.Del("Content-Length")
			}
			if diff := cmp.Diff(known[i].json, got.json) + cmp.Diff(known[i].header, got.header); diff != "" {
				t.Errorf("%s, answer %d: -known +other\n%s", address, i+1, diff)
			}
		}
	}
	if links, infos := w.mails(notice.PasswordReset), w.mails(notice.NoAccountInfo); len(links) != 1 || len(infos) != 1 ||
		infos[0].To.Typed() != "unknown@example.com" || infos[0].Principal != "" || infos[0].Name != "" || !infos[0].Token.Missing() {
		t.Errorf("links %+v\ninfos %+v", links, infos)
	}
}

// Who is not known is told so once an hour, though a link could be asked for
// every minute (faults F39).
func TestAStrangerIsWrittenToOnceAnHour(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) { d.Limits.Enabled = false }))
	for _, tc := range []struct {
		address string
		wait    time.Duration
		mails   int
	}{
		{"eve@example.com", 0, 1},
		{"eve@example.com", time.Minute, 1},
		{"EVE@example.com", 58 * time.Minute, 1},
		{"eve@example.com", time.Minute, 2},
		{"eve+1@example.com", 0, 3},
	} {
		w.clock.advance(tc.wait)
		w.ok(forgot(tc.address))
		if got := w.mails(notice.NoAccountInfo); len(got) != tc.mails {
			t.Errorf("%s: %d mails, want %d", tc.address, len(got), tc.mails)
		}
	}
}

func TestCooldownsAreToldInWholeSecondsRoundedUp(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com") // which starts the one of the verification mail
	w.ok(forgot(a.email))
	verification := req("GET /api/auth/email/verification/cooldown", "", bearer(a.access))
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{0, 60}, {time.Nanosecond * 1000, 60}, {time.Second, 59}, {58 * time.Second, 1}, {time.Second, 0}, {time.Hour, 0}} {
		w.clock.advance(tc.after)
		if tc.after == time.Hour {
			a = w.signIn(a.email, goodPassword)
			verification = verification.but(bearer(a.access))
		}
		golden(t, w.ok(verification), `{"remaining":%d}`, tc.want)
		golden(t, w.ok(req("GET /api/auth/password/reset/cooldown?email=%20ADA@example.com", "")), `{"remaining":%d}`, tc.want)
	}
}

func TestAnythingButNothingHasAResetCooldown(t *testing.T) {
	w := newWorld(t)
	for query, rule := range map[string]string{
		"": "required", "?email=": "not_blank", "?email=%20%09": "not_blank", "?email=a&email=b": "type",
	} {
		got := w.want(400, "INVALID_REQUEST", req("GET /api/auth/password/reset/cooldown"+query, ""))
		if !slices.Equal(got.rules(), []string{"email:" + rule}) {
			t.Errorf("%s: %v", query, got.rules())
		}
	}
	for _, query := range []string{"?email=no-address", "?email=" + strings.Repeat("a", 3000)} {
		golden(t, w.ok(req("GET /api/auth/password/reset/cooldown"+query, "")), `{"remaining":0}`)
	}
}

// --- change of address (P4, A7) ---

func TestAnAddressChangesWhenTheNewOneIsProven(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	b := w.signIn(a.email, goodPassword)
	golden(t, w.ok(moveBy(a, " Ada@Elsewhere.example ").but(to("/api/users/me/email?locale=de"))), `{"verificationRequired":true,"cooldown":60}`)
	link := w.mails(notice.EmailVerification)[1]
	asked := w.mails(notice.EmailChangeRequested)
	if link.To.Typed() != "Ada@Elsewhere.example" || link.Locale != "de" || link.Principal != principal.ID(a.id) ||
		len(asked) != 1 || asked[0].To.Typed() != "ada@example.com" || asked[0].Locale != "de" || !asked[0].Token.Missing() {
		t.Errorf("link %+v\ntold %+v", link, asked)
	}
	if p1 := w.ok(req("GET /api/users/me", "", bearer(b.access))); p1.text("email") != "ada@example.com" {
		t.Error("something changed already")
	}
	done := w.ok(confirm(link.Token.Reveal()).but(to("/api/auth/email/verification?locale=fr")))
	if done.text("email") != "Ada@Elsewhere.example" || done.json["emailVerified"] != true || len(done.cookies()) != 0 {
		t.Errorf("answer %s", done.body)
	}
	told := w.mails(notice.EmailChanged)
	if len(told) != 1 || told[0].To.Typed() != "ada@example.com" || told[0].Locale != "fr" {
		t.Errorf("told %+v", told)
	}
	w.ok(req("GET /api/users/me", "", bearer(a.access)))
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(b.access)))
	w.want(401, "INVALID_CREDENTIALS", loginOf("ada@example.com", goodPassword))
	w.signIn("ada@elsewhere.example", goodPassword)
	w.want(409, "EMAIL_ALREADY_VERIFIED", confirm(link.Token.Reveal()))
	w.ok(registerAs("ada@example.com")) // it is free again
	w.signIn("ada@example.com", goodPassword)
}

// The session that asked goes on wherever the link is opened, and no other one.
func TestAnAddressMayBeConfirmedAnywhere(t *testing.T) {
	for name, as := range map[string]func(w *world, b, eve account) []change{
		"by nobody":                     func(*world, account, account) []change { return nil },
		"in another session":            func(_ *world, b, _ account) []change { return []change{bearer(b.access)} },
		"in the session of another one": func(_ *world, _, eve account) []change { return []change{bearer(eve.access)} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			eve := w.member("eve@example.com")
			confirm := w.pendingMove()
			b := w.signIn("ada@example.com", goodPassword)
			done := w.ok(confirm.but(as(w, b, eve)...))
			if done.text("email") != "ada@elsewhere.example" {
				t.Errorf("answer %s", done.body)
			}
			all, err := w.store.Single().Sessions.Of(t.Context(), principal.ID(b.id), w.clock.now())
			if err != nil || len(all) != 1 || string(all[0].ID) == b.session {
				t.Errorf("sessions %+v, %v", all, err)
			}
			if p1 := w.ok(req("GET /api/users/me", "", bearer(eve.access))); p1.text("email") != "eve@example.com" {
				t.Errorf("eve is %s", p1.body)
			}
		})
	}
}

// What makes a pending change of address worthless (faults F66).
func TestAPendingChangeOfAddressDies(t *testing.T) {
	for name, tc := range map[string]struct {
		by   func(w *world, a account)
		code string
	}{
		"of a password reset":  {func(w *world, a account) { w.ok(resetBy(w.resetLink(a.email))) }, "EMAIL_VERIFICATION_TOKEN_INVALID"},
		"of a password change": {func(w *world, a account) { w.ok(changeBy(a)) }, "EMAIL_VERIFICATION_TOKEN_INVALID"},
		"of another one":       {func(w *world, a account) { w.ok(moveBy(a, "ada@third.example")) }, "EMAIL_VERIFICATION_TOKEN_INVALID"},
		"of another link": {func(w *world, a account) {
			w.clock.advance(time.Minute)
			w.ok(req("POST /api/auth/email/verification/send", "", bearer(a.access)))
		}, "EMAIL_VERIFICATION_TOKEN_INVALID"},
		"of old age":                   {func(w *world, _ account) { w.clock.advance(24 * time.Hour) }, "EMAIL_VERIFICATION_TOKEN_EXPIRED"},
		"of an account with that name": {func(w *world, _ account) { w.ok(registerAs("ADA@elsewhere.example")) }, "EMAIL_TAKEN"},
		"of nothing":                   {func(w *world, a account) { w.ok(req("POST /api/auth/logout", "", bearer(a.access))) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.proven(w.member("ada@example.com"))
			w.ok(moveBy(a, "ada@elsewhere.example"))
			link := confirm(w.link())
			tc.by(w, a)
			want := "ada@example.com"
			if tc.code == "" {
				want = "ada@elsewhere.example"
			}
			if got := w.send(link); got.code() != tc.code {
				t.Errorf("%d %s, want %s", got.status, got.code(), tc.code)
			}
			w.rewrite(a.id, func(p *principal.Principal) {
				if p.Email().Typed() != want {
					t.Errorf("the address is %s", p.Email().Typed())
				}
			})
		})
	}
}

// A password change ends the session of a thief who is just asking for another
// address: it must not come too late for that.
func TestASessionThatEndsUnderWayChangesNoAddress(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.faults.planAfter("sessions.access", 1, outbound.ErrNotFound)
	w.want(401, "ACCESS_TOKEN_EXPIRED", moveBy(a, "ada@elsewhere.example"))
	if got := len(w.mails(notice.EmailVerification)); got != 1 {
		t.Errorf("%d links", got)
	}
}

// Two accounts confirm one address at once, and one gets it.
func TestOneOfTwoAccountsGetsAnAddress(t *testing.T) {
	w := newWorld(t)
	var links []request
	for _, address := range []string{"ada@example.com", "eve@example.com"} {
		w.ok(moveBy(w.proven(w.member(address)), "both@example.com"))
		links = append(links, confirm(w.link()))
		w.clock.advance(time.Minute) // the cooldown of the address they want
	}
	var codes [2]string
	var all sync.WaitGroup
	for i, r := range links {
		all.Go(func() { codes[i] = w.send(r).code() })
	}
	all.Wait()
	slices.Sort(codes[:])
	if codes != [2]string{"", "EMAIL_TAKEN"} {
		t.Errorf("answers %q", codes)
	}
	if told := w.mails(notice.EmailChanged); len(told) != 1 {
		t.Errorf("told %d", len(told))
	}
}

// Two changes of one account race: the newer link counts.
func TestOneOfTwoChangesOfAnAddressStands(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	var all sync.WaitGroup
	for _, address := range []string{"one@example.com", "two@example.com"} {
		all.Go(func() { w.ok(moveBy(a, address)) })
	}
	all.Wait()
	sent := w.mails(notice.EmailVerification)
	var codes []string
	for _, n := range sent[1:] {
		codes = append(codes, w.send(confirm(n.Token.Reveal())).code())
	}
	slices.Sort(codes)
	if !slices.Equal(codes, []string{"", "EMAIL_VERIFICATION_TOKEN_INVALID"}) {
		t.Errorf("answers %q", codes)
	}
}

func TestATakenAddressIsRefusedTheOwnOneToo(t *testing.T) {
	w := newWorld(t)
	w.member("eve@example.com")
	a := w.proven(w.member("ada@example.com"))
	for _, taken := range []string{"eve@example.com", "EVE@Example.com", "ada@example.com", "Ada@example.com"} {
		w.want(409, "EMAIL_TAKEN", moveBy(a, taken))
	}
	for _, bad := range []string{"", "no address", "Ada <ada@elsewhere.example>"} {
		if got := w.want(400, "INVALID_REQUEST", moveBy(a, bad)); !strings.HasPrefix(got.rules()[0], "newEmail:") {
			t.Errorf("%q: %v", bad, got.rules())
		}
	}
	if got := len(w.mails(notice.EmailChangeRequested)); got != 0 {
		t.Errorf("told %d times", got)
	}
}

func TestWithoutMailAnAddressChangesAtOnce(t *testing.T) {
	w := newWorld(t, withoutMail())
	a := w.proven(w.member("ada@example.com"))
	b := w.signIn(a.email, goodPassword)
	w.outstanding(a.id)
	w.rewrite(a.id, func(p *principal.Principal) { p.VerifyEmail(p.Email()) })
	golden(t, w.ok(moveBy(a, "Ada@Third.example")), `{"verificationRequired":false,"cooldown":0}`)
	if got := w.live(a, b); got != "a" {
		t.Errorf("sessions %q", got)
	}
	if got := w.usable(); got != "challenge" {
		t.Errorf("items %q", got)
	}
	if got := w.accepted(a, b); got != "a" {
		t.Errorf("access tokens %q", got)
	}
	self := w.ok(req("GET /api/users/me", "", bearer(a.access)))
	if self.text("email") != "Ada@Third.example" || self.json["emailVerified"] != false {
		t.Errorf("self %s", self.body)
	}
	w.want(409, "EMAIL_TAKEN", moveBy(a, "ada@third.example"))
	w.signIn("ada@third.example", goodPassword)
}

// --- session token (S2) ---

func TestASessionTokenCarriesDeviceAndLanguage(t *testing.T) {
	w := newWorld(t)
	const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0 Safari/537.36"
	for name, tc := range map[string]struct {
		r                   request
		browser, os, locale string
	}{
		"stated":                {req("POST /api/users/me/sessions/token?locale=de_at", `{"browser":"Lynx\u0007","os":"Plan 9"}`), "Lynx", "Plan 9", "de-AT"},
		"half":                  {req("POST /api/users/me/sessions/token", `{"os":"Plan 9"}`, set("User-Agent", agent)), "Chrome", "Plan 9", "en"},
		"not at all":            {req("POST /api/users/me/sessions/token", "", set("User-Agent", agent), set("Accept-Language", "fr")), "Chrome", "Windows", "fr"},
		"by nobody in any case": {req("POST /api/users/me/sessions/token", "", bearer("nonsense")), "", "", "en"},
	} {
		a := w.ok(tc.r)
		c, err := w.tokens.Verify(secret.New(a.text("token")), token.Session, w.clock.now())
		if err != nil || c.Browser != tc.browser || c.OS != tc.os || c.Locale != tc.locale || c.Subject != "" || c.Session != "" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		made := a.cookies()["session_token"]
		if made == nil || made.Value != a.text("token") || made.MaxAge != 15*60-1 || made.SameSite != http.SameSiteLaxMode || !made.HttpOnly || len(a.cookies()) != 1 {
			t.Errorf("%s: cookie %v", name, made)
		}
		w.want(401, "ACCESS_TOKEN_INVALID", req("GET /api/users/me", "", bearer(a.text("token"))))
	}
	got := w.want(400, "INVALID_REQUEST", req("POST /api/users/me/sessions/token", `{"browser":"`+strings.Repeat("x", 101)+`"}`))
	if !slices.Equal(got.rules(), []string{"browser:max_length"}) {
		t.Errorf("rules %v", got.rules())
	}
	cookiesOnly := newWorld(t, withTransport(adapter.Transport{}))
	if a := cookiesOnly.ok(req("POST /api/users/me/sessions/token", "")); a.json["token"] != nil || a.cookies()["session_token"] == nil {
		t.Errorf("without headers: %s", a.body)
	}
}
