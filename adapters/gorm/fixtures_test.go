package gorm_test

import (
	"context"
	"testing"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/avatar"
	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/passkey"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

var now = time.Date(2028, 2, 29, 23, 59, 59, 123456000, time.UTC)

// personal is every text that must not be readable in a database.
var personal = []string{
	"ada.canary@example.com", "Ada.Canary@Example.com", "203.0.113.77", "2001:db8:ca::1", "CanaryBrowser", "CanaryOS", "CanaryCity",
	"canary-access-token", "canary-refresh-token", "canary-mail-token", "canary-network", "canary device", "198.51.100.0/24",
	"CANARYSECRET", "CANARYPENDING", "Canary Phone", "canary-recovery", "424242",
}

func ada() principal.Snapshot {
	address, _ := email.Parse("Ada.Canary@Example.com")
	return principal.Snapshot{
		ID: "u1", Kind: principal.User, Name: "Readable Name", Email: address, Hash: password.NewHash("$argon2id$hash"),
		Identities: []principal.Identity{{Provider: "google", Subject: "1"}}, CreatedAt: now, LastActive: now,
	}
}

func address(t testing.TB, s string) email.Address {
	t.Helper()
	a, broken := email.Parse(s)
	if broken != nil {
		t.Fatal(s, broken)
	}
	return a
}

func restored(t testing.TB, s principal.Snapshot) *principal.Principal {
	t.Helper()
	p, err := principal.Restore(s)
	must(t, err)
	return p
}

func from(ip string) client.Info {
	a, _ := client.ParseAddress(ip)
	return client.Info{
		Address: a, Device: client.Device{Browser: "CanaryBrowser", OS: "CanaryOS"},
		Location: &client.Location{City: "CanaryCity"},
	}
}

func signIn(id session.ID) session.Session {
	return session.Session{
		ID: id, PrincipalID: "u1", RefreshID: "jti-0", Proven: session.Proven{session.Password}, Client: from("203.0.113.77"),
		StartedAt: now, LastActive: now, ExpiresAt: now.Add(time.Hour), Until: now.Add(time.Hour),
	}
}

func rotation(id session.ID) session.Rotation {
	return session.Rotation{
		SessionID: id, PrincipalID: "u1", Presented: "jti-0", Next: "jti-1", Client: from("2001:db8:ca::1"),
		At: now.Add(time.Second), ExpiresAt: now.Add(time.Hour), GraceUntil: now.Add(11 * time.Second),
		Pair: session.Pair{
			Access: secret.New("canary-access-token"), Refresh: secret.New("canary-refresh-token"),
			AccessExpires: now, RefreshExpires: now,
		},
	}
}

func mail(id string, of principal.ID) notice.Notice {
	return notice.Notice{
		ID: id, Kind: notice.EmailVerification, Principal: of, To: ada().Email, Name: "Readable Name", Locale: "en",
		CreatedAt: now, ExpiresAt: now.Add(time.Hour), Token: secret.New("canary-mail-token"), From: from("203.0.113.77"),
	}
}

var (
	guesser = throttle.Subject{Account: "ada.canary@example.com", Network: "canary-network"}
	link    = onetime.Item{
		Hash: onetime.Hash{1, 2, 3}, Kind: onetime.EmailVerification, Principal: "u1", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
)

// fob is a passkey, whose name is personal.
var fob = passkey.Passkey{
	ID: "k1", Principal: "u1", Name: "Canary Phone", CreatedAt: now,
	Key: passkey.Key{Credential: []byte("credential"), Public: []byte("public key")},
}

// asked is an entry of the trail.
func asked(id string, by principal.ID) audit.Entry {
	return audit.Entry{
		ID: id, At: now, Command: "GrantAdmin", Principal: by, Session: "s1", Target: audit.Target{Thing: "staff"},
		Outcome: fault.RoleRequired, Origin: audit.Origin{Network: "198.51.100.0/24", Request: "r1"},
	}
}

// arrival is a sign-in that owes an alert, once there is a device.
func arrival(p *principal.Principal) outbound.SignIn {
	n := mail("n3", p.ID())
	return outbound.SignIn{Judged: p, Session: signIn("s3"), Reset: &guesser, Device: "canary device 2", Since: now, Alert: &n}
}

// newcomer is a registration with a mail.
func newcomer(t testing.TB) outbound.Registration {
	t.Helper()
	s := ada()
	s.ID, s.Email, s.Identities = "u9", address(t, "Bob.Canary@example.com"), nil
	i := link
	i.Hash, i.Principal, i.Address = onetime.Hash{9}, "u9", s.Email
	m := mailing("n4", s)
	m.Link = &i
	return outbound.Registration{User: restored(t, s), Mail: m}
}

func collision(owner *principal.Principal) outbound.Collision {
	m := mailing("n5", owner.Snapshot())
	m.Kind = notice.RegistrationAlert
	return outbound.Collision{Owner: owner, Cooldown: &mailing("", owner.Snapshot()).Cooldown, Alert: m}
}

func mailing(id string, of principal.Snapshot) *outbound.Mailing {
	n := mail(id, of.ID)
	return &outbound.Mailing{
		Cooldown: outbound.Cooldown{Kind: n.Kind, Normal: of.Email.Normal(), Begin: now, Length: time.Minute}, Notice: n,
	}
}

// fill makes a store hold one of everything.
func fill(t testing.TB, w outbound.UnitOfWork) {
	t.Helper()
	item := link
	item.Address = ada().Email
	member := ada()
	member.Groups = []string{"staff"}
	err := w.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		must(t, s.Groups.Add(ctx, group.Restore("staff", group.Texts{"en": {Name: "Staff"}})))
		must(t, s.Principals.Add(ctx, restored(t, member)))
		must(t, s.Sessions.Add(ctx, signIn("s1")))
		must(t, s.OneTime.Add(ctx, item))
		must(t, s.Passkeys.Add(ctx, fob))
		must(t, s.Apps.Put(ctx, "u1", factor.App{Secret: secret.New("CANARYSECRET"), LastStep: 1}))
		must(t, s.Setups.Put(ctx, "u1", factor.Setup{
			ID: "setup", Secret: secret.New("CANARYPENDING"), RecoveryCodes: []recovery.Code{{Text: secret.New("canary-recovery")}},
			CreatedAt: now, ExpiresAt: now,
		}))
		must(t, s.RecoveryCodes.Replace(ctx, "u1", recovery.Set{password.NewHash("$argon2id$code")}))
		must(t, s.MailedCodes.Put(ctx, "u1", factor.MailedCode{Code: factor.Code{Text: secret.New("424242")}, CreatedAt: now, ExpiresAt: now}))
		must(t, s.Files.Stage(ctx, now.Add(time.Hour), avatar.File{Key: "f1", Type: avatar.PNG, Bytes: 9}, avatar.File{Key: "f2", Type: avatar.JPEG, Bytes: 8}))
		must(t, s.Files.Swap(ctx, "u1", now, "f1"))
		must(t, s.Outbox.Add(ctx, mail("n1", "u1")))
		must(t, s.Outbox.Add(ctx, mail("n2", "")))
		must(t, s.Attempts.Save(ctx, guesser, throttle.State{}.Count(now)))
		_, err := s.Cooldowns.Start(ctx, notice.EmailVerification, "ada.canary@example.com", now, time.Minute)
		must(t, err)
		_, _, err = s.Devices.Mark(ctx, "u1", "canary device", now, now)
		must(t, err)
		done, err := s.Sessions.Rotate(ctx, rotation("s1"))
		must(t, err)
		if !done {
			t.Error("Rotate = false")
		}
		_, err = s.Trail.Append(ctx, asked("e1", "u1"), asked("e2", ""))
		must(t, err)
		return nil
	})
	must(t, err)
}
