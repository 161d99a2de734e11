package outboundtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/domain/dossier"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/recovery"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

var dossierChecks = []storeCheck{
	{"ADossierHasEverything", aDossierHasEverything},
	{"ADossierIsOneSnapshot", aDossierIsOneSnapshot},
	{"ADossierOfNobodyIsEmpty", aDossierOfNobodyIsEmpty},
}

func dossierOf(t *testing.T, w work, of string) dossier.Dossier {
	t.Helper()
	d, err := w.Single().Dossiers.Of(t.Context(), restore(user(of)).ID())
	must(t, err)
	for i := range d.Sessions {
		s := &d.Sessions[i]
		inUTC(&s.StartedAt, &s.LastActive, &s.ExpiresAt, &s.Until, &s.EndedAt)
	}
	return d
}

// told is what a dossier tells of a session.
func told(s session.Session, ended time.Time, why session.EndReason) dossier.Session {
	d := dossier.Session{
		ID: s.ID, Proven: s.Proven, Client: s.Client, StartedAt: s.StartedAt, LastActive: s.LastActive,
		ExpiresAt: s.ExpiresAt, Until: s.Until, EndedAt: ended, Why: why,
	}
	inUTC(&d.StartedAt, &d.LastActive, &d.ExpiresAt, &d.Until, &d.EndedAt)
	return d
}

// What is over is told too, and nothing of anybody else.
func aDossierHasEverything(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	on, over, expired := signedIn("s2", "u1"), signedIn("s1", "u1"), signedIn("s3", "u1")
	expired.StartedAt, expired.ExpiresAt = at.Add(-48*time.Hour), at.Add(-24*time.Hour)
	addSessions(t, w, on, over, expired, signedIn("s4", "u2"))
	link, bare := item(1, "u1"), item(2, "u1")
	bare.Kind, bare.Purpose, bare.Session, bare.Address, bare.CreatedAt = onetime.PasswordReset, session.ForStepUp, "", email.Address{}, at.Add(-2*time.Minute)
	addItems(t, w, link, bare, item(3, "u2"))
	waiting, sent, dead := letter("n1", "u1"), letter("n2", "u1"), letter("n3", "u1")
	waiting.CreatedAt, dead.Kind = at, notice.PasswordReset
	addNotices(t, w, waiting, sent, dead, letter("n4", "u2"), letter("n5", ""))
	within(t, w, func(ctx context.Context, s stores) error {
		_, errEnd := s.Sessions.End(ctx, "u1", "s1", session.EndedByOwner, at)
		errVoid := s.OneTime.Void(ctx, "u1", onetime.PasswordReset, "", at)
		_, _, errOld := s.Devices.Mark(ctx, "u1", "old", at.Add(-time.Hour), at)
		_, _, errNew := s.Devices.Mark(ctx, "u1", "new", at, at)
		_, _, errOther := s.Devices.Mark(ctx, "u2", "new", at, at)
		_, errDrop := s.Outbox.Drop(ctx, []notice.Kind{notice.PasswordReset}, "switched off", at)
		return errors.Join(errEnd, errVoid, errOld, errNew, errOther, errDrop,
			s.Setups.Put(ctx, "u1", setup("a")), s.MailedCodes.Put(ctx, "u1", factor.MailedCode{CreatedAt: at, ExpiresAt: at.Add(time.Hour)}),
			s.RecoveryCodes.Replace(ctx, "u1", recovery.Set{password.NewHash("a"), password.NewHash("b")}), s.OneTime.Use(ctx, link.Kind, link.Hash, at))
	})
	for _, c := range claim(t, w, "me", at, 9) {
		if c.Notice.ID == "n2" {
			must(t, w.Single().Outbox.Settle(t.Context(), c, outbound.Outcome{At: at}))
		}
	}
	d := dossierOf(t, w, "u1")
	if d.RecoveryCodes != 2 {
		t.Errorf("%d recovery codes, want 2", d.RecoveryCodes)
	}
	same(t, "sessions", d.Sessions, []dossier.Session{told(over, at, session.EndedByOwner), told(on, time.Time{}, ""), told(expired, time.Time{}, "")})
	same(t, "devices", d.Devices, []dossier.Device{{LastSeen: at.UTC()}, {LastSeen: at.Add(-time.Hour).UTC()}})
	same(t, "items", d.Items, []dossier.Item{
		{Kind: dossier.MailedCode, CreatedAt: at.UTC(), ExpiresAt: at.Add(time.Hour).UTC()},
		{Kind: link.Kind, Address: link.Address, Session: "s1", CreatedAt: link.CreatedAt.UTC(), ExpiresAt: link.ExpiresAt.UTC(), UsedAt: at.UTC()},
		{Kind: dossier.PendingApp, CreatedAt: at.Add(-time.Minute).UTC(), ExpiresAt: at.Add(time.Minute).UTC()},
		{Kind: onetime.PasswordReset, Purpose: session.ForStepUp, CreatedAt: bare.CreatedAt.UTC(), ExpiresAt: bare.ExpiresAt.UTC(), VoidedAt: at.UTC()},
	})
	mail := func(n notice.Notice, state dossier.MailState, settled time.Time) dossier.Mail {
		return dossier.Mail{
			Kind: n.Kind, Locale: n.Locale, State: state, CreatedAt: n.CreatedAt.UTC(), ExpiresAt: n.ExpiresAt.UTC(), SettledAt: settled.UTC(),
		}
	}
	same(t, "mails", d.Mails, []dossier.Mail{
		mail(waiting, dossier.Waiting, time.Time{}), mail(sent, dossier.Sent, at), mail(dead, dossier.GivenUp, at),
	})
}

func aDossierIsOneSnapshot(t *testing.T, w work) {
	add(t, w, user("u1"))
	addSessions(t, w, signedIn("s1", "u1"))
	addItems(t, w, item(1, "u1"))
	view(t, w, func(ctx context.Context, s stores) error {
		if _, err := s.Principals.ByID(ctx, "u1"); err != nil {
			return err
		}
		must(t, w.Single().Principals.Delete(t.Context(), "u1"))
		d, err := s.Dossiers.Of(ctx, "u1")
		if len(d.Sessions) != 1 || len(d.Items) != 1 {
			t.Errorf("the dossier has %d sessions and %d items, want those of the beginning", len(d.Sessions), len(d.Items))
		}
		return err
	})
}

func aDossierOfNobodyIsEmpty(t *testing.T, w work) {
	if d := dossierOf(t, w, "u1"); len(d.Sessions)+len(d.Devices)+len(d.Items)+len(d.Mails) != 0 {
		t.Errorf("of nobody there is %+v", d)
	}
}
