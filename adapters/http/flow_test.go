package http_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
)

// golden fails unless an answer is exactly this JSON, whatever the order of
// members.
func golden(t *testing.T, a answer, format string, args ...any) {
	t.Helper()
	var got, want any
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("%v\n%s", err, a.body)
	}
	if err := json.Unmarshal(fmt.Appendf(nil, format, args...), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("content type %q", kind)
	}
}

const userGolden = `{"id":%q,"name":%q,"email":"Ada@Example.com","identityProviders":["password"],"roles":["USER"],
 "emailVerified":%t,"lastActive":%q,"twoFactorAuthEnabled":false,"preferredTwoFactorMethod":null,"twoFactorMethods":[],
 "avatar":null,"createdAt":"2026-07-27T10:15:30.123456Z","groups":[],"disabled":false}`

const startText = "2026-07-27T10:15:30.123456Z"

func TestAnAccountLivesFromRegistrationToLogout(t *testing.T) {
	w := newWorld(t)
	registered := w.ok(req("POST /api/auth/register?locale=de_AT",
		`{"email":" Ada@Example.com ","password":"`+goodPassword+`","name":" Ada Lovelace "}`))
	golden(t, registered, `{"success":true}`)
	if len(registered.cookies()) != 0 {
		t.Error("registering sets cookies")
	}
	mail := w.mails(notice.EmailVerification)[0]
	if mail.Locale != "de-AT" || mail.To.Typed() != "Ada@Example.com" || mail.Name != "Ada Lovelace" {
		t.Errorf("mail to %q of %q in %s", mail.To.Typed(), mail.Name, mail.Locale)
	}

	in := w.ok(req("POST /api/auth/login", `{"email":"ada@example.COM","password":"`+goodPassword+`","session":{"browser":"Firefox","os":"Linux"}}`))
	a := w.accountIn(in)
	user := fmt.Sprintf(userGolden, a.id, "Ada Lovelace", false, startText)
	golden(t, in, `{"user":%s,"accessToken":%q,"refreshToken":%q,"twoFactorRequired":false,"twoFactorMethods":null,
	 "preferredTwoFactorMethod":null,"twoFactorAuthenticationToken":null,"location":null}`, user, a.access, a.refresh)

	verify := req("POST /api/auth/email/verification?token=wrong", `{"token":"`+mail.Token.Reveal()+`"}`, bearer("nonsense"))
	golden(t, w.ok(verify), "%s", fmt.Sprintf(userGolden, a.id, "Ada Lovelace", true, startText))
	golden(t, w.ok(req("GET /api/users/me", "", bearer(a.access))), "%s", fmt.Sprintf(userGolden, a.id, "Ada Lovelace", true, startText))
	user = fmt.Sprintf(userGolden, a.id, "Ada King", true, startText)
	golden(t, w.ok(req("PUT /api/users/me", `{"name":"Ada King"}`, bearer(a.access))), "%s", user)
	for _, same := range []string{`{}`, `{"name":null}`} {
		golden(t, w.ok(req("PUT /api/users/me", same, bearer(a.access))), "%s", user)
	}

	w.clock.advance(time.Minute)
	other := w.signIn("ada@example.com", goodPassword, set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0 Safari/537.36"))
	if got := w.mails(notice.LoginAlert); len(got) != 1 || got[0].From.Device.OS != "Windows" {
		t.Errorf("alerts %+v", got)
	}
	up := w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access)))
	a.stepUp = up.text("stepUpToken")
	golden(t, up, `{"stepUpToken":%q,"twoFactorRequired":false,"twoFactorMethods":null,"preferredTwoFactorMethod":null,
	 "twoFactorAuthenticationToken":null}`, a.stepUp)
	golden(t, w.ok(req("GET /api/auth/status", "", bearer(a.access), steppedUp(a.stepUp))), `{"authenticated":true,"stepUp":true,
	 "emailVerified":true,"twoFactorRequired":false,"preferredTwoFactorMethod":null,"twoFactorMethods":null,"sessionId":%q}`, a.session)

	if got := w.ok(req("GET /api/auth/status", "", bearer(a.access), steppedUp("bad"))); got.json["stepUp"] != false || got.json["authenticated"] != true {
		t.Errorf("with a bad step-up token: %s", got.body)
	}

	changed := w.ok(changeBy(a).but(to("/api/users/me/password?locale=de")))
	golden(t, changed, "%s", fmt.Sprintf(userGolden, a.id, "Ada King", true, "2026-07-27T10:16:30.123456Z"))
	if len(changed.cookies()) != 0 {
		t.Error("changing the password touches cookies")
	}
	if got := w.mails(notice.PasswordChanged); len(got) != 1 || got[0].Locale != "de" {
		t.Errorf("alerts %+v", got)
	}
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(other.access)))
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(other.refresh)))
	w.ok(req("GET /api/users/me", "", bearer(a.access)))
	w.want(401, "INVALID_CREDENTIALS", loginOf("ada@example.com", goodPassword))
	w.ok(changeBy(a).but(body(changeBody(nextPassword, "Another-Pass-9")))) // the step-up goes on
	a = w.accountIn(w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh))))

	left := w.ok(req("POST /api/auth/logout", "", bearer(a.access)))
	golden(t, left, `{"success":true}`)
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(a.access)))
	golden(t, w.ok(req("POST /api/auth/logout", "", bearer(a.access))), `{"success":true}`)
}

func TestSessionsAreListedTheCallingOneFirst(t *testing.T) {
	w := newWorld(t)
	first := w.member("ada@example.com")
	w.clock.advance(time.Minute)
	second := w.signIn("ada@example.com", goodPassword)
	w.clock.advance(time.Minute)
	third := w.accountIn(w.ok(req("POST /api/auth/login",
		`{"email":"ada@example.com","password":"`+goodPassword+`","session":{"browser":" Fire\u0007fox ","os":null}}`)))
	const each = `{"id":%q,"current":%t,"browser":%s,"os":null,"ipAddress":"127.0.0.1","location":null,"createdAt":%q,
	 "lastActive":%q,"expiresAt":%q,"amr":["pwd"]}`
	one := fmt.Sprintf(each, first.session, true, "null", startText, startText, "2026-10-25T10:15:30.123456Z")
	two := fmt.Sprintf(each, second.session, false, "null", "2026-07-27T10:16:30.123456Z", "2026-07-27T10:16:30.123456Z", "2026-10-25T10:16:30.123456Z")
	three := fmt.Sprintf(each, third.session, false, `"Firefox"`, "2026-07-27T10:17:30.123456Z", "2026-07-27T10:17:30.123456Z", "2026-10-25T10:17:30.123456Z")
	golden(t, w.ok(req("GET /api/users/me/sessions", "", bearer(first.access))), "[%s,%s,%s]", one, three, two)

	ended := w.ok(req("DELETE /api/users/me/sessions/"+strings.ToUpper(third.session), "", bearer(first.access)))
	golden(t, ended, "[%s,%s]", one, two)
	if len(ended.cookies()) != 0 {
		t.Error("ending another session touches cookies")
	}
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(third.access)))
	eve := w.member("eve@example.com")
	golden(t, w.ok(req("DELETE /api/users/me/sessions/"+eve.session, "", bearer(first.access))), "[%s,%s]", one, two)
	w.ok(req("GET /api/users/me", "", bearer(eve.access)))

	own := w.ok(req("DELETE /api/users/me/sessions/"+first.session, "", bearer(first.access)))
	golden(t, own, "[%s]", strings.Replace(two, `"current":true`, `"current":false`, 1))
	cleared(t, own, "")
	all := w.ok(req("DELETE /api/users/me/sessions", "", bearer(second.access)))
	golden(t, all, `{"success":true}`)
	cleared(t, all, "")
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(second.access)))
}

func TestAGuestHasASessionAndNoAddress(t *testing.T) {
	w := newWorld(t)
	made := w.ok(req("POST /api/guests", `{"name":"Passer-by","session":{"browser":"Lynx","os":"Plan 9"}}`))
	g := w.accountIn(made)
	user := fmt.Sprintf(`{"id":%q,"name":"Passer-by","email":null,"identityProviders":[],"roles":["GUEST"],"emailVerified":false,
	 "lastActive":%q,"twoFactorAuthEnabled":false,"preferredTwoFactorMethod":null,"twoFactorMethods":[],"avatar":null,
	 "createdAt":%q,"groups":[],"disabled":false}`, g.id, startText, startText)
	golden(t, made, `{"user":%s,"accessToken":%q,"refreshToken":%q,"location":null}`, user, g.access, g.refresh)
	golden(t, w.ok(req("GET /api/users/me", "", bearer(g.access))), "%s", user)
	golden(t, w.ok(req("GET /api/auth/status", "", bearer(g.access))), `{"authenticated":true,"stepUp":false,"emailVerified":null,
	 "twoFactorRequired":false,"preferredTwoFactorMethod":null,"twoFactorMethods":null,"sessionId":%q}`, g.session)
	golden(t, w.ok(req("GET /api/users/me/sessions", "", bearer(g.access))), `[{"id":%q,"current":true,"browser":"Lynx","os":"Plan 9",
	 "ipAddress":"127.0.0.1","location":null,"createdAt":%q,"lastActive":%q,"expiresAt":"2026-08-26T10:15:30.123456Z","amr":["guest"]}]`,
		g.session, startText, startText)
	for name, age := range map[string]int{"access_token": 899, "refresh_token": 30*24*3600 - 1} {
		if c := made.cookies()[name]; c == nil || c.MaxAge != age {
			t.Errorf("cookie %s is %+v", name, c)
		}
	}
}

func TestNobodyIsNobody(t *testing.T) {
	w := newWorld(t)
	for _, changes := range [][]change{{}, {bearer("nonsense")}, {cookie("access_token", "x"), cookie("step_up_token", "x")}, {steppedUp("x")}} {
		golden(t, w.ok(req("GET /api/auth/status", "", changes...)), `{"authenticated":false,"stepUp":false,"emailVerified":null,
		 "twoFactorRequired":false,"preferredTwoFactorMethod":null,"twoFactorMethods":null,"sessionId":null}`)
	}
}

func TestARefreshTokenWorksOnceAndIsRepeatedForTenSeconds(t *testing.T) {
	w := newWorld(t)
	a := w.accountIn(w.ok(func() request { w.ok(registerAs("ada@example.com")); return loginOf("ada@example.com", goodPassword) }()))
	w.clock.advance(time.Minute)
	first := w.ok(req("POST /api/auth/refresh", `{"browser":"Lynx"}`, bearer(a.refresh)))
	next := w.accountIn(first)
	golden(t, first, `{"user":%s,"accessToken":%q,"refreshToken":%q}`,
		strings.Replace(fmt.Sprintf(userGolden, a.id, "Ada Lovelace", false, "2026-07-27T10:16:30.123456Z"), "Ada@Example.com", "ada@example.com", 1), next.access, next.refresh)
	if c := first.cookies(); len(c) != 2 || c["access_token"].Value != next.access || c["refresh_token"].Value != next.refresh {
		t.Errorf("cookies %q", first.header.Values("Set-Cookie"))
	}
	if next.access == a.access || next.refresh == a.refresh || next.session != a.session {
		t.Error("the pair is not new, or the session is")
	}
	w.clock.advance(10*time.Second - time.Microsecond)
	again := w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh)))
	if string(again.body) != string(first.body) {
		t.Errorf("the repetition differs\n%s\n%s", first.body, again.body)
	}
	w.ok(req("GET /api/users/me", "", bearer(a.access))) // older ones stay good
	w.clock.advance(time.Second)
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(a.refresh)))
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(next.access)))
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(next.refresh)))
	if got := w.mails(notice.RefreshTokenReused); len(got) != 1 {
		t.Errorf("%d alerts", len(got))
	}
}

func TestARefreshKeepsTheDeviceThatIsNotStatedAnew(t *testing.T) {
	w := newWorld(t)
	w.ok(registerAs("ada@example.com"))
	in := w.accountIn(w.ok(req("POST /api/auth/login", `{"email":"ada@example.com","password":"`+goodPassword+`","session":{"browser":"Firefox","os":"Linux"}}`)))
	for _, stated := range []string{"", "{}", `{"browser":null}`} {
		in = w.accountIn(w.ok(req("POST /api/auth/refresh", stated, bearer(in.refresh), set("User-Agent", "curl/8.0"))))
		list := w.ok(req("GET /api/users/me/sessions", "", bearer(in.access)))
		if !strings.Contains(string(list.body), `"browser":"Firefox"`) || !strings.Contains(string(list.body), `"os":"Linux"`) {
			t.Errorf("after %q: %s", stated, list.body)
		}
	}
	in = w.accountIn(w.ok(req("POST /api/auth/refresh", `{"os":"Plan 9"}`, bearer(in.refresh))))
	if list := w.ok(req("GET /api/users/me/sessions", "", bearer(in.access))); !strings.Contains(string(list.body), `"os":"Plan 9"`) {
		t.Errorf("%s", list.body)
	}
}

func TestAFailedRefreshIsNeverAnInvalidToken(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	w.faults.plan("sessions.refreshable", broken("DATABASE_FAILURE"))
	w.want(500, "DATABASE_FAILURE", req("POST /api/auth/refresh", "", bearer(a.refresh)))
	w.faults.clear()
	w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh)))
}

func TestLogoutClearsTheCookiesEvenIfItFailsAndCanBeRepeated(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	r := req("POST /api/auth/logout", "", bearer(a.access))
	w.faults.plan("sessions.end", broken("DATABASE_FAILURE"))
	cleared(t, w.want(500, "DATABASE_FAILURE", r), "")
	w.ok(req("GET /api/users/me", "", bearer(a.access)))
	w.faults.clear()
	w.faults.plan("propagate", errStorage)
	cleared(t, w.want(500, "POST_COMMIT_SIDE_EFFECT_FAILURE", r), "")
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(a.access)))
	w.faults.clear()
	cleared(t, w.ok(r), "")
}

func TestLogoutTakesAnExpiredAccessTokenElseTheRefreshToken(t *testing.T) {
	for name, how := range map[string]func(w *world, a account) request{
		"expired access token": func(w *world, a account) request {
			w.clock.advance(time.Hour)
			return req("POST /api/auth/logout", "", bearer(a.access))
		},
		"refresh cookie": func(_ *world, a account) request {
			return req("POST /api/auth/logout", "", cookie("refresh_token", a.refresh))
		},
		"refresh cookie beside a bad access token": func(_ *world, a account) request {
			return req("POST /api/auth/logout", "", cookie("access_token", "bad"), cookie("refresh_token", a.refresh))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.member("ada@example.com")
			cleared(t, w.ok(how(w, a)), "")
			w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(a.refresh)))
		})
	}
	w := newWorld(t)
	cleared(t, w.ok(req("POST /api/auth/logout", "")), "")
	cleared(t, w.ok(req("POST /api/auth/logout", "not json", bearer("bad"))), "")
}

func TestATakenAddressIsToldToItsOwnerAndToNobodyElse(t *testing.T) {
	w := newWorld(t)
	free := w.ok(registerAs("ada@example.com"))
	taken := w.ok(registerAs("ADA@example.com").but(to("/api/auth/register?send-email=false")))
	if string(free.body) != string(taken.body) || !slices.Equal(names(free.header), names(taken.header)) {
		t.Errorf("answers differ: %s %v, %s %v", free.body, free.header, taken.body, taken.header)
	}
	if got := w.mails(notice.RegistrationAlert); len(got) != 1 || got[0].To.Typed() != "ada@example.com" {
		t.Errorf("alerts %+v", got)
	}
	if got := w.mails(notice.EmailVerification); len(got) != 1 {
		t.Errorf("%d verification mails", len(got))
	}
	w.ok(registerAs("eve@example.com").but(to("/api/auth/register?send-email=false")))
	if got := w.mails(notice.EmailVerification); len(got) != 1 {
		t.Errorf("%d verification mails with send-email=false", len(got))
	}
}

func names(h http.Header) (all []string) {
	for name := range h {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestANewVerificationLinkVoidsTheOldOne(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	old := w.link()
	w.clock.advance(time.Minute)
	golden(t, w.ok(req("POST /api/auth/email/verification/send?locale=FR", "", bearer(a.access))), `{"cooldown":60}`)
	if got := w.mails(notice.EmailVerification); got[len(got)-1].Locale != "fr" {
		t.Errorf("mail in %s", got[len(got)-1].Locale)
	}
	w.want(401, "EMAIL_VERIFICATION_TOKEN_INVALID", req("POST /api/auth/email/verification", `{"token":"`+old+`"}`))
	if a := w.want(400, "INVALID_REQUEST", req("POST /api/auth/email/verification", "")); !slices.Equal(a.rules(), []string{"token:required"}) {
		t.Errorf("rules %v", a.rules())
	}
	w.want(405, "METHOD_NOT_ALLOWED", req("GET /api/auth/email/verification?token="+w.link(), "")) // opening a link uses nothing up
	w.ok(req("POST /api/auth/email/verification?token="+w.link(), ""))
}

func TestAFailedCallToTheCachesLeavesWhatIsStored(t *testing.T) {
	w := newWorld(t)
	a, b := w.member("ada@example.com"), w.signIn("ada@example.com", goodPassword)
	w.faults.plan("propagate", errStorage)
	cleared(t, w.want(500, "POST_COMMIT_SIDE_EFFECT_FAILURE", req("DELETE /api/users/me/sessions/"+a.session, "", bearer(a.access))), "")
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(a.access)))
	cleared(t, w.want(500, "POST_COMMIT_SIDE_EFFECT_FAILURE", req("DELETE /api/users/me/sessions", "", bearer(b.access))), "")
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(b.access)))
}

func TestAFailedWriteKeepsTheCookies(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	w.faults.plan("commit", broken("DATABASE_FAILURE"))
	for _, path := range []string{"/api/users/me/sessions", "/api/users/me/sessions/" + a.session} {
		if got := w.want(500, "DATABASE_FAILURE", req("DELETE "+path, "", bearer(a.access))); len(got.cookies()) != 0 {
			t.Errorf("%s touches cookies", path)
		}
	}
	w.ok(req("GET /api/users/me", "", bearer(a.access)))
}

func TestServiceDocuments(t *testing.T) {
	w := newWorld(t)
	keys := w.ok(req("GET /.well-known/jwks.json", ""))
	pub := w.tokens.PublicKeys()[0]
	want := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","x":%q,"y":%q,"kid":"key-1","use":"sig","alg":"ES256"}]}`, pub.X, pub.Y)
	if kind := keys.header.Get("Content-Type"); kind != "application/jwk-set+json" {
		t.Errorf("content type %q", kind)
	}
	var got, expected any
	_, _ = json.Unmarshal(keys.body, &got), json.Unmarshal([]byte(want), &expected)
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Error(diff)
	}
	golden(t, w.ok(req("GET /livez", "")), `{"status":"live"}`)
	other := newWorld(t, with(func(d *adapter.Deps) {
		d.PublicKeys = inbound.Func[inbound.PublicKeys, inbound.PublicKeySet](func(context.Context, inbound.PublicKeys) (inbound.PublicKeySet, error) {
			return inbound.PublicKeySet{{ID: "k", Type: "OKP", Curve: "Ed25519", X: "x", Algorithm: "EdDSA"}}, nil
		})
	}))
	if got := strings.TrimSpace(string(other.ok(req("GET /.well-known/jwks.json", "")).body)); got != `{"keys":[{"alg":"EdDSA","crv":"Ed25519","kid":"k","kty":"OKP","use":"sig","x":"x"}]}` {
		t.Errorf("keys %s", got)
	}
	doc := w.ok(req("GET /api/openapi", ""))
	if doc.text("openapi") != "3.0.3" || strings.Contains(string(doc.body), "x-go-") {
		t.Errorf("document %.200s", doc.body)
	}
}

func TestAdminsAndGroupsAreShown(t *testing.T) {
	w := newWorld(t)
	w.groups("a", "b")
	a := w.put(principal.Snapshot{Hash: hashOf(goodPassword), Admin: true, Groups: []string{"b", "a"}, Identities: []principal.Identity{{Provider: "google"}, {Provider: "github"}}})
	me := w.ok(req("GET /api/users/me", "", bearer(a.access)))
	for _, part := range []string{`"roles":["USER","ADMIN"]`, `"groups":["a","b"]`, `"identityProviders":["github","google","password"]`} {
		if !strings.Contains(string(me.body), part) {
			t.Errorf("%s is not in %s", part, me.body)
		}
	}
	c, err := w.tokens.Verify(secret.New(a.access), token.Access, w.clock.now())
	if err != nil || !slices.Equal(c.Roles, []string{"USER", "ADMIN"}) || c.ACR != "aal1" {
		t.Errorf("claims %+v, %v", c, err)
	}
}
