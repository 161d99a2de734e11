package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A person is told everything that is stored about them, what is over included,
// and neither a secret nor anything of anybody else (X1).
func TestAPersonIsToldEverything(t *testing.T) {
	w := newWorld(t)
	w.member("eve@example.com")
	a := w.proven(w.member("Ada@Example.com"))
	verify := w.link()
	w.groups("staff")
	w.rewrite(a.id, func(p *principal.Principal) { p.Join("staff") })
	a = w.renewed(a)
	over := w.signIn("ada@example.com", goodPassword, set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"))
	w.ok(req("POST /api/auth/logout", "", bearer(over.access)))
	w.ok(forgot(a.email))
	reset := w.linkOf(notice.PasswordReset)
	profile := w.ok(req("GET /api/users/me", "", bearer(a.access)))
	w.remember(a)
	w.clock.advance(time.Minute)

	got := w.ok(exporting(a))
	const then, day = `"2026-07-27T10:15:30.123456Z"`, `"2026-07-28T10:15:30.123456Z"`
	session := func(of account, current, browser, os, ended, why string) string {
		return `{"amr":["pwd"],"browser":` + browser + `,"createdAt":` + then + `,"current":` + current + `,"endReason":` + why + `,"endedAt":` + ended +
			`,"expiresAt":"2026-10-25T10:15:30.123456Z","id":"` + of.session + `","ipAddress":"127.0.0.1","lastActive":` + then +
			`,"lastsUntil":"2027-01-23T10:15:30.123456Z","location":null,"os":` + os + `}`
	}
	item := func(kind, address, expires string) string {
		return `{"address":` + address + `,"createdAt":` + then + `,"expiresAt":` + expires + `,"kind":"` + kind + `","purpose":null,"sessionId":null,"usedAt":null,"voidedAt":null}`
	}
	mail := func(kind, expires string) string {
		return `{"createdAt":` + then + `,"expiresAt":` + expires + `,"kind":"` + kind + `","locale":"en","settledAt":null,"state":"waiting"}`
	}
	list := func(all ...string) string { return "[" + strings.Join(all, ",") + "]" }
	for member, want := range map[string]string{
		"version": "1", "recoveryCodes": "0", "createdAt": `"2026-07-27T10:16:30.123456Z"`, "profile": asJSON(t, profile.json),
		"passkeys": list(`{"backedUp":true,"createdAt":` + then + `,"id":"k1","lastUsedAt":null,"name":"Phone","transports":["internal"]}`),
		"events": list(
			`{"at":`+then+`,"command":"SignIn","network":"192.0.2.0/24","outcome":"INVALID_CREDENTIALS","own":true,"requestId":"r1","sessionId":"s1","thing":null}`,
			`{"at":`+then+`,"command":"AddMember","network":null,"outcome":null,"own":false,"requestId":null,"sessionId":null,"thing":"staff"}`),
		"identities":   `[{"provider":"password","subject":null}]`,
		"devices":      list(`{"lastSeen":`+then+`}`, `{"lastSeen":`+then+`}`),
		"sessions":     list(session(a, "true", "null", "null", "null", "null"), session(over, "false", `"Firefox"`, `"Linux"`, then, `"signed_out"`)),
		"oneTimeItems": list(item("email_verification", `"Ada@Example.com"`, day), item("password_reset", "null", `"2026-07-27T10:45:30.123456Z"`)),
		"mails":        list(mail("email_verification", day), mail("login_alert", day), mail("password_reset", `"2026-07-27T10:45:30.123456Z"`)),
	} {
		if is := asJSON(t, got.json[member]); is != want {
			t.Errorf("%s is\n%s\nwant\n%s", member, is, want)
		}
	}
	if name := got.header.Get("Content-Disposition"); name != `attachment; filename="gatehouse-export-2026-07-27.json"` {
		t.Errorf("Content-Disposition %q", name)
	}
	for name, text := range map[string]string{
		"a link": verify, "the other link": reset, "the access token": a.access, "the refresh token": a.refresh, "the proof": a.stepUp,
		"the hash": hashOf(goodPassword).Encoded(), "somebody else": "eve@", "an admin": "an-admin",
	} {
		if strings.Contains(string(got.body), text) {
			t.Errorf("%s is in it", name)
		}
	}
}

// remember keeps what no endpoint of the harness does: a passkey, and entries of
// the trail.
func (w *world) remember(a account) {
	w.t.Helper()
	err := w.store.Within(w.t.Context(), func(ctx context.Context, s outbound.Stores) error {
		who, now := principal.ID(a.id), w.clock.now()
		_, err := s.Trail.Append(ctx,
			audit.Entry{ID: "1", At: now, Command: "SignIn", Principal: who, Session: "s1", Outcome: fault.InvalidCredentials, Origin: audit.Origin{Network: "192.0.2.0/24", Request: "r1"}},
			audit.Entry{ID: "2", At: now, Command: "AddMember", Principal: "an-admin", Session: "s2", Target: audit.Target{Principal: who, Thing: "staff"}},
			audit.Entry{ID: "3", At: now, Command: "SignIn", Principal: "an-admin"})
		return errors.Join(err, s.Passkeys.Add(ctx, passkey.Passkey{
			ID: "k1", Principal: who, Name: "Phone", CreatedAt: now,
			Key: passkey.Key{Credential: []byte("credential"), Public: []byte("key"), Transports: []string{"internal"}, BackedUp: true},
		}))
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestAGuestIsToldEverythingToo(t *testing.T) {
	w := newWorld(t)
	got := w.ok(exporting(w.provenGuest()))
	if asJSON(t, got.json["identities"]) != "[]" || asJSON(t, got.json["mails"]) != "[]" || !strings.Contains(asJSON(t, got.json["sessions"]), `"amr":["guest"]`) {
		t.Errorf("%s", got.body)
	}
}
