package http_test

import (
	"encoding/base64"
	"fmt"
	"image/png"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	camera "github.com/makiuchi-d/gozxing/qrcode"
	authenticator "github.com/pquerna/otp/totp"

	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// --- what the tests do ---

// app is an authenticator app, and what its owner wrote down.
type app struct {
	secret, token string
	codes         []string
}

func beginBy(a account) request {
	return req("GET /api/auth/2fa/totp/setup", "", bearer(a.access), steppedUp(a.stepUp))
}

func (w *world) begin(a account) app {
	w.t.Helper()
	in := w.ok(beginBy(a))
	out := app{secret: in.text("secret"), token: in.text("token")}
	for _, c := range in.json["recoveryCodes"].([]any) {
		out.codes = append(out.codes, c.(string))
	}
	return out
}

// code is what the app shows now.
func (w *world) code(a app) string { return w.codeAt(a, 0) }

func (w *world) codeAt(a app, later time.Duration) string {
	w.t.Helper()
	c, err := authenticator.GenerateCode(a.secret, w.clock.now().Add(later))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// wrong is a code that the app shows at no time near now.
func (w *world) wrong(a app) string {
	w.t.Helper()
	shown := []string{w.codeAt(a, -30*time.Second), w.code(a), w.codeAt(a, 30*time.Second)}
	for n := 0; ; n++ {
		if c := fmt.Sprintf("%06d", n); !slices.Contains(shown, c) {
			return c
		}
	}
}

func confirmBy(a account, setup, code string) request {
	return req("POST /api/auth/2fa/totp/setup", `{"token":`+quoted(setup)+`,"code":`+quoted(code)+`}`, bearer(a.access), steppedUp(a.stepUp))
}

// enrolled switches an authenticator app on.
func (w *world) enrolled(a account) app {
	w.t.Helper()
	s := w.begin(a)
	w.ok(confirmBy(a, s.token, w.code(s)))
	return s
}

// withEmail switches mailed codes on.
func (w *world) withEmail(a account) {
	w.t.Helper()
	w.mailedCode(a)
	w.ok(mailBy(a, mailedCode))
}

func mailBy(a account, code string) request {
	return req("POST /api/auth/2fa/email/enable", `{"code":`+quoted(code)+`}`, bearer(a.access), steppedUp(a.stepUp))
}

const mailedCode, wrongMailedCode = "424242", "424243"

// mailedCode puts a code into the store as if it had been mailed.
func (w *world) mailedCode(a account) {
	w.t.Helper()
	c, _ := factor.ParseCode(secret.New(mailedCode))
	err := w.store.Single().MailedCodes.Put(w.t.Context(), principal.ID(a.id), factor.MailedCode{
		Code: c, CreatedAt: w.clock.now(), ExpiresAt: w.clock.now().Add(10 * time.Minute),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// withBoth has an app and mailed codes on, without what switching them on does
// to others.
func (w *world) withBoth(a account) account {
	w.t.Helper()
	a = w.proven(a)
	w.rewrite(a.id, func(p *principal.Principal) {
		p.EnableFactor(factor.TOTP)
		p.EnableFactor(factor.Email)
	})
	return a
}

func offBy(a account, method string) request {
	return req("DELETE /api/auth/2fa/"+method, "", bearer(a.access), steppedUp(a.stepUp))
}

func renewBy(a account) request {
	return req("POST /api/auth/2fa/totp/recovery-codes", "", bearer(a.access), steppedUp(a.stepUp))
}

func preferBy(a account, method string) request {
	return req("POST /api/auth/2fa/preferred-method", `{"method":"`+method+`"}`, bearer(a.access), steppedUp(a.stepUp))
}

// methods are those that are on, the preferred one marked.
func methods(a answer) string {
	var names []string
	for _, m := range a.json["twoFactorMethods"].([]any) {
		name := m.(string)
		if name == a.json["preferredTwoFactorMethod"] {
			name += "*"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (w *world) methods(a account) string {
	w.t.Helper()
	return methods(w.ok(req("GET /api/users/me", "", bearer(a.access))))
}

// --- codes ---

func enrolmentSubjects() map[string]subject {
	all := map[string]subject{
		"T3": {fine: byEnrolled(func(a account) request { return preferBy(a, "totp") }), op: "principals.byID"},
		"T4": {fine: byProven(beginBy), op: "principals.byID"},
		"T5": {
			fine: func(w *world) request {
				a := w.proven(w.member("ada@example.com"))
				s := w.begin(a)
				return confirmBy(a, s.token, w.code(s))
			}, op: "principals.byID",
		},
		"T6": {fine: byEnrolled(func(a account) request { return offBy(a, "totp") }), op: "principals.byID"},
		"T9": {
			fine: func(w *world) request {
				a := w.proven(w.member("ada@example.com"))
				w.mailedCode(a)
				return mailBy(a, mailedCode)
			}, op: "principals.byID",
		},
		"T10": {
			fine: func(w *world) request {
				a := w.proven(w.member("ada@example.com"))
				w.withEmail(a)
				return offBy(a, "email")
			}, op: "principals.byID",
		},
		"T12": {fine: byEnrolled(renewBy), op: "principals.byID"},
	}
	add := func(id string, rows map[string]row) {
		s := all[id]
		s.rows = rows
		rows["USER_NOT_FOUND"] = func(w *world) answer {
			g := w.provenGuest()
			return w.send(s.fine(w).but(bearer(g.access), steppedUp(g.stepUp)))
		}
		all[id] = s
	}
	unproven := func(r func(account) request) row {
		return func(w *world) answer { return w.send(r(w.put(withoutPassword()))) }
	}
	badLocale := func(id string) row {
		return func(w *world) answer {
			r := all[id].fine(w)
			return w.send(r.but(to(r.path + "?locale=!")))
		}
	}
	add("T3", map[string]row{
		"NO_PASSWORD_PROVIDER": unproven(func(a account) request { return preferBy(a, "totp") }),
		"2FA_DISABLED":         all["T3"].but(body(`{"method":"email"}`)),
	})
	add("T4", map[string]row{
		"NO_PASSWORD_PROVIDER":              unproven(beginBy),
		"TWO_FACTOR_METHOD_ALREADY_ENABLED": func(w *world) answer { return w.send(byEnrolled(beginBy)(w)) },
		"TOTP_CODE_VALIDATION_FAILURE":      all["T4"].fails("totp", fault.TOTPCodeValidationFailure),
	})
	add("T5", map[string]row{
		"NO_PASSWORD_PROVIDER": unproven(func(a account) request { return confirmBy(a, "token", "123456") }),
		"TWO_FACTOR_METHOD_ALREADY_ENABLED": func(w *world) answer {
			return w.send(byEnrolled(func(a account) request { return confirmBy(a, "token", "123456") })(w))
		},
		"TOTP_SETUP_TOKEN_EXPIRED": func(w *world) answer {
			r := all["T5"].fine(w)
			w.clock.advance(15 * time.Minute)
			a := w.proven(w.signIn("ada@example.com", goodPassword))
			return w.send(r.but(bearer(a.access), steppedUp(a.stepUp)))
		},
		"TOTP_SETUP_TOKEN_INVALID":     all["T5"].but(body(`{"token":"nonsense","code":"123456"}`)),
		"TOTP_CODE_VALIDATION_FAILURE": all["T5"].fails("totp", fault.TOTPCodeValidationFailure),
		"HASH_FAILURE":                 all["T5"].fails("hash", fault.HashFailure),
		"WRONG_TWO_FACTOR_CODE": func(w *world) answer {
			a := w.proven(w.member("ada@example.com"))
			s := w.begin(a)
			return w.send(confirmBy(a, s.token, w.wrong(s)))
		},
		"TOO_MANY_ATTEMPTS": func(w *world) answer {
			a := w.proven(w.member("ada@example.com"))
			s := w.begin(a)
			for range 5 {
				w.want(401, "WRONG_TWO_FACTOR_CODE", confirmBy(a, s.token, w.wrong(s)))
			}
			again := w.begin(a)
			return w.send(confirmBy(a, again.token, w.code(again)))
		},
	})
	for id, method := range map[string]string{"T6": "totp", "T10": "email"} {
		add(id, map[string]row{
			"INVALID_REQUEST": badLocale(id),
			"TWO_FACTOR_METHOD_ALREADY_DISABLED": func(w *world) answer {
				return w.send(offBy(w.proven(w.member("ada@example.com")), method))
			},
			"CANNOT_DISABLE_ONLY_TWO_FACTOR_METHOD": func(w *world) answer {
				strict := newWorld(w.t, withMandatoryFactors())
				return strict.send(all[id].fine(strict))
			},
		})
	}
	add("T9", map[string]row{
		"NO_PASSWORD_PROVIDER": unproven(func(a account) request { return mailBy(a, mailedCode) }),
		"TWO_FACTOR_METHOD_ALREADY_ENABLED": func(w *world) answer {
			r := all["T9"].fine(w)
			w.ok(r)
			return w.send(r)
		},
		"TWO_FACTOR_CODE_EXPIRED": func(w *world) answer {
			return w.send(mailBy(w.proven(w.member("ada@example.com")), mailedCode))
		},
		"WRONG_TWO_FACTOR_CODE": all["T9"].but(body(`{"code":"` + wrongMailedCode + `"}`)),
		"TOO_MANY_ATTEMPTS": func(w *world) answer {
			r := all["T9"].fine(w)
			for range 5 {
				w.want(401, "WRONG_TWO_FACTOR_CODE", r.but(body(`{"code":"`+wrongMailedCode+`"}`)))
			}
			return w.send(r)
		},
	})
	add("T12", map[string]row{
		"INVALID_REQUEST":            badLocale("T12"),
		"TWO_FACTOR_METHOD_DISABLED": func(w *world) answer { return w.send(byProven(renewBy)(w)) },
		"HASH_FAILURE":               all["T12"].fails("hash", fault.HashFailure),
	})
	t11 := subject{fine: as(codeWait, ""), op: "principals.byID"}
	nobody := del("Authorization")
	t11.rows = map[string]row{
		"TWO_FACTOR_AUTHENTICATION_TOKEN_MISSING": t11.but(nobody),
		"TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID": t11.but(nobody, challenged("nonsense")),
		"TWO_FACTOR_AUTHENTICATION_TOKEN_EXPIRED": func(w *world) answer {
			w.protected()
			t := w.challenge()
			w.clock.advance(10 * time.Minute)
			return w.send(req(codeWait, "", challenged(t)))
		},
		"USER_NOT_FOUND":          func(w *world) answer { return w.send(req(codeWait, "", bearer(w.guest().access))) },
		"CACHE_OPERATION_FAILURE": t11.fails("cooldowns.left", fault.DatabaseFailure),
	}
	all["T11"] = t11
	return all
}

const codeWait = "GET /api/auth/2fa/email/cooldown"

// A cooldown is told to who is signed in, and to who is about to be.
func TestTheCooldownOfCodesIsThatOfTheAccount(t *testing.T) {
	w := newWorld(t)
	_, _ = w.protected()
	for name, as := range map[string]change{"session": bearer(w.member("eve@example.com").access), "challenge": challenged(w.challenge())} {
		if got := w.ok(req(codeWait, "", as)).json["remaining"]; got != float64(0) {
			t.Errorf("%s: %v at first", name, got)
		}
		w.ok(req(sendCode, "", as))
		w.clock.advance(500 * time.Millisecond)
		if got := w.ok(req(codeWait, "", as)).json["remaining"]; got != float64(60) {
			t.Errorf("%s: %v after half a second, want 60", name, got)
		}
	}
}

func byProven(of func(account) request) func(*world) request {
	return func(w *world) request { return of(w.proven(w.member("ada@example.com"))) }
}

func byEnrolled(of func(account) request) func(*world) request {
	return func(w *world) request {
		a := w.proven(w.member("ada@example.com"))
		w.enrolled(a)
		return of(a)
	}
}

// --- enrolment ---

// scan reads a QR code as the camera of a phone does.
func scan(t *testing.T, uri string) string {
	t.Helper()
	data, ok := strings.CutPrefix(uri, "data:image/png;base64,")
	if !ok {
		t.Fatalf("%.40s is no PNG", uri)
	}
	picture, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	read, err := camera.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read.GetText()
}

func TestAnAuthenticatorAppIsSetUpByItsQRCodeAndConfirmedByItsCode(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("Ada+x@example.com"))
	in := w.ok(beginBy(a))
	s := app{secret: in.text("secret"), token: in.text("token")}
	want := "otpauth://totp/Gatehouse:Ada%2Bx%40example.com?secret=" + s.secret + "&issuer=Gatehouse"
	if in.text("totpAuthUrl") != want || scan(t, in.text("qrCode")) != want {
		t.Errorf("%s, the QR code says %s, want %s", in.text("totpAuthUrl"), scan(t, in.text("qrCode")), want)
	}
	if u, err := url.Parse(want); err != nil || u.Query().Get("secret") != s.secret || len(s.secret) != 32 {
		t.Errorf("a secret of %d characters, %v", len(s.secret), err)
	}
	if codes := in.json["recoveryCodes"].([]any); len(codes) != 6 || len(in.json) != 5 {
		t.Errorf("%d recovery codes and %d members", len(codes), len(in.json))
	}
	c, err := w.tokens.Verify(secret.New(s.token), token.TOTPSetup, w.clock.now())
	if err != nil || string(c.Subject) != a.id || string(c.Session) != a.session || c.ExpiresAt.Sub(c.IssuedAt) != 15*time.Minute {
		t.Errorf("the token says %+v, %v", c, err)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(s.token, ".")[1])
	if strings.Contains(string(payload), s.secret) {
		t.Error("the token carries the secret")
	}
	if got := w.methods(a); got != "" {
		t.Errorf("what nobody confirmed is on: %q", got)
	}
	done := w.ok(confirmBy(a, s.token, w.code(s)))
	if methods(done) != "totp*" || done.json["twoFactorAuthEnabled"] != true || w.methods(a) != "totp*" {
		t.Errorf("confirmed: %s", done.body)
	}
}

func TestCodesMayBeSpelledAsTheyAreTyped(t *testing.T) {
	for name, spell := range map[string]func(code string) string{
		"string": quoted,
		"blanks": func(c string) string { return quoted(" " + c[:3] + " " + c[3:]) },
		"number": func(c string) string { return strings.TrimLeft(c[:5], "0") + c[5:] },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.proven(w.member("ada@example.com"))
			s := w.begin(a)
			for !strings.HasPrefix(w.code(s), "0") { // so that a number has fewer digits
				w.clock.advance(time.Second)
				if w.clock.now().Sub(start) > 9*time.Minute {
					w.clock.at.Store(start.UnixNano())
					s = w.begin(a)
				}
			}
			r := confirmBy(a, s.token, "")
			w.ok(r.but(body(`{"token":` + quoted(s.token) + `,"code":` + spell(w.code(s)) + `}`)))
		})
	}
}

func TestWhatIsNoCodeIsRefusedBeforeItCounts(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	s := w.begin(a)
	w.mailedCode(a)
	for _, row := range []struct{ code, rule string }{
		{`"12345"`, "pattern"},
		{`"1234567"`, "pattern"},
		{`1234567`, "pattern"},
		{`-1`, "pattern"},
		{`""`, "pattern"},
		{`"abcdef"`, "pattern"},
		{`1e40`, "pattern"},
		{`42137.0`, "pattern"},
		{`null`, "required"},
		{`true`, "type"},
		{`["123456"]`, "type"},
		{`1.5`, "type"},
	} {
		got := w.want(400, "INVALID_REQUEST", confirmBy(a, s.token, "").but(body(`{"token":"x","code":`+row.code+`}`)))
		if !slices.Equal(got.rules(), []string{"code:" + row.rule}) {
			t.Errorf("T5 with %s breaks %v, want %s", row.code, got.rules(), row.rule)
		}
	}
	for code, rule := range map[string]string{`"12345"`: "pattern", `123456`: "type", `null`: "required"} {
		got := w.want(400, "INVALID_REQUEST", mailBy(a, "").but(body(`{"code":`+code+`}`)))
		if !slices.Equal(got.rules(), []string{"code:" + rule}) {
			t.Errorf("T9 with %s breaks %v, want %s", code, got.rules(), rule)
		}
	}
	got := w.want(400, "INVALID_REQUEST", preferBy(a, "sms"))
	if !slices.Equal(got.rules(), []string{"method:enum"}) {
		t.Errorf("T3 breaks %v", got.rules())
	}
	w.ok(confirmBy(a, s.token, w.code(s))) // had they counted, nobody could
}

func TestTheFifthWrongCodeVoidsTheSetup(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	s := w.begin(a)
	for range 5 {
		w.want(401, "WRONG_TWO_FACTOR_CODE", confirmBy(a, s.token, w.wrong(s)))
	}
	w.want(401, "TOTP_SETUP_TOKEN_INVALID", confirmBy(a, s.token, w.code(s)))
	w.clock.advance(time.Second) // the delay of the account
	w.want(401, "TOTP_SETUP_TOKEN_INVALID", confirmBy(a, s.token, w.code(s)))
	w.enrolled(a)
}

// The counter of the account outlives the setup, and a right code is no wrong one (faults F14).
func TestANewSetupDoesNotResetTheAccount(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	for range 5 {
		s := w.begin(a)
		w.want(401, "WRONG_TWO_FACTOR_CODE", confirmBy(a, s.token, w.wrong(s)))
	}
	s := w.begin(a)
	w.want(429, "TOO_MANY_ATTEMPTS", confirmBy(a, s.token, w.code(s)))
	w.clock.advance(time.Second)
	w.ok(confirmBy(a, s.token, w.code(s)))
	w.clock.advance(time.Second)
	w.want(401, "INVALID_CREDENTIALS", loginOf("ada@example.com", "wrong"))
	w.want(429, "TOO_MANY_ATTEMPTS", loginOf("ada@example.com", "wrong")) // it forgave one, and reset nothing
}

// TestEnrolmentCannotBeWalkedAround are the ways of faults F19, F79 and F82.
func TestEnrolmentCannotBeWalkedAround(t *testing.T) {
	for _, row := range []struct {
		name, code string
		how        func(w *world, a account, s app) answer
		on         string // afterwards
	}{
		{"confirm without a code", "INVALID_REQUEST", func(w *world, a account, s app) answer { return w.send(confirmBy(a, s.token, "")) }, ""},
		{"confirm with a wrong code", "WRONG_TWO_FACTOR_CODE", func(w *world, a account, s app) answer { return w.send(confirmBy(a, s.token, w.wrong(s))) }, ""},
		{"confirm with the code of a step that is over", "WRONG_TWO_FACTOR_CODE", func(w *world, a account, s app) answer {
			old := w.code(s)
			w.clock.advance(time.Minute)
			return w.send(confirmBy(a, s.token, old))
		}, ""},
		{"confirm without a step-up", "STEP_UP_TOKEN_MISSING", func(w *world, a account, s app) answer {
			return w.send(confirmBy(a, s.token, w.code(s)).but(del("X-Step-Up-Token")))
		}, ""},
		{"begin without a step-up", "STEP_UP_TOKEN_MISSING", func(w *world, a account, _ app) answer {
			return w.send(beginBy(a).but(del("X-Step-Up-Token")))
		}, ""},
		{"confirm what another one replaced", "TOTP_SETUP_TOKEN_INVALID", func(w *world, a account, s app) answer {
			w.begin(a)
			return w.send(confirmBy(a, s.token, w.code(s)))
		}, ""},
		{"finish another user's setup", "TOTP_SETUP_TOKEN_INVALID", func(w *world, _ account, s app) answer {
			eve := w.proven(w.member("eve@example.com"))
			w.begin(eve)
			return w.send(confirmBy(eve, s.token, w.code(s)))
		}, ""},
		{"another user's setup that is too old", "TOTP_SETUP_TOKEN_INVALID", func(w *world, _ account, s app) answer {
			w.clock.advance(time.Hour)
			return w.send(confirmBy(w.proven(w.member("eve@example.com")), s.token, w.code(s)))
		}, ""},
		{"a token of another kind", "TOTP_SETUP_TOKEN_INVALID", func(w *world, a account, s app) answer {
			return w.send(confirmBy(a, a.stepUp, w.code(s)))
		}, ""},
		{"confirm twice", "TWO_FACTOR_METHOD_ALREADY_ENABLED", func(w *world, a account, s app) answer {
			r := confirmBy(a, s.token, w.code(s))
			w.ok(r)
			return w.send(r)
		}, "totp*"},
		{"use a setup again after switching off", "TOTP_SETUP_TOKEN_INVALID", func(w *world, a account, s app) answer {
			r := confirmBy(a, s.token, w.code(s))
			w.ok(r)
			w.ok(offBy(a, "totp"))
			return w.send(r)
		}, ""},
		{"overwrite an active secret", "TWO_FACTOR_METHOD_ALREADY_ENABLED", func(w *world, a account, s app) answer {
			w.ok(confirmBy(a, s.token, w.code(s)))
			return w.send(beginBy(a))
		}, "totp*"},
		{"disable without a step-up", "STEP_UP_TOKEN_MISSING", func(w *world, a account, s app) answer {
			w.ok(confirmBy(a, s.token, w.code(s)))
			return w.send(offBy(a, "totp").but(del("X-Step-Up-Token")))
		}, "totp*"},
		{"disable with another session's step-up", "STEP_UP_TOKEN_INVALID", func(w *world, a account, s app) answer {
			eve := w.proven(w.member("eve@example.com"))
			w.ok(confirmBy(a, s.token, w.code(s)))
			return w.send(offBy(a, "totp").but(steppedUp(eve.stepUp)))
		}, "totp*"},
		{"new recovery codes without a step-up", "STEP_UP_TOKEN_MISSING", func(w *world, a account, s app) answer {
			w.ok(confirmBy(a, s.token, w.code(s)))
			return w.send(renewBy(a).but(del("X-Step-Up-Token")))
		}, "totp*"},
		{"mailed codes without a step-up", "STEP_UP_TOKEN_MISSING", func(w *world, a account, _ app) answer {
			w.mailedCode(a)
			return w.send(mailBy(a, mailedCode).but(del("X-Step-Up-Token")))
		}, ""},
		{"another user's mailed code", "TWO_FACTOR_CODE_EXPIRED", func(w *world, a account, _ app) answer {
			w.mailedCode(a)
			return w.send(mailBy(w.proven(w.member("eve@example.com")), mailedCode))
		}, ""},
		{"a mailed code after mailed codes went off", "TWO_FACTOR_CODE_EXPIRED", func(w *world, a account, _ app) answer {
			a = w.withBoth(a)
			w.ok(offBy(a, "totp"))
			w.mailedCode(a)
			w.ok(offBy(a, "email"))
			return w.send(mailBy(a, mailedCode))
		}, ""},
		{"a setup or a mailed code from before a ban", "TOTP_SETUP_TOKEN_INVALID", func(w *world, a account, s app) answer {
			w.mailedCode(a)
			admin := w.adminAt("root@example.com")
			w.ok(of(admin, disabling, a.id))
			w.ok(of(admin, enabling, a.id))
			a = w.proven(w.signIn("ada@example.com", goodPassword))
			w.want(401, "TWO_FACTOR_CODE_EXPIRED", mailBy(a, mailedCode))
			return w.send(confirmBy(a, s.token, w.code(s)))
		}, ""},
		{"a mailed code twice", "TWO_FACTOR_CODE_EXPIRED", func(w *world, a account, _ app) answer {
			w.withEmail(a)
			w.ok(offBy(a, "email"))
			return w.send(mailBy(a, mailedCode))
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			a := w.proven(w.member("ada@example.com"))
			s := w.begin(a)
			if got := row.how(w, a, s); got.code() != row.code {
				t.Errorf("%d %s, want %s", got.status, got.code(), row.code)
			}
			p, err := w.store.Single().Principals.ByID(t.Context(), principal.ID(a.id))
			if err != nil {
				t.Fatal(err)
			}
			var on []string
			for _, m := range p.Factors().Methods() {
				on = append(on, string(m)+map[bool]string{true: "*"}[p.Factors().Preferred == m])
			}
			if strings.Join(on, " ") != row.on {
				t.Errorf("%v are on, want %q", on, row.on)
			}
		})
	}
}

// Secrets and codes are shown once, and nowhere written down in plain.
func TestWhatWasShownOnceIsShownNowhereElse(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	s := w.enrolled(a)
	again := w.ok(renewBy(a))
	shown := append([]string{s.secret, s.token}, s.codes...)
	for _, c := range again.json["recoveryCodes"].([]any) {
		if slices.Contains(s.codes, c.(string)) {
			t.Error("a recovery code came back")
		}
		shown = append(shown, c.(string))
	}
	elsewhere := w.log.String() + string(w.ok(req("GET /api/users/me", "", bearer(a.access))).body) +
		string(w.want(409, "TWO_FACTOR_METHOD_ALREADY_ENABLED", beginBy(a)).body)
	for _, kind := range []notice.Kind{notice.TwoFactorAdded, notice.RecoveryCodesReplaced} {
		all := w.mails(kind)
		if len(all) != 1 {
			t.Fatalf("%d mails %s", len(all), kind)
		}
		elsewhere += fmt.Sprintf("%+v %s %s", all[0], all[0].Token.Reveal(), all[0].Code.Reveal())
	}
	for _, one := range shown {
		if strings.Contains(elsewhere, one) {
			t.Errorf("%.4s… was written down", one)
		}
	}
	hashes, err := w.store.Single().RecoveryCodes.Of(t.Context(), principal.ID(a.id))
	if err != nil || len(hashes) != 6 {
		t.Errorf("%d recovery codes are kept, %v", len(hashes), err)
	}
}

func TestSettingUpIsNotForHEAD(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	s := w.begin(a)
	got := w.send(beginBy(a).but(by("HEAD")))
	if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") == "" {
		t.Errorf("HEAD: %d, allowed is %q", got.status, got.header.Get("Allow"))
	}
	w.ok(confirmBy(a, s.token, w.code(s))) // it voided nothing
}

func TestMethodsAreOnAndPreferredAsTheirOwnerWants(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.withEmail(a)
	for _, step := range []struct {
		r    request
		want string
	}{
		{req("GET /api/users/me", "", bearer(a.access)), "email*"},
		{req("", ""), "totp* email"},
		{preferBy(a, "email"), "totp email*"},
		{preferBy(a, "email"), "totp email*"},
		{offBy(a, "email"), "totp*"},
		{offBy(a, "totp"), ""},
	} {
		if step.r.path == "" {
			w.enrolled(a)
			step.r = req("GET /api/users/me", "", bearer(a.access))
		}
		if got := methods(w.ok(step.r)); got != step.want {
			t.Errorf("after %s %s: %q, want %q", step.r.method, step.r.path, got, step.want)
		}
	}
}

// A code that was used up is no reason to wait for the next one (contract §7.4).
func TestUsingAMailedCodeUpEndsItsCooldown(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.mailedCode(a)
	cooldowns, now := w.store.Single().Cooldowns, w.clock.now()
	if _, err := cooldowns.Start(t.Context(), notice.EmailAuthentication, "ada@example.com", now, time.Minute); err != nil {
		t.Fatal(err)
	}
	w.want(401, "WRONG_TWO_FACTOR_CODE", mailBy(a, wrongMailedCode))
	if left, err := cooldowns.Left(t.Context(), notice.EmailAuthentication, "ada@example.com", now); left != time.Minute || err != nil {
		t.Errorf("a wrong code leaves %v, %v", left, err)
	}
	w.ok(mailBy(a, mailedCode))
	if left, err := cooldowns.Left(t.Context(), notice.EmailAuthentication, "ada@example.com", now); left != 0 || err != nil {
		t.Errorf("a right code leaves %v, %v", left, err)
	}
}

func TestTheLastMethodStaysWhereOneIsRequired(t *testing.T) {
	w := newWorld(t, withMandatoryFactors())
	a := w.proven(w.member("ada@example.com"))
	w.enrolled(a)
	w.want(400, "CANNOT_DISABLE_ONLY_TWO_FACTOR_METHOD", offBy(a, "totp"))
	w.want(409, "TWO_FACTOR_METHOD_ALREADY_DISABLED", offBy(a, "email"))
	w.withEmail(a)
	w.ok(offBy(a, "totp"))
	w.want(400, "CANNOT_DISABLE_ONLY_TWO_FACTOR_METHOD", offBy(a, "email"))
	if got := w.methods(a); got != "email*" {
		t.Errorf("%q are on", got)
	}
	if got := w.mails(notice.TwoFactorRemoved); len(got) != 1 || got[0].Factor != notice.TOTP {
		t.Errorf("told of %v", got)
	}
}

// A session that ends while its request is on the way switches nothing (faults F66).
func TestASessionThatEndedMeanwhileChangesNoFactor(t *testing.T) {
	for id, s := range enrolmentSubjects() {
		if id == "T11" { // which changes nothing
			continue
		}
		t.Run(id, func(t *testing.T) {
			w := newWorld(t)
			r := s.fine(w)
			w.faults.planAfter("sessions.access", 1, outbound.ErrNotFound)
			w.want(401, "ACCESS_TOKEN_EXPIRED", r)
		})
	}
}

// The mail goes in the language of the request, to where the owner is then.
func TestTheOwnerIsToldInTheLanguageOfTheRequest(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	s := w.begin(a)
	r := confirmBy(a, s.token, w.code(s))
	w.ok(r.but(to(r.path + "?locale=de")))
	off := offBy(a, "totp")
	w.ok(off.but(to(off.path + "?locale=fr")))
	added, removed := w.mails(notice.TwoFactorAdded), w.mails(notice.TwoFactorRemoved)
	if len(added) != 1 || added[0].Locale != "de" || added[0].Factor != notice.TOTP || added[0].To.Typed() != "ada@example.com" {
		t.Errorf("added: %+v", added)
	}
	if len(removed) != 1 || removed[0].Locale != "fr" || removed[0].Factor != notice.TOTP {
		t.Errorf("removed: %+v", removed)
	}
}

func TestNobodyIsToldWhereNoMailIsSent(t *testing.T) {
	w := newWorld(t, withoutMail())
	a := w.proven(w.member("ada@example.com"))
	w.enrolled(a)
	w.ok(renewBy(a))
	w.ok(offBy(a, "totp"))
	for _, kind := range notice.Kinds() {
		if n := len(w.mails(kind)); n > 0 {
			t.Errorf("%d mails %s", n, kind)
		}
	}
}

// A commit that fails leaves everything as it was (faults F22).
func TestAChangeOfFactorsHappensWhollyOrNotAtAll(t *testing.T) {
	for id, s := range enrolmentSubjects() {
		if id == "T11" {
			continue
		}
		t.Run(id, func(t *testing.T) {
			w := newWorld(t)
			r := s.fine(w)
			counted := 0 // transactions that come before the one of the change
			if id == "T5" || id == "T9" {
				counted = 1
			}
			w.faults.planAfter("commit", counted, broken(fault.DatabaseFailure))
			w.want(500, "DATABASE_FAILURE", r)
			w.faults.clear()
			w.ok(r)
		})
	}
}

// ASVS 6.4.3: who can read the mails of an account gets a new password by it,
// and no session.
func TestAPasswordResetLeavesTheSecondFactorOn(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.enrolled(a)
	w.ok(resetBy(w.resetLink("ada@example.com")))
	in := w.ok(loginOf("ada@example.com", nextPassword))
	if in.json["twoFactorRequired"] != true || in.json["user"] != nil || in.json["accessToken"] != nil || in.cookies()["access_token"] != nil {
		t.Errorf("signed in: %s", in.body)
	}
}

// What nobody has confirmed asks nobody for a code (faults F79).
func TestAPendingSetupAsksForNoCode(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	s := w.begin(a)
	w.want(401, "WRONG_TWO_FACTOR_CODE", confirmBy(a, s.token, w.wrong(s)))
	if in := w.ok(loginOf("ada@example.com", goodPassword)); in.json["twoFactorRequired"] != false || in.text("accessToken") == "" {
		t.Errorf("asked: %s", in.body)
	}
	if up := w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access))); up.json["twoFactorRequired"] != false {
		t.Errorf("asked: %s", up.body)
	}
}

// The proof that a factor was switched off with is none that a factor was used
// (faults F78): a session keeps what it began with.
func TestSessionsKeepWhatTheyBeganWith(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.enrolled(a)
	again := w.accountIn(w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh))))
	c, err := w.tokens.Verify(secret.New(again.access), token.Access, w.clock.now())
	if err != nil || c.ACR != "aal1" || !slices.Equal(c.AMR, []string{"pwd"}) {
		t.Errorf("a session from before the app says %s, %v, %v", c.ACR, c.AMR, err)
	}
}

func TestAPasskeyMayBePreferred(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	w.want(400, "2FA_DISABLED", preferBy(a, "passkey"))
	w.rewrite(a.id, func(p *principal.Principal) {
		p.EnableFactor(factor.Email)
		p.EnableFactor(factor.Passkey)
	})
	if got := methods(w.ok(preferBy(a, "passkey"))); got != "email passkey*" {
		t.Errorf("%q", got)
	}
	w.ok(loginOf("ada@example.com", goodPassword))
	if n := len(w.mails(notice.EmailAuthentication)); n != 0 {
		t.Errorf("%d codes were mailed", n)
	}
}
