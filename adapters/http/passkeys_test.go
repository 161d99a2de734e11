package http_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/webauthn/webauthntest"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// device is an authenticator whose browser shows a page of ours.
func (w *world) device() *webauthntest.Device {
	return webauthntest.New(w.deps.BaseURL.Hostname(), w.deps.BaseURL.String())
}

// byOwner says with whose tokens a request comes.
func byOwner(a account) change {
	return func(r *request) { bearer(a.access)(r); steppedUp(a.stepUp)(r) }
}

// question asks for options and returns them.
func (w *world) question(line string, as ...change) []byte {
	w.t.Helper()
	var body struct{ PublicKey json.RawMessage }
	if err := json.Unmarshal(w.ok(req(line, "", as...)).body, &body); err != nil {
		w.t.Fatal(err)
	}
	return body.PublicKey
}

// adding is the request that adds what a device has just made.
func (w *world) adding(a account, d *webauthntest.Device, name string) request {
	w.t.Helper()
	made := d.Create(w.question("POST /api/users/me/passkeys/options", byOwner(a)))
	return req("POST /api/users/me/passkeys", `{"name":`+quoted(name)+`,"credential":`+string(made)+`}`, byOwner(a))
}

// withPasskey is a proven member who has one, and its id.
func (w *world) withPasskey(d *webauthntest.Device) (account, string) {
	w.t.Helper()
	a := w.proven(w.member("ada@example.com"))
	return a, w.ok(w.adding(a, d, "Phone")).text("id")
}

func (w *world) names(a account) string {
	w.t.Helper()
	return namesOf(w.t, w.ok(req("GET /api/users/me/passkeys", "", bearer(a.access))))
}

func namesOf(t testing.TB, a answer) string {
	t.Helper()
	var list []struct{ Name string }
	if err := json.Unmarshal(a.body, &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// guestAt is a request of a guest, who has no passkeys.
func guestAt(line, body string) row {
	return func(w *world) answer {
		in := w.guest()
		in.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(in.access))).text("stepUpToken")
		return w.send(req(line, body, byOwner(in)))
	}
}

func passkeySubjects() map[string]subject {
	one := func(line, body string) func(*world) request {
		return func(w *world) request {
			a, id := w.withPasskey(w.device())
			return req(strings.Replace(line, "{id}", id, 1), body, byOwner(a))
		}
	}
	all := map[string]subject{
		"Y1": {
			fine: func(w *world) request {
				return req("POST /api/users/me/passkeys/options", "", byOwner(w.proven(w.member("ada@example.com"))))
			}, op: "principals.byID",
		},
		"Y2": {
			fine: func(w *world) request {
				return w.adding(w.proven(w.member("ada@example.com")), w.device(), "Phone")
			}, op: "passkeys.add",
		},
		"Y3": {fine: one("GET /api/users/me/passkeys", ""), op: "passkeys.of"},
		"Y4": {fine: one("PUT /api/users/me/passkeys/{id}", `{"name":"Old phone"}`), op: "passkeys.of"},
		"Y5": {fine: one("DELETE /api/users/me/passkeys/{id}", ""), op: "passkeys.of"},
		"Y6": {fine: anyone("POST /api/auth/passkeys/login/options", ""), op: "onetime.add"},
		"Y7": {fine: func(w *world) request { return w.entering(w.owned()) }, op: "passkeys.byCredential"},
		"Y8": {
			fine: func(w *world) request {
				w.owned()
				return req("POST /api/auth/passkeys/2fa/options", "", challengedBy(w.challenge()))
			}, op: "passkeys.of",
		},
		"Y9":  {fine: func(w *world) request { return w.completing(w.owned(), w.challenge()) }, op: "passkeys.byCredential"},
		"Y10": {fine: func(w *world) request { return w.completingStepUp(w.ownedBy()) }, op: "passkeys.byCredential"},
		"Y11": {
			fine: func(w *world) request {
				a, _ := w.ownedBy()
				return req("POST /api/auth/passkeys/step-up/options", "", bearer(a.access))
			}, op: "passkeys.of",
		},
		"Y12": {fine: func(w *world) request { return w.steppingUp(w.ownedBy()) }, op: "passkeys.byCredential"},
	}
	add := func(id string, rows map[string]row) {
		s := all[id]
		s.rows = rows
		all[id] = s
	}
	full := func(w *world, a account) {
		for n := range passkey.Most {
			w.putPasskey(a, fmt.Sprint("k", n))
		}
	}
	add("Y1", map[string]row{
		"USER_NOT_FOUND": guestAt("POST /api/users/me/passkeys/options", ""),
		"PASSKEY_LIMIT_REACHED": func(w *world) answer {
			a := w.proven(w.member("ada@example.com"))
			full(w, a)
			return w.send(req("POST /api/users/me/passkeys/options", "", byOwner(a)))
		},
	})
	add("Y2", map[string]row{
		"USER_NOT_FOUND":            all["Y2"].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
		"PASSKEY_INVALID":           all["Y2"].but(body(`{"name":"Phone","credential":{"id":"x"}}`)),
		"PASSKEY_CHALLENGE_EXPIRED": all["Y2"].after(func(w *world) { w.clock.advance(passkey.Patience) }),
		"PASSKEY_LIMIT_REACHED": func(w *world) answer {
			a := w.proven(w.member("ada@example.com"))
			r := w.adding(a, w.device(), "Phone")
			full(w, a)
			return w.send(r)
		},
		"PASSKEY_ALREADY_REGISTERED": func(w *world) answer {
			d := w.device()
			w.withPasskey(d)
			return w.send(w.adding(w.proven(w.member("eve@example.com")), d, "Phone"))
		},
	})
	add("Y3", map[string]row{"USER_NOT_FOUND": guestAt("GET /api/users/me/passkeys", "")})
	unknown := "/api/users/me/passkeys/" + newID()
	add("Y4", map[string]row{
		"USER_NOT_FOUND":    guestAt("PUT "+unknown, `{"name":"Old phone"}`),
		"PASSKEY_NOT_FOUND": all["Y4"].but(to(unknown)),
	})
	add("Y5", map[string]row{
		"INVALID_REQUEST":   all["Y5"].but(to("/api/users/me/passkeys/phone")),
		"USER_NOT_FOUND":    guestAt("DELETE "+unknown, ""),
		"PASSKEY_NOT_FOUND": all["Y5"].but(to(unknown)),
		"CANNOT_DISABLE_ONLY_TWO_FACTOR_METHOD": func(w *world) answer {
			strict := newWorld(w.t, withMandatoryFactors())
			return strict.send(all["Y5"].fine(strict))
		},
	})
	for _, id := range []string{"Y7", "Y9", "Y10", "Y12"} {
		add(id, map[string]row{
			"PASSKEY_INVALID":           all[id].but(body(`{"credential":{"id":"x"}}`)),
			"PASSKEY_CHALLENGE_EXPIRED": all[id].after(func(w *world) { w.clock.advance(passkey.Patience) }),
			"PASSKEY_NOT_FOUND":         all[id].after(func(w *world) { w.forget() }),
			"PASSKEY_CLONED":            all[id].after(func(w *world) { w.countOn(100) }),
		})
	}
	also := func(id string, rows map[string]row) {
		if all[id].rows == nil {
			add(id, map[string]row{})
		}
		maps.Copy(all[id].rows, rows)
	}
	also("Y7", map[string]row{
		"USER_DISABLED": all["Y7"].after(func(w *world) {
			w.rewrite(w.fobOf().id, func(p *principal.Principal) { p.Disable() })
		}),
		"INVALID_PRINCIPAL_DOCUMENT": all["Y7"].fails("principals.byID", fault.InvalidPrincipalDocument),
	})
	for _, id := range []string{"Y8", "Y9", "Y10"} {
		also(id, map[string]row{
			"TWO_FACTOR_AUTHENTICATION_TOKEN_MISSING": all[id].but(del("X-Two-Factor-Authentication-Token")),
			"TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID": all[id].but(challengedBy("nonsense")),
			"TWO_FACTOR_AUTHENTICATION_TOKEN_EXPIRED": all[id].after(func(w *world) { w.clock.advance(10 * time.Minute) }),
		})
	}
	for _, id := range []string{"Y8", "Y9", "Y10", "Y11", "Y12"} {
		also(id, map[string]row{
			"USER_NOT_FOUND": all[id].after(func(w *world) { w.faults.plan("principals.byID", outbound.ErrNotFound) }),
		})
	}
	for _, id := range []string{"Y8", "Y11"} {
		also(id, map[string]row{"2FA_DISABLED": all[id].after(func(w *world) { w.forget() })})
	}
	for _, id := range []string{"Y9", "Y10"} {
		also(id, map[string]row{"2FA_DISABLED": all[id].after(func(w *world) {
			w.rewrite(w.fobOf().id, func(p *principal.Principal) { p.DisableFactor(factor.Passkey) })
		})})
	}
	also("Y12", map[string]row{
		"SESSION_EXPIRED": all["Y12"].after(func(w *world) { w.faults.planAfter("sessions.access", 1, outbound.ErrNotFound) }),
	})
	return all
}

const fobOwner = "ada@example.com"

// ownedBy is a device that holds a passkey of an account, and that account.
func (w *world) ownedBy() (account, *webauthntest.Device) {
	w.t.Helper()
	d := w.device()
	a, _ := w.withPasskey(d)
	return a, d
}

// owned is that device.
func (w *world) owned() *webauthntest.Device {
	w.t.Helper()
	_, d := w.ownedBy()
	return d
}

// fobOf is the owner of the passkey of [world.ownedBy].
func (w *world) fobOf() account {
	w.t.Helper()
	p, err := w.store.Single().Principals.ByEmail(w.t.Context(), fobOwner)
	if err != nil {
		w.t.Fatal(err)
	}
	return account{id: string(p.ID())}
}

func (w *world) fobs() []passkey.Passkey {
	w.t.Helper()
	all, err := w.store.Single().Passkeys.Of(w.t.Context(), principal.ID(w.fobOf().id))
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// forget removes passkeys behind the back of their owner.
func (w *world) forget() {
	w.t.Helper()
	for _, p := range w.fobs() {
		if err := w.store.Single().Passkeys.Delete(w.t.Context(), p.Principal, p.ID); err != nil {
			w.t.Fatal(err)
		}
	}
}

// countOn stores a use of passkeys that was not that of their device.
func (w *world) countOn(counter uint32) {
	w.t.Helper()
	for _, p := range w.fobs() {
		used := p.Used(passkey.Use{SignCount: counter}, w.clock.now())
		if err := w.store.Single().Passkeys.Use(w.t.Context(), used, p.SignCount); err != nil {
			w.t.Fatal(err)
		}
	}
}

func challengedBy(t string) change { return set("X-Two-Factor-Authentication-Token", t) }

// credentialOf is the body of an answer.
func credentialOf(answer []byte) string { return `{"credential":` + string(answer) + `}` }

// entering signs in by what a device answers.
func (w *world) entering(d *webauthntest.Device) request {
	w.t.Helper()
	return req("POST /api/auth/passkeys/login", credentialOf(d.Use(w.question("POST /api/auth/passkeys/login/options"))))
}

// challenge is the token of what a password leads to.
func (w *world) challenge() string {
	w.t.Helper()
	a := w.ok(loginOf(fobOwner, goodPassword))
	if a.json["twoFactorRequired"] != true || a.text("accessToken") != "" {
		w.t.Fatalf("a password is enough: %s", a.body)
	}
	return a.text("twoFactorAuthenticationToken")
}

// completing answers the challenge of a sign-in.
func (w *world) completing(d *webauthntest.Device, challenge string) request {
	w.t.Helper()
	question := w.question("POST /api/auth/passkeys/2fa/options", challengedBy(challenge))
	return req("POST /api/auth/passkeys/2fa/login", credentialOf(d.Use(question)), challengedBy(challenge))
}

// steppingUp proves the caller again.
func (w *world) steppingUp(a account, d *webauthntest.Device) request {
	w.t.Helper()
	question := w.question("POST /api/auth/passkeys/step-up/options", bearer(a.access))
	return req("POST /api/auth/passkeys/step-up", credentialOf(d.Use(question)), bearer(a.access))
}

// completingStepUp answers the challenge of a step-up.
func (w *world) completingStepUp(a account, d *webauthntest.Device) request {
	w.t.Helper()
	asked := w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access)))
	return w.steppingUp(a, d).but(to("/api/auth/passkeys/2fa/step-up"), challengedBy(asked.text("twoFactorAuthenticationToken")))
}

// putPasskey stores a passkey that no device has, and returns its id.
func (w *world) putPasskey(a account, id string) string {
	w.t.Helper()
	err := w.store.Single().Passkeys.Add(w.t.Context(), passkey.Passkey{
		ID: passkey.ID(id), Principal: principal.ID(a.id), Name: id, CreatedAt: w.clock.now(),
		Key: passkey.Key{Credential: []byte(id), Public: []byte("public")},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestPasskeysAreAddedListedRenamedAndDeleted(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	d.Copyable, d.Copied = true, true
	a := w.proven(w.member("ada@example.com"))
	if got := string(w.ok(req("GET /api/users/me/passkeys", "", bearer(a.access))).body); strings.TrimSpace(got) != "[]" {
		t.Errorf("nobody's list is %s", got)
	}
	added := w.ok(w.adding(a, d, "  Phone "))
	id := added.text("id")
	want := map[string]any{
		"id": id, "name": "Phone", "backupEligible": true, "backedUp": true, "lastUsed": nil, "transports": []any{},
		"createdAt": "2026-07-27T10:15:30.123456Z", "credentialId": added.text("credentialId"), "aaguid": added.text("aaguid"),
	}
	if got := fmt.Sprint(added.json); got != fmt.Sprint(want) || len(added.text("aaguid")) != 36 {
		t.Errorf("added\n%s\nwant\n%s", got, fmt.Sprint(want))
	}
	w.clock.advance(time.Second)
	w.ok(w.adding(a, w.device(), "Key"))
	if got := w.names(a); got != "Phone Key" {
		t.Errorf("list %q", got)
	}
	renamed := w.ok(req("PUT /api/users/me/passkeys/"+strings.ToUpper(id), `{"name":"Tablet"}`, byOwner(a)))
	if renamed.text("name") != "Tablet" || renamed.text("id") != id {
		t.Errorf("renamed %s", renamed.body)
	}
	if got := namesOf(t, w.ok(req("DELETE /api/users/me/passkeys/"+id, "", byOwner(a)))); got != "Key" {
		t.Errorf("after the deletion %q", got)
	}
	if got := w.names(a); got != "Key" {
		t.Errorf("list %q", got)
	}
}

func TestNamesOfPasskeysHaveTheRulesOfNames(t *testing.T) {
	w := newWorld(t)
	a, id := w.withPasskey(w.device())
	for name, rule := range map[string]string{"": "not_blank", strings.Repeat("x", 101): "max_length", "a\u202eb": "control_characters"} {
		adds := w.adding(a, w.device(), name)
		renames := req("PUT /api/users/me/passkeys/"+id, `{"name":`+quoted(name)+`}`, byOwner(a))
		for _, r := range []request{adds, renames} {
			if got := w.want(400, "INVALID_REQUEST", r).rules(); !slices.Equal(got, []string{"name:" + rule}) {
				t.Errorf("%s %q: %q", r.method, name, got)
			}
		}
	}
}

func TestNobodyManagesAnothersPasskeys(t *testing.T) {
	w := newWorld(t)
	a, id := w.withPasskey(w.device())
	eve := w.proven(w.member("eve@example.com"))
	w.want(404, "PASSKEY_NOT_FOUND", req("PUT /api/users/me/passkeys/"+id, `{"name":"Mine"}`, byOwner(eve)))
	w.want(404, "PASSKEY_NOT_FOUND", req("DELETE /api/users/me/passkeys/"+id, "", byOwner(eve)))
	if w.names(a) != "Phone" || w.names(eve) != "" {
		t.Errorf("lists %q and %q", w.names(a), w.names(eve))
	}
}

// A challenge is answered once, by whom and for what it was asked (F81, F82, F97).
func TestARegistrationIsOfOneChallengeOneSessionAndOnePerson(t *testing.T) {
	for name, spoil := range map[string]func(w *world, a account, r request) request{
		"answered before": func(w *world, _ account, r request) request {
			w.ok(r)
			return r
		},
		"of another person": func(w *world, _ account, r request) request {
			return r.but(byOwner(w.proven(w.member("eve@example.com"))))
		},
		"of another session": func(w *world, a account, r request) request {
			return r.but(byOwner(w.proven(w.signIn(a.email, goodPassword))))
		},
		"that nobody asked": func(w *world, a account, r request) request {
			d := w.device()
			question := w.question("POST /api/users/me/passkeys/options", byOwner(a))
			var o map[string]any
			if err := json.Unmarshal(question, &o); err != nil {
				w.t.Fatal(err)
			}
			o["challenge"] = newSecret().Reveal()
			own, _ := json.Marshal(o)
			return r.but(body(`{"name":"Phone","credential":` + string(d.Create(own)) + `}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.proven(w.member("ada@example.com"))
			w.want(401, "PASSKEY_CHALLENGE_EXPIRED", spoil(w, a, w.adding(a, w.device(), "Phone")))
		})
	}
}

func TestAnAnswerAddsOnePasskeyHoweverOftenItIsSentAtOnce(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	r := w.adding(a, w.device(), "Phone")
	codes := make([]string, 20)
	var all sync.WaitGroup
	for i := range codes {
		all.Go(func() { codes[i] = w.send(r).code() })
	}
	all.Wait()
	done := 0
	for _, c := range codes {
		if c == "" {
			done++
		} else if c != "PASSKEY_CHALLENGE_EXPIRED" {
			t.Errorf("answered with %s", c)
		}
	}
	if done != 1 || w.names(a) != "Phone" {
		t.Errorf("%d were added, list %q", done, w.names(a))
	}
}

// A challenge outlives what it could not achieve: nothing of a failed change is
// stored.
func TestAFailedAdditionLeavesNothing(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	b := w.signIn(a.email, goodPassword)
	r := w.adding(a, w.device(), "Phone")
	w.faults.plan("commit", errors.Join(fault.New(fault.DatabaseFailure)))
	w.want(500, "DATABASE_FAILURE", r)
	w.faults.clear()
	if w.names(b) != "" || len(w.mails(notice.TwoFactorAdded)) != 0 {
		t.Errorf("list %q, %d mails", w.names(b), len(w.mails(notice.TwoFactorAdded)))
	}
	w.ok(r)
}

// What a page of another origin, or a device nobody has unlocked, says is not
// believed (F97); package webauthn has the other cases.
func TestForeignAnswersAddNothing(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	for name, spoil := range map[string]func(*webauthntest.Device){
		"foreign origin":        func(d *webauthntest.Device) { d.Origin = "https://evil.example" },
		"foreign relying party": func(d *webauthntest.Device) { d.RelyingParty = "evil.example" },
		"not unlocked":          func(d *webauthntest.Device) { d.Unverified = true },
	} {
		d := w.device()
		spoil(d)
		if got := w.want(401, "PASSKEY_INVALID", w.adding(a, d, "Phone")); strings.Contains(string(got.body), "evil") {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if got := w.names(a); got != "" {
		t.Errorf("list %q", got)
	}
}

func TestAddingAndDeletingAPasskeyEndsOtherSessionsAndIsTold(t *testing.T) {
	w := newWorld(t)
	a := w.proven(w.member("ada@example.com"))
	b := w.signIn(a.email, goodPassword)
	r := w.adding(a, w.device(), "Phone")
	w.ok(req("GET /api/users/me", "", bearer(b.access)))
	added := w.ok(r.but(to("/api/users/me/passkeys?locale=de")))
	w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(b.access)))
	w.want(401, "REFRESH_TOKEN_INVALID", req("POST /api/auth/refresh", "", bearer(b.refresh)))
	w.ok(req("DELETE /api/users/me/passkeys/"+added.text("id"), "", byOwner(a)))
	for kind, locale := range map[notice.Kind]string{notice.TwoFactorAdded: "de", notice.TwoFactorRemoved: "en"} {
		mails := w.mails(kind)
		if len(mails) != 1 || mails[0].Factor != notice.Passkey || mails[0].Locale != locale || mails[0].To.Typed() != a.email {
			t.Errorf("%s: %+v", kind, mails)
		}
	}
}

func TestNobodyIsToldWithoutMail(t *testing.T) {
	w := newWorld(t, withoutMail())
	a, id := w.withPasskey(w.device())
	w.ok(req("DELETE /api/users/me/passkeys/"+id, "", byOwner(a)))
	if n := len(w.mails(notice.TwoFactorAdded)) + len(w.mails(notice.TwoFactorRemoved)); n != 0 {
		t.Errorf("%d mails", n)
	}
}

func TestDevicesThatHoldAPasskeyAreNotAskedForASecondOne(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	a, _ := w.withPasskey(d)
	if !d.Holds(w.question("POST /api/users/me/passkeys/options", byOwner(a))) {
		t.Error("the device may make a second passkey")
	}
	eve := w.proven(w.member("eve@example.com"))
	if d.Holds(w.question("POST /api/users/me/passkeys/options", byOwner(eve))) {
		t.Error("another person is told which passkeys there are")
	}
}

// --- coming in ---

// claims are those of a token of an answer.
func (w *world) claims(k token.Kind, text string) token.Claims {
	w.t.Helper()
	c, err := w.tokens.Verify(secret.New(text), k, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestAPasskeySignsInByItself(t *testing.T) {
	w := newWorld(t)
	a, d := w.ownedBy()
	w.clock.advance(time.Minute)
	in := w.ok(w.entering(d).but(set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")))
	c := w.claims(token.Access, in.text("accessToken"))
	if string(c.Subject) != a.id || string(c.Session) == a.session || c.ACR != "aal2" || !slices.Equal(c.AMR, []string{"passkey", "mfa"}) ||
		!c.AuthTime.Equal(w.clock.now().Truncate(time.Second)) {
		t.Errorf("claims %+v", c)
	}
	user, _ := in.json["user"].(map[string]any)
	if in.json["twoFactorRequired"] != false || fmt.Sprintf("%v %v", user["twoFactorMethods"], user["preferredTwoFactorMethod"]) != "[passkey] passkey" {
		t.Errorf("answer %s", in.body)
	}
	if in.cookies()["access_token"] == nil || in.cookies()["refresh_token"] == nil {
		t.Errorf("cookies %v", in.cookies())
	}
	if n := len(w.mails(notice.LoginAlert)); n != 1 {
		t.Errorf("%d mails about an unseen device", n)
	}
	if p := w.fobs()[0]; p.SignCount != 1 || !p.LastUsed.Equal(w.clock.now()) {
		t.Errorf("stored %+v", p)
	}
	w.ok(req("GET /api/users/me", "", bearer(in.text("accessToken"))))
}

// Nobody comes in by a password alone who has a passkey (F77).
func TestAPasskeyIsAskedForBesidesAPassword(t *testing.T) {
	w := newWorld(t)
	d := w.owned()
	asked := w.ok(loginOf(fobOwner, goodPassword))
	if fmt.Sprintf("%v %v", asked.json["twoFactorMethods"], asked.json["preferredTwoFactorMethod"]) != "[passkey] passkey" || asked.cookies()["access_token"] != nil {
		t.Errorf("asked %s", asked.body)
	}
	in := w.ok(w.completing(d, asked.text("twoFactorAuthenticationToken")))
	if c := w.claims(token.Access, in.text("accessToken")); c.ACR != "aal2" || !slices.Equal(c.AMR, []string{"pwd", "passkey", "mfa"}) {
		t.Errorf("claims %+v", c)
	}
	if gone := in.cookies()["two_factor_authentication_token"]; gone == nil || gone.MaxAge >= 0 {
		t.Errorf("the cookie of the challenge stays: %v", gone)
	}
}

func TestAPasskeyProvesTheCallerAgain(t *testing.T) {
	w := newWorld(t)
	a, d := w.ownedBy()
	for name, c := range map[string]struct {
		how func(account, *webauthntest.Device) request
		amr []string
	}{
		"alone":                  {w.steppingUp, []string{"passkey", "mfa"}},
		"besides their password": {w.completingStepUp, []string{"pwd", "passkey", "mfa"}},
	} {
		up := w.ok(c.how(a, d))
		if got := w.claims(token.StepUp, up.text("stepUpToken")); string(got.Session) != a.session || !slices.Equal(got.AMR, c.amr) {
			t.Errorf("%s: claims %+v", name, got)
		}
		if up.json["twoFactorRequired"] != false || up.cookies()["step_up_token"] == nil {
			t.Errorf("%s: %s", name, up.body)
		}
		w.ok(req("POST /api/users/me/passkeys/options", "", bearer(a.access), steppedUp(up.text("stepUpToken"))))
	}
}

// An answer is good once, at the one place it was asked for (F81, F82, F97).
func TestAnswersAreGoodOnceAndForOnePurpose(t *testing.T) {
	type answers map[string]func(w *world, a account, d *webauthntest.Device) []byte
	asked := answers{
		"sign-in": func(w *world, _ account, d *webauthntest.Device) []byte {
			return d.Use(w.question("POST /api/auth/passkeys/login/options"))
		},
		"second factor": func(w *world, _ account, d *webauthntest.Device) []byte {
			return d.Use(w.question("POST /api/auth/passkeys/2fa/options", challengedBy(w.challenge())))
		},
		"step-up": func(w *world, a account, d *webauthntest.Device) []byte {
			return d.Use(w.question("POST /api/auth/passkeys/step-up/options", bearer(a.access)))
		},
		"step-up of another session": func(w *world, _ account, d *webauthntest.Device) []byte {
			in := w.ok(w.entering(d))
			return d.Use(w.question("POST /api/auth/passkeys/step-up/options", bearer(in.text("accessToken"))))
		},
		"registration": func(w *world, a account, d *webauthntest.Device) []byte {
			question := w.question("POST /api/users/me/passkeys/options", byOwner(a))
			return d.Use(question)
		},
	}
	for place, c := range map[string]struct {
		right string
		fine  func(w *world, a account, d *webauthntest.Device) request
	}{
		"sign-in":       {"sign-in", func(w *world, _ account, d *webauthntest.Device) request { return w.entering(d) }},
		"second factor": {"", func(w *world, _ account, d *webauthntest.Device) request { return w.completing(d, w.challenge()) }},
		"step-up":       {"step-up", func(w *world, a account, d *webauthntest.Device) request { return w.steppingUp(a, d) }},
		"step-up challenge": {"step-up", func(w *world, a account, d *webauthntest.Device) request {
			return w.completingStepUp(a, d)
		}},
	} {
		for purpose, ask := range asked {
			if purpose == c.right {
				continue
			}
			t.Run(place+"/"+purpose, func(t *testing.T) {
				w := newWorld(t, unlimited)
				a, d := w.ownedBy()
				fine := c.fine(w, a, d)
				w.want(401, "PASSKEY_CHALLENGE_EXPIRED", fine.but(body(credentialOf(ask(w, a, d)))))
			})
		}
		t.Run(place+"/twice", func(t *testing.T) {
			w := newWorld(t, unlimited)
			a, d := w.ownedBy()
			fine := c.fine(w, a, d)
			w.ok(fine)
			if strings.Contains(fine.path, "2fa") {
				w.want(401, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", fine)
			} else {
				w.want(401, "PASSKEY_CHALLENGE_EXPIRED", fine)
			}
		})
	}
}

func TestOneOfManyEqualAnswersSignsIn(t *testing.T) {
	w := newWorld(t, unlimited)
	d := w.owned()
	for _, r := range []request{w.entering(d), w.completing(d, w.challenge())} {
		codes := make([]string, 20)
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() { codes[i] = w.send(r).code() })
		}
		all.Wait()
		done := 0
		for _, c := range codes {
			switch c {
			case "":
				done++
			case "PASSKEY_CHALLENGE_EXPIRED", "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID":
			default:
				t.Errorf("%s: answered with %s", r.path, c)
			}
		}
		if done != 1 {
			t.Errorf("%s: %d sessions", r.path, done)
		}
	}
}

// A copy is found by its counter, refused, and stands in the record with whose
// it is (F97).
func TestCopiesOfAPasskeyAreRefused(t *testing.T) {
	w := newWorld(t)
	a, d := w.ownedBy()
	w.ok(w.entering(d))
	d.Stuck = true // the copy has not counted with us
	for _, r := range []request{w.entering(d), w.completing(d, w.challenge()), w.steppingUp(a, d)} {
		w.want(401, "PASSKEY_CLONED", r)
	}
	if p := w.fobs()[0]; p.SignCount != 1 {
		t.Errorf("the copy counted: %+v", p)
	}
	d.Stuck = false
	w.ok(w.entering(d)) // the other one goes on
}

func TestPasskeysThatDoNotCountComeInAgainAndAgain(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	d.Stuck, d.Copyable = true, true
	w.withPasskey(d)
	for range 3 {
		w.ok(w.entering(d))
	}
	d.Copied = true
	w.ok(w.entering(d))
	if p := w.fobs()[0]; !p.BackedUp || p.SignCount != 0 {
		t.Errorf("stored %+v", p)
	}
	d.Copyable, d.Copied = false, false
	w.want(401, "PASSKEY_INVALID", w.entering(d))
}

// What was decided between question and answer counts (F80).
func TestWhatHappenedBetweenQuestionAndAnswerCounts(t *testing.T) {
	disable := func(w *world, a account) { w.rewrite(a.id, func(p *principal.Principal) { p.Disable() }) }
	remove := func(w *world, a account) {
		w.ok(req("DELETE /api/users/me/passkeys/"+string(w.fobs()[0].ID), "", byOwner(a)))
	}
	for name, c := range map[string]struct {
		fine    func(w *world, a account, d *webauthntest.Device) request
		happens func(*world, account)
		code    string
	}{
		"sign-in, deleted passkey":       {func(w *world, _ account, d *webauthntest.Device) request { return w.entering(d) }, remove, "PASSKEY_NOT_FOUND"},
		"sign-in, disabled":              {func(w *world, _ account, d *webauthntest.Device) request { return w.entering(d) }, disable, "USER_DISABLED"},
		"second factor, deleted passkey": {func(w *world, _ account, d *webauthntest.Device) request { return w.completing(d, w.challenge()) }, remove, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID"},
		"second factor, disabled":        {func(w *world, _ account, d *webauthntest.Device) request { return w.completing(d, w.challenge()) }, disable, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID"},
		"step-up, deleted passkey":       {(*world).steppingUp, remove, "PASSKEY_NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, d := w.ownedBy()
			r := c.fine(w, a, d)
			c.happens(w, a)
			if got := w.send(r); got.code() != c.code {
				t.Errorf("%d %s, want %s", got.status, got.code(), c.code)
			}
		})
	}
}

func TestAnothersPasskeyAnswersNoChallenge(t *testing.T) {
	w := newWorld(t)
	a, d := w.ownedBy()
	eves := w.device()
	w.ok(w.adding(w.proven(w.member("eve@example.com")), eves, "Eve"))
	question := w.question("POST /api/auth/passkeys/step-up/options", bearer(a.access))
	eves.Handle = d.Handle
	w.want(404, "PASSKEY_NOT_FOUND", req("POST /api/auth/passkeys/step-up", credentialOf(eves.Use(question)), bearer(a.access)))
	w.want(401, "PASSKEY_INVALID", w.entering(eves)) // it says that it is ada's
}

// Besides a password, it may do that somebody is there; alone, never.
func TestAnUnlockedPasskeyIsNoSignInByItself(t *testing.T) {
	w := newWorld(t, withUnlockedPasskeys())
	d := w.device()
	d.Unverified = true
	a, _ := w.withPasskey(d)
	w.want(401, "PASSKEY_INVALID", w.entering(d))
	w.want(401, "PASSKEY_INVALID", w.steppingUp(a, d))
	in := w.ok(w.completing(d, w.challenge()))
	if c := w.claims(token.Access, in.text("accessToken")); c.ACR != "aal2" {
		t.Errorf("claims %+v", c)
	}
	w.ok(w.completingStepUp(a, d)) // or who has such a key alone could never change anything again
	question := w.question("POST /api/auth/passkeys/step-up/options", bearer(a.access))
	if !strings.Contains(string(question), `"userVerification":"preferred"`) {
		t.Errorf("what may be either proof asks for %s", question)
	}
	d.Unverified = false
	w.ok(w.entering(d))
}

// Who has said nothing of themselves is named by their passkey (Level 3 §7.2,
// step 6); who has a challenge is known already.
func TestAPasskeySaysWhoSignsIn(t *testing.T) {
	w := newWorld(t)
	d := w.device()
	a, _ := w.withPasskey(d)
	d.Handle = nil
	w.want(401, "PASSKEY_INVALID", w.entering(d))
	w.ok(w.steppingUp(a, d))
	w.ok(w.completing(d, w.challenge()))
}

// Strangers who guess passwords keep nobody from signing in by a passkey.
func TestAPasskeySignsInDuringTheDelayOfAnAccount(t *testing.T) {
	w := newWorld(t, unlimited)
	d := w.owned()
	for range 5 {
		w.want(401, "INVALID_CREDENTIALS", loginOf(fobOwner, "wrong"))
	}
	w.want(429, "TOO_MANY_ATTEMPTS", loginOf(fobOwner, goodPassword))
	w.ok(w.entering(d))
	w.ok(loginOf(fobOwner, goodPassword)) // the owner was there
}

func TestQuestionsTellNobodyWhichPasskeysThereAre(t *testing.T) {
	w := newWorld(t)
	w.owned()
	if got := string(w.question("POST /api/auth/passkeys/login/options")); strings.Contains(got, "allowCredentials") {
		t.Errorf("anybody is told %s", got)
	}
}

func TestNothingOfACeremonyIsReadableInTheLog(t *testing.T) {
	w := newWorld(t)
	d := w.owned()
	question := w.question("POST /api/auth/passkeys/login/options")
	var o struct{ Challenge string }
	if err := json.Unmarshal(question, &o); err != nil || o.Challenge == "" {
		t.Fatal(err)
	}
	d.Origin = "https://evil.example"
	w.want(401, "PASSKEY_INVALID", req("POST /api/auth/passkeys/login", credentialOf(d.Use(question))))
	if log := w.log.String(); strings.Contains(log, o.Challenge) || strings.Contains(log, "evil.example") {
		t.Errorf("the log quotes what was sent:\n%s", log)
	}
}

// Whatever ended the session did so to keep its holder from more.
func TestASessionThatEndedMeanwhileChangesNoPasskey(t *testing.T) {
	for _, id := range []string{"Y2", "Y5"} {
		w := newWorld(t)
		r := passkeySubjects()[id].fine(w)
		before := len(w.fobs())
		w.faults.planAfter("sessions.access", 1, outbound.ErrNotFound)
		w.want(401, "ACCESS_TOKEN_EXPIRED", r)
		if after := len(w.fobs()); after != before {
			t.Errorf("%s: %d passkeys, then %d", id, before, after)
		}
	}
}
