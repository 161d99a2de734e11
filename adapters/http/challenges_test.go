package http_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/application/grant"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// --- what the tests do ---

func challenged(t string) change { return set("X-Two-Factor-Authentication-Token", t) }

// protected is ada with an authenticator app, which has shown a code already.
func (w *world) protected() (account, app) {
	w.t.Helper()
	a := w.proven(w.member("ada@example.com"))
	return a, w.enrolled(a)
}

// given is an authenticator app that an account has on, without what switching
// it on does to others.
func (w *world) given(a account) app {
	w.t.Helper()
	given := app{secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", codes: []string{"K7QXBTM2ZD"}}
	w.rewrite(a.id, func(p *principal.Principal) { p.EnableFactor(factor.TOTP) })
	s, of := w.store.Single(), principal.ID(a.id)
	err := errors.Join(
		s.Apps.Put(w.t.Context(), of, factor.App{Secret: secret.New(given.secret)}),
		s.RecoveryCodes.Replace(w.t.Context(), of, recovery.Set{hashOf(given.codes[0])}),
	)
	if err != nil {
		w.t.Fatal(err)
	}
	return given
}

// halfway has ada sign in as far as her password goes.
func (w *world) halfway() string {
	w.t.Helper()
	return w.ok(loginOf("ada@example.com", goodPassword)).text("twoFactorAuthenticationToken")
}

// challengeIn has a caller step up as far as their password goes.
func (w *world) challengeIn(a account) string {
	w.t.Helper()
	return w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access))).text("twoFactorAuthenticationToken")
}

// challengeOf asks somebody for a second factor, whatever they can prove.
func (w *world) challengeOf(a account, in session.ID, proven session.Factor) string {
	w.t.Helper()
	p, err := w.store.Single().Principals.ByID(w.t.Context(), principal.ID(a.id))
	if err != nil {
		w.t.Fatal(err)
	}
	asked, err := w.issuer.Admit(p, session.Proven{proven}, grant.Purpose{StepUp: in}, w.clock.now())
	if err == nil {
		err = w.store.Single().OneTime.Add(w.t.Context(), asked.Challenge.Item)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return asked.Challenge.Token.Text.Reveal()
}

// next is a code the app has not shown to anybody yet, and that counts.
func (w *world) next(a app) string { w.t.Helper(); return w.codeAt(a, 30*time.Second) }

func byTOTP(code string) string  { return `{"totp":` + quoted(code) + `}` }
func byEmail(code string) string { return `{"email":` + quoted(code) + `}` }

func completeWith(challenge, content string) request {
	return req("POST /api/auth/2fa/login", content, challenged(challenge))
}

func stepUpWith(a account, challenge, content string) request {
	return req("POST /api/auth/2fa/step-up", content, bearer(a.access), challenged(challenge))
}

func recoverWith(challenge, code string) request {
	return req("POST /api/auth/2fa/totp/recover", `{"code":`+quoted(code)+`}`, challenged(challenge))
}

const sendCode = "POST /api/auth/2fa/email/send"

// codeMailed is the code of the latest mail.
func (w *world) codeMailed() string {
	w.t.Helper()
	all := w.mails(notice.EmailAuthentication)
	if len(all) == 0 {
		w.t.Fatal("no code was mailed")
	}
	return all[len(all)-1].Code.Reveal()
}

// preferring is ada with mailed codes, and nothing else.
func (w *world) preferring() account {
	w.t.Helper()
	a := w.proven(w.member("ada@example.com"))
	w.withEmail(a)
	return a
}

func (w *world) withoutFactors(a account) {
	w.rewrite(a.id, func(p *principal.Principal) { p.DisableFactor(factor.TOTP) })
}

// guessed has ada's account throttled by wrong passwords.
func (w *world) guessed() {
	w.t.Helper()
	for range 5 {
		w.want(401, "INVALID_CREDENTIALS", loginOf("ada@example.com", "wrong"))
	}
}

func challengeSubjects() map[string]subject {
	all := map[string]subject{
		"T1": {
			fine: func(w *world) request {
				_, a := w.protected()
				return completeWith(w.halfway(), byTOTP(w.next(a)))
			}, op: "principals.byID",
		},
		"T2": {
			fine: func(w *world) request {
				in, a := w.protected()
				return stepUpWith(in, w.challengeIn(in), byTOTP(w.next(a)))
			}, op: "principals.byID",
		},
		"T7": {
			fine: func(w *world) request {
				_, a := w.protected()
				return recoverWith(w.halfway(), a.codes[0])
			}, op: "principals.byID",
		},
		"T8": {fine: as(sendCode, ""), op: "principals.byID"},
	}
	for id, s := range all {
		s.rows = map[string]row{
			"TWO_FACTOR_AUTHENTICATION_TOKEN_MISSING": s.but(del("X-Two-Factor-Authentication-Token")),
			"TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID": s.but(challenged("nonsense")),
			"TWO_FACTOR_AUTHENTICATION_TOKEN_EXPIRED": s.after(func(w *world) { w.clock.advance(10 * time.Minute) }),
			"USER_NOT_FOUND":               s.after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
			"TOO_MANY_ATTEMPTS":            s.after((*world).guessed),
			"TOTP_CODE_VALIDATION_FAILURE": s.fails("totp", fault.TOTPCodeValidationFailure),
			"2FA_DISABLED": func(w *world) answer {
				r := s.fine(w)
				w.withoutFactors(w.ada())
				return w.send(r)
			},
			"NO_2FA_CODE_PROVIDED": s.but(body("{}")),
			"INVALID_USER_DOCUMENT": s.after(func(w *world) {
				if err := w.store.Single().Apps.Erase(w.t.Context(), principal.ID(w.ada().id)); err != nil {
					w.t.Fatal(err)
				}
			}),
			"TWO_FACTOR_CODE_EXPIRED": func(w *world) answer {
				r := s.fine(w)
				w.rewrite(w.ada().id, func(p *principal.Principal) { p.EnableFactor(factor.Email) })
				return w.send(r.but(body(byEmail("123456"))))
			},
		}
		all[id] = s
	}
	t1, t2, t7, t8 := all["T1"], all["T2"], all["T7"], all["T8"]
	stranger := func(w *world) account {
		bare := withoutPassword()
		bare.Factors = factor.Set{}.With(factor.TOTP)
		return w.put(bare)
	}
	t1.rows["NO_PASSWORD_PROVIDER"] = func(w *world) answer {
		return w.send(completeWith(w.challengeOf(stranger(w), "", session.Provider), byTOTP("123456")))
	}
	t2.rows["NO_PASSWORD_PROVIDER"] = func(w *world) answer {
		a := stranger(w)
		return w.send(stepUpWith(a, w.challengeOf(a, session.ID(a.session), session.Provider), byTOTP("123456")))
	}
	t1.rows["WRONG_TWO_FACTOR_CODE"] = func(w *world) answer {
		_, a := w.protected()
		return w.send(completeWith(w.halfway(), byTOTP(w.wrong(a))))
	}
	t2.rows["WRONG_TWO_FACTOR_CODE"] = func(w *world) answer {
		in, a := w.protected()
		return w.send(stepUpWith(in, w.challengeIn(in), byTOTP(w.wrong(a))))
	}
	t7.rows["TWO_FACTOR_METHOD_DISABLED"] = t7.rows["2FA_DISABLED"]
	t7.rows["WRONG_TOTP_RECOVERY_CODE"] = t7.but(body(`{"code":"AAAAAAAAAA"}`))
	t7.rows["HASH_FAILURE"] = t7.fails("hash", fault.HashFailure)
	nobody := del("Authorization")
	t8.rows["TWO_FACTOR_AUTHENTICATION_TOKEN_MISSING"] = t8.but(nobody)
	t8.rows["TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID"] = t8.but(nobody, challenged("nonsense"))
	t8.rows["TWO_FACTOR_AUTHENTICATION_TOKEN_EXPIRED"] = func(w *world) answer {
		w.protected()
		t := w.halfway()
		w.clock.advance(10 * time.Minute)
		return w.send(req(sendCode, "", challenged(t)))
	}
	t8.rows["INVALID_REQUEST"] = t8.but(to("/api/auth/2fa/email/send?locale=!"))
	t8.rows["NO_PASSWORD_PROVIDER"] = func(w *world) answer {
		return w.send(req(sendCode, "", bearer(w.put(withoutPassword()).access)))
	}
	t8.rows["EMAIL_COOLDOWN_ACTIVE"] = func(w *world) answer {
		r := t8.fine(w)
		w.ok(r)
		return w.send(r)
	}
	t8.rows["EMAIL_DISABLED"] = func(w *world) answer {
		dark := newWorld(w.t, withoutMail())
		return dark.send(t8.fine(dark))
	}
	t8.rows["CACHE_OPERATION_FAILURE"] = t8.fails("cooldowns.start", fault.DatabaseFailure)
	out := map[string]subject{"T1": t1, "T2": t2, "T7": t7, "T8": t8}
	for id, s := range out {
		published := slices.Concat(slices.Collect(maps.Values(endpointIn(id).Errors))...)
		maps.DeleteFunc(s.rows, func(code string, _ row) bool { return !slices.Contains(published, code) })
	}
	return out
}

// endpointIn is the endpoint of the contract with an id.
func endpointIn(id string) endpoint {
	all := contract().Endpoints
	return all[slices.IndexFunc(all, func(e endpoint) bool { return e.ID == id })]
}

// ada names ada, whom every subject here is about.
func (w *world) ada() account {
	w.t.Helper()
	p, err := w.store.Single().Principals.ByEmail(w.t.Context(), "ada@example.com")
	if err != nil {
		w.t.Fatal(err)
	}
	return account{id: string(p.ID())}
}

// --- challenges ---

func TestASignInAsksForASecondFactor(t *testing.T) {
	w := newWorld(t)
	w.protected()
	in := w.ok(loginOf("ada@example.com", goodPassword))
	challenge := in.text("twoFactorAuthenticationToken")
	golden(t, in, `{"user":null,"accessToken":null,"refreshToken":null,"twoFactorRequired":true,"twoFactorMethods":["totp"],
	 "preferredTwoFactorMethod":"totp","twoFactorAuthenticationToken":%q,"location":null}`, challenge)
	c := in.cookies()["two_factor_authentication_token"]
	if len(in.cookies()) != 1 || c == nil || c.Value != challenge || c.MaxAge < 599 || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookies %v", in.cookies())
	}
	claims, err := w.tokens.Verify(secret.New(challenge), token.TwoFactor, w.clock.now())
	if err != nil || claims.Purpose != session.ForSignIn || claims.Session != "" {
		t.Errorf("claims %+v, %v", claims, err)
	}
}

func TestACodeCompletesTheSignIn(t *testing.T) {
	w := newWorld(t)
	_, app := w.protected()
	challenge := w.halfway()
	r := completeWith(challenge, `{"totp":`+quoted(w.next(app))+`,"session":{"browser":"Lynx"}}`)
	in := w.ok(r)
	if in.json["twoFactorRequired"] != false || in.json["twoFactorMethods"] != nil || in.json["twoFactorAuthenticationToken"] != nil {
		t.Errorf("%s", in.body)
	}
	cookies := in.cookies()
	if c := cookies["two_factor_authentication_token"]; c == nil || c.MaxAge >= 0 || cookies["access_token"] == nil || cookies["refresh_token"] == nil {
		t.Errorf("cookies %v", cookies)
	}
	a := w.accountIn(in)
	c, err := w.tokens.Verify(secret.New(a.access), token.Access, w.clock.now())
	if err != nil || c.ACR != "aal2" || !slices.Equal(c.AMR, []string{"pwd", "otp", "mfa"}) || !c.AuthTime.Equal(w.clock.now().Truncate(time.Second)) {
		t.Errorf("claims %+v, %v", c, err)
	}
	sessions := w.ok(req("GET /api/users/me/sessions", "", bearer(a.access)))
	if !strings.Contains(string(sessions.body), `"browser":"Lynx"`) {
		t.Errorf("sessions %s", sessions.body)
	}
	w.want(401, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", r) // it worked once
}

func TestBrowsersAnswerByCookie(t *testing.T) {
	w := newWorld(t)
	_, app := w.protected()
	r := req("POST /api/auth/2fa/login", byTOTP(w.next(app)), cookie("two_factor_authentication_token", w.halfway()))
	w.want(403, "CROSS_SITE_REQUEST_REFUSED", r.but(set("Origin", "https://evil.example")))
	w.ok(r)
}

// A code of either method counts, whichever is preferred; with both, that of the
// app is looked at (contract T1).
func TestAnyMethodThatIsOnAnswers(t *testing.T) {
	w := newWorld(t, unlimited)
	a, app := w.protected()
	w.withEmail(w.provenBy(a, app))
	w.clock.advance(time.Minute)
	w.ok(req(sendCode, "", challenged(w.halfway())))
	mailed := w.codeMailed()
	both := `{"totp":` + quoted(w.wrong(app)) + `,"email":` + quoted(mailed) + `}`
	w.want(401, "WRONG_TWO_FACTOR_CODE", completeWith(w.halfway(), both))
	in := w.accountIn(w.ok(completeWith(w.halfway(), byEmail(mailed))))
	c, err := w.tokens.Verify(secret.New(in.access), token.Access, w.clock.now())
	if err != nil || !slices.Equal(c.AMR, []string{"pwd", "email", "mfa"}) || c.ACR != "aal2" {
		t.Errorf("claims %+v, %v", c, err)
	}
	w.want(401, "TWO_FACTOR_CODE_EXPIRED", completeWith(w.halfway(), byEmail(mailed))) // it worked once
}

// provenBy steps up with a code of an app.
func (w *world) provenBy(a account, by app) account {
	w.t.Helper()
	w.clock.advance(time.Minute)
	a.stepUp = w.ok(stepUpWith(a, w.challengeIn(a), byTOTP(w.code(by)))).text("stepUpToken")
	return a
}

func TestCodesOfMethodsThatAreOffAreNoCodes(t *testing.T) {
	w := newWorld(t)
	w.protected()
	w.want(400, "NO_2FA_CODE_PROVIDED", completeWith(w.halfway(), byEmail("123456")))
	w.want(400, "NO_2FA_CODE_PROVIDED", completeWith(w.halfway(), `{"totp":null,"email":null}`))
	a := w.want(400, "INVALID_REQUEST", completeWith(w.halfway(), `{"totp":"12345","email":"abc"}`))
	if got := a.rules(); !slices.Equal(got, []string{"email:pattern", "totp:pattern"}) {
		t.Errorf("rules %v", got)
	}
}

func TestAStepUpAsksForASecondFactor(t *testing.T) {
	w := newWorld(t)
	a, app := w.protected()
	up := w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access)))
	challenge := up.text("twoFactorAuthenticationToken")
	golden(t, up, `{"stepUpToken":null,"twoFactorRequired":true,"twoFactorMethods":["totp"],"preferredTwoFactorMethod":"totp",
	 "twoFactorAuthenticationToken":%q}`, challenge)
	if c := up.cookies(); len(c) != 1 || c["two_factor_authentication_token"].Value != challenge {
		t.Errorf("cookies %v", c)
	}
	w.clock.advance(30 * time.Second)
	granted := w.ok(stepUpWith(a, challenge, byTOTP(w.code(app))))
	if granted.json["twoFactorRequired"] != false || granted.cookies()["step_up_token"].Value != granted.text("stepUpToken") ||
		granted.cookies()["two_factor_authentication_token"].MaxAge >= 0 {
		t.Errorf("%s %v", granted.body, granted.cookies())
	}
	c, err := w.tokens.Verify(secret.New(granted.text("stepUpToken")), token.StepUp, w.clock.now())
	if err != nil || !slices.Equal(c.AMR, []string{"pwd", "otp", "mfa"}) || c.Session != session.ID(a.session) {
		t.Errorf("claims %+v, %v", c, err)
	}
	a.stepUp = granted.text("stepUpToken")
	w.ok(changeBy(a)) // it is good for what asks for one
}

// A challenge is good for what it was made for, and for whom (faults F82).
func TestChallengesAnswerToTheirOwnPurposeUserAndSessionAlone(t *testing.T) {
	w := newWorld(t, unlimited)
	a, app := w.protected()
	b := account{access: w.ok(completeWith(w.halfway(), byTOTP(w.next(app)))).text("accessToken")}
	w.clock.advance(2 * time.Minute)
	code := byTOTP(w.code(app))
	eve := w.member("eve@example.com")
	signingIn, steppingUp := w.halfway(), w.challengeIn(a)
	const invalid = "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID"
	w.want(401, invalid, completeWith(steppingUp, code))
	w.want(401, invalid, recoverWith(steppingUp, app.codes[0]))
	w.want(401, invalid, stepUpWith(a, signingIn, code))
	w.want(401, invalid, stepUpWith(b, steppingUp, code))   // of another session
	w.want(401, invalid, stepUpWith(eve, steppingUp, code)) // of another user
	w.want(409, "ALREADY_AUTHENTICATED", completeWith(signingIn, code).but(bearer(eve.access)))
	w.ok(completeWith(signingIn, code))
}

// The fifth wrong code kills the challenge and the sixth call does not find it,
// whatever the code (contract §5.6); the account has counted them too.
func TestFiveWrongCodesKillAChallenge(t *testing.T) {
	w := newWorld(t, unlimited)
	_, app := w.protected()
	challenge := w.halfway()
	for i := range factor.MaxTries {
		w.want(401, "WRONG_TWO_FACTOR_CODE", completeWith(challenge, byTOTP(w.wrong(app))))
		if i == 3 {
			if s := w.ok(req("GET /api/auth/status", "", challenged(challenge))); s.json["twoFactorRequired"] != true {
				t.Errorf("after four wrong codes: %s", s.body)
			}
		}
	}
	w.want(401, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", completeWith(challenge, byTOTP(w.next(app))))
	w.want(401, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", recoverWith(challenge, app.codes[0]))
	if s := w.ok(req("GET /api/auth/status", "", challenged(challenge))); s.json["twoFactorRequired"] != false {
		t.Errorf("a dead challenge: %s", s.body)
	}
	w.want(429, "TOO_MANY_ATTEMPTS", loginOf("ada@example.com", goodPassword)) // the account waits
	w.clock.advance(time.Second)
	w.ok(completeWith(w.halfway(), byTOTP(w.next(app))))
}

// A new challenge is no new set of guesses: the account remembers (faults F14).
func TestANewChallengeForgivesNoGuess(t *testing.T) {
	w := newWorld(t, unlimited)
	_, app := w.protected()
	for range 5 {
		w.want(401, "WRONG_TWO_FACTOR_CODE", completeWith(w.halfway(), byTOTP(w.wrong(app))))
	}
	w.want(429, "TOO_MANY_ATTEMPTS", loginOf("ada@example.com", goodPassword))
	w.clock.advance(time.Second)
	challenge := w.halfway()
	w.want(401, "WRONG_TWO_FACTOR_CODE", completeWith(challenge, byTOTP(w.wrong(app))))
	w.want(429, "TOO_MANY_ATTEMPTS", completeWith(challenge, byTOTP(w.next(app)))) // and that was not looked at
	w.clock.advance(2 * time.Second)
	w.ok(completeWith(challenge, byTOTP(w.next(app))))
	w.ok(loginOf("ada@example.com", goodPassword)) // which has reset the count
}

// A code of an app works once, for whatever, and one before it never again
// (faults F17).
func TestACodeOfAnAppWorksOnceAndNoEarlierOneAfterIt(t *testing.T) {
	w := newWorld(t, unlimited)
	a, app := w.protected()
	w.clock.advance(2 * time.Minute)
	earlier, code := w.codeAt(app, -30*time.Second), w.code(app)
	w.ok(completeWith(w.halfway(), byTOTP(code)))
	for _, c := range []string{code, earlier} {
		w.want(401, "WRONG_TWO_FACTOR_CODE", completeWith(w.halfway(), byTOTP(c)))
		w.want(401, "WRONG_TWO_FACTOR_CODE", stepUpWith(a, w.challengeIn(a), byTOTP(c)))
	}
	w.ok(completeWith(w.halfway(), byTOTP(w.next(app))))
}

// A mailed code is void after five wrong ones, over any number of challenges
// (faults F14).
func TestFiveWrongCodesVoidAMailedOne(t *testing.T) {
	w := newWorld(t, unlimited)
	w.preferring()
	w.clock.advance(time.Minute)
	first := w.halfway() // and a code is mailed
	code := w.codeMailed()
	for i := range 5 {
		w.want(401, "WRONG_TWO_FACTOR_CODE", completeWith(first, byEmail(otherThan(code))))
		if i == 2 {
			first = w.halfway()
		}
	}
	w.clock.advance(time.Second) // which the account waits
	w.want(401, "TWO_FACTOR_CODE_EXPIRED", completeWith(w.halfway(), byEmail(code)))
}

func otherThan(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// Codes are mailed to who prefers them, apart from each other, and the one that
// was mailed stays good (contract A2, §8).
func TestWhoPrefersMailedCodesGetsOne(t *testing.T) {
	w := newWorld(t, unlimited)
	w.preferring()
	w.clock.advance(time.Minute)
	first, second := w.halfway(), w.halfway()
	all := w.mails(notice.EmailAuthentication)
	if len(all) != 1 || all[0].Valid != 10*time.Minute || all[0].To.Typed() != "ada@example.com" {
		t.Fatalf("mails %v", all)
	}
	w.want(429, "EMAIL_COOLDOWN_ACTIVE", req(sendCode, "", challenged(second)))
	w.ok(completeWith(second, byEmail(w.codeMailed())))
	w.want(401, "TWO_FACTOR_CODE_EXPIRED", completeWith(first, byEmail(w.codeMailed())))
	w.ok(req(sendCode, "", challenged(first))) // using a code up ends the cooldown
	w.ok(completeWith(first, byEmail(w.codeMailed())))
}

func TestMailedCodesEnd(t *testing.T) {
	w := newWorld(t, unlimited)
	w.preferring()
	w.clock.advance(time.Minute)
	w.halfway()
	old := w.codeMailed()
	w.clock.advance(5 * time.Minute)
	later := w.halfway()
	code := w.codeMailed()
	if code != old {
		w.want(401, "WRONG_TWO_FACTOR_CODE", completeWith(later, byEmail(old))) // replaced
	}
	w.clock.advance(10*time.Minute - time.Second)
	w.ok(completeWith(later, byEmail(code)))
}

// Where mailed codes are a second factor of new accounts, nobody gets in by their
// password alone, neither who registers nor a guest who becomes a user.
func TestNewAccountsMayBeginWithMailedCodes(t *testing.T) {
	w := newWorld(t, unlimited, withMailedCodes)
	w.ok(registerAs("ada@example.com"))
	in := w.ok(completeWith(w.halfway(), byEmail(w.codeMailed())))
	user, _ := in.json["user"].(map[string]any)
	if user["twoFactorAuthEnabled"] != true || user["preferredTwoFactorMethod"] != "email" {
		t.Errorf("%s", in.body)
	}
	gus := w.guest()
	w.ok(req("POST /api/guests/convert-to-user", `{"email":"gus@example.com","password":"`+goodPassword+`"}`, bearer(gus.access)))
	if in := w.ok(loginOf("gus@example.com", goodPassword)); in.json["twoFactorRequired"] != true {
		t.Errorf("%s", in.body)
	}
}

// Who sends no mail asks for a code all the same, and takes those of apps.
func TestWithoutMailNothingIsPrepared(t *testing.T) {
	w := newWorld(t, withoutMail())
	a := w.proven(w.member("ada@example.com"))
	w.rewrite(a.id, func(p *principal.Principal) { p.EnableFactor(factor.Email) })
	in := w.ok(loginOf("ada@example.com", goodPassword))
	if in.json["twoFactorRequired"] != true || len(w.mails(notice.EmailAuthentication)) != 0 {
		t.Errorf("%s", in.body)
	}
}

func TestRecoveryCodesStandInForTheApp(t *testing.T) {
	w := newWorld(t, unlimited)
	_, app := w.protected()
	typed := " " + strings.ToLower(app.codes[2][:5]) + "-" + app.codes[2][5:] + " "
	in := w.ok(recoverWith(w.halfway(), typed))
	c, err := w.tokens.Verify(secret.New(in.text("accessToken")), token.Access, w.clock.now())
	if err != nil || c.ACR != "aal2" || !slices.Equal(c.AMR, []string{"pwd", "recovery", "mfa"}) {
		t.Errorf("claims %+v, %v", c, err)
	}
	cookies := in.cookies()
	if len(in.json) != 4 || cookies["step_up_token"].Value != in.text("stepUpToken") || cookies["two_factor_authentication_token"].MaxAge >= 0 ||
		cookies["access_token"] == nil || cookies["refresh_token"] == nil {
		t.Errorf("%s %v", in.body, cookies)
	}
	if n := len(w.mails(notice.RecoveryCodeUsed)); n != 1 {
		t.Errorf("%d mails about a recovery code", n)
	}
	w.want(401, "WRONG_TOTP_RECOVERY_CODE", recoverWith(w.halfway(), typed)) // it worked once
	a := account{access: in.text("accessToken"), stepUp: in.text("stepUpToken")}
	w.ok(offBy(a, "totp")) // the app is lost, so it goes
	w.signIn("ada@example.com", goodPassword)
}

// Whose account a code is mailed to (contract T8).
func TestTheAccessTokenNamesTheUserElseTheChallenge(t *testing.T) {
	w := newWorld(t, unlimited)
	w.protected()
	eve := w.member("eve@example.com")
	to := func() string { all := w.mails(notice.EmailAuthentication); return all[len(all)-1].To.Typed() }
	challenge := w.halfway()
	w.ok(req(sendCode, "", bearer(eve.access), challenged(challenge)))
	if got := to(); got != "eve@example.com" {
		t.Errorf("mailed to %s", got)
	}
	w.ok(req(sendCode, "", bearer("nonsense"), challenged(challenge)))
	if got := to(); got != "ada@example.com" {
		t.Errorf("mailed to %s", got)
	}
	w.want(401, "ACCESS_TOKEN_INVALID", req(sendCode, "", bearer("nonsense"), challenged("nonsense")))
	w.want(401, "ACCESS_TOKEN_INVALID", req(sendCode, "", bearer("nonsense")))
	w.want(401, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", req(sendCode, "", challenged("nonsense")))
}

func TestStatusTellsOfAChallenge(t *testing.T) {
	w := newWorld(t, unlimited)
	a, _ := w.protected()
	challenge := w.halfway()
	status := func(changes ...change) answer { return w.ok(req("GET /api/auth/status", "", changes...)) }
	golden(t, status(challenged(challenge)), `{"authenticated":false,"stepUp":false,"emailVerified":false,"twoFactorRequired":true,
	 "preferredTwoFactorMethod":"totp","twoFactorMethods":["totp"],"sessionId":null}`)
	golden(t, status(bearer(a.access), challenged("nonsense")), `{"authenticated":true,"stepUp":false,"emailVerified":false,
	 "twoFactorRequired":false,"preferredTwoFactorMethod":"totp","twoFactorMethods":["totp"],"sessionId":%q}`, a.session)
	golden(t, status(bearer(a.access), challenged(w.challengeIn(a))), `{"authenticated":true,"stepUp":false,"emailVerified":false,
	 "twoFactorRequired":true,"preferredTwoFactorMethod":"totp","twoFactorMethods":["totp"],"sessionId":%q}`, a.session)
	eve := w.member("eve@example.com")
	golden(t, status(bearer(eve.access), challenged(challenge)), `{"authenticated":true,"stepUp":false,"emailVerified":false,
	 "twoFactorRequired":false,"preferredTwoFactorMethod":null,"twoFactorMethods":null,"sessionId":%q}`, eve.session)
	w.clock.advance(10 * time.Minute)
	golden(t, status(challenged(challenge)), `{"authenticated":false,"stepUp":false,"emailVerified":null,"twoFactorRequired":false,
	 "preferredTwoFactorMethod":null,"twoFactorMethods":null,"sessionId":null}`)
}

// What becomes of an account between the steps is read again at every step
// (contract §5.6, faults F80).
func TestChallengesAreVoidedByWhatChangesMeanwhile(t *testing.T) {
	const invalid, expired = "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", "ACCESS_TOKEN_EXPIRED"
	for _, tc := range []struct {
		event           string
		happens         func(w *world, a account, by app)
		signIn, session string // what answering is refused with, "" if it is not
	}{
		{"P5", func(w *world, a account, _ app) { w.ok(changeBy(a)) }, invalid, invalid},
		{"A10", func(w *world, _ account, _ app) { w.ok(resetBy(w.resetLink("ada@example.com"))) }, invalid, expired},
		{"T6", func(w *world, a account, _ app) { w.ok(offBy(a, "totp")) }, invalid, invalid},
		{"T9", func(w *world, a account, _ app) { w.withEmail(a) }, "", ""},
		{"U4", func(w *world, a account, _ app) { w.ok(of(w.adminAt("root@example.com"), disabling, a.id)) }, invalid, expired},
		{"P3", func(w *world, a account, _ app) { w.ok(leaving(a)) }, invalid, expired},
		{"A3", func(w *world, a account, _ app) { w.ok(req("POST /api/auth/logout", "", bearer(a.access))) }, "", expired},
		{"S4", func(w *world, a account, _ app) { w.ok(req("DELETE /api/users/me/sessions", "", bearer(a.access))) }, "", expired},
		{"nothing", func(*world, account, app) {}, "", ""},
	} {
		t.Run(tc.event, func(t *testing.T) {
			w := newWorld(t, unlimited)
			a, app := w.protected()
			a = w.provenBy(a, app)
			signingIn, steppingUp := w.halfway(), w.challengeIn(a)
			tc.happens(w, a, app)
			w.clock.advance(time.Minute)
			if got := w.send(req(sendCode, "", challenged(steppingUp))); (got.code() == "") != (tc.session == "") {
				t.Errorf("the challenge of the session is mailed a code for: %d %q", got.status, got.code())
			}
			if got := w.send(completeWith(signingIn, byTOTP(w.code(app)))); got.code() != tc.signIn {
				t.Errorf("sign-in: %d %q, want %q", got.status, got.code(), tc.signIn)
			}
			if got := w.send(stepUpWith(a, steppingUp, byTOTP(w.next(app)))); got.code() != tc.session {
				t.Errorf("step-up: %d %q, want %q", got.status, got.code(), tc.session)
			}
		})
	}
}

// Of any number of answers at once one is taken, whatever they share: the
// challenge, or the code (faults F17, F18, F81).
func TestOfParallelAnswersOneIsTaken(t *testing.T) {
	const many = 20
	for name, answers := range map[string]func(w *world, a app, i int) request{
		"one challenge, one code of an app": func() func(w *world, a app, i int) request {
			var r request
			return func(w *world, a app, i int) request {
				if i == 0 {
					r = completeWith(w.halfway(), byTOTP(w.next(a)))
				}
				return r
			}
		}(),
		"many challenges, one code of an app": func(w *world, a app, _ int) request { return completeWith(w.halfway(), byTOTP(w.next(a))) },
		"many challenges, one recovery code":  func(w *world, a app, _ int) request { return recoverWith(w.halfway(), a.codes[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, unlimited, unthrottled)
			_, app := w.protected()
			var all []request
			for i := range many {
				all = append(all, answers(w, app, i))
			}
			var mu sync.Mutex
			var wg sync.WaitGroup
			codes := map[string]int{}
			for _, r := range all {
				wg.Go(func() {
					a := w.send(r)
					mu.Lock()
					defer mu.Unlock()
					codes[a.code()]++
				})
			}
			wg.Wait()
			refused := codes["TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID"] + codes["WRONG_TWO_FACTOR_CODE"] + codes["WRONG_TOTP_RECOVERY_CODE"]
			if codes[""] != 1 || refused != many-1 {
				t.Errorf("answers %v, want one that is taken", codes)
			}
		})
	}
}

// What cannot be stored has used nothing up.
func TestAnAnswerCountsWhollyOrNotAtAll(t *testing.T) {
	for name, op := range map[string]string{"session": "commit", "token": "mint"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, unlimited)
			_, app := w.protected()
			r := completeWith(w.halfway(), byTOTP(w.next(app)))
			w.faults.planAfter(op, map[string]int{"commit": 1}[op], broken(fault.DatabaseFailure))
			if a := w.send(r); a.status != 500 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			w.faults.clear()
			w.ok(r)
		})
	}
}
