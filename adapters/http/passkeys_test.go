package http_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/webauthn/webauthntest"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// device is an authenticator whose browser shows a page of ours.
func (w *world) device() *webauthntest.Device {
	return webauthntest.New(w.deps.BaseURL.Hostname(), w.deps.BaseURL.String())
}

// by says with whose tokens a request comes.
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
	}
	add := func(id string, rows map[string]row) {
		s := all[id]
		s.rows = rows
		all[id] = s
	}
	full := func(w *world, a account) {
		for n := range passkey.Most {
			w.put1(a, fmt.Sprint("k", n))
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
	return all
}

// put1 stores a passkey that no device has.
func (w *world) put1(a account, id string) {
	w.t.Helper()
	err := w.store.Single().Passkeys.Add(w.t.Context(), passkey.Passkey{
		ID: passkey.ID(id), Principal: principal.ID(a.id), Name: id, CreatedAt: w.clock.now(),
		Key: passkey.Key{Credential: []byte(id), Public: []byte("public")},
	})
	if err != nil {
		w.t.Fatal(err)
	}
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
