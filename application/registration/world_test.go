package registration_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	"gatehouse/application/password/passwordtest"
	app "gatehouse/application/registration"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

const good = "Tr4in-Station"

// world is a service at noon.
type world struct {
	store  outbound.UnitOfWork
	work   *passwordtest.Work
	hasher *passwordtest.Hasher
	caches *accounttest.Caches
	mail   app.Mail
	policy password.Policy
	now    time.Time
	ids    atomic.Int32
}

func newWorld() *world { return newWorldIn(memory.New()) }

func newWorldIn(store outbound.UnitOfWork) *world {
	w := &world{
		store: store, work: &passwordtest.Work{UnitOfWork: store}, hasher: &passwordtest.Hasher{}, caches: &accounttest.Caches{}, now: noon,
		mail: app.Mail{On: true, Alert: true, AlertMoved: true, Cooldown: time.Minute, InfoCooldown: time.Hour, VerificationTTL: 24 * time.Hour},
	}
	w.hasher.Busy = w.work.Inside
	return w
}

func (w *world) clock() time.Time       { return w.now }
func (w *world) newID() string          { return fmt.Sprintf("id-%04d", w.ids.Add(1)) }
func (w *world) newSecret() secret.Text { return secret.New(fmt.Sprintf("secret-%04d", w.ids.Add(1))) }

func (w *world) registrar() *app.Registrar { return app.NewRegistrar(w.registrarDeps()) }

func (w *world) verifier() *app.Verifier {
	return app.NewVerifier(app.VerifierDeps{Work: w.work, Mail: w.mail, Revocations: w.caches, Now: w.clock, NewID: w.newID})
}

func (w *world) changer() *app.EmailChanger {
	return app.NewEmailChanger(app.EmailChangerDeps{
		Work: w.work, Mail: w.mail, Revocations: w.caches, Now: w.clock, NewID: w.newID, NewSecret: w.newSecret,
	})
}

func (w *world) sender() *app.Sender {
	return app.NewSender(app.SenderDeps{
		Work: w.work, Mail: w.mail, Now: w.clock, NewID: w.newID, NewSecret: w.newSecret,
	})
}

// seen is what can be seen afterwards.
type seen struct {
	users    []principal.Snapshot
	sessions []session.ID // of ada, live
	mails    []notice.Notice
}

func (w *world) look(t *testing.T) (out seen) {
	t.Helper()
	users, err := w.store.Single().Principals.Users(t.Context(), "", 1000)
	check(t, err)
	for _, u := range users {
		out.users = append(out.users, u.Snapshot())
	}
	live, err := w.store.Single().Sessions.Of(t.Context(), "ada", w.now)
	check(t, err)
	for _, s := range live {
		out.sessions = append(out.sessions, s.ID)
	}
	out.mails = w.queued(t)
	return out
}

// queued lists the mails that wait, and leaves them waiting.
func (w *world) queued(t *testing.T) (mails []notice.Notice) {
	t.Helper()
	box := w.store.Single().Outbox
	claims, err := box.Claim(t.Context(), "test", w.now.Add(time.Hour), w.now.Add(2*time.Hour), 1000)
	check(t, err)
	check(t, box.Release(t.Context(), "test", w.now))
	for _, c := range claims {
		mails = append(mails, c.Notice)
	}
	return mails
}

func kinds(mails []notice.Notice) (out []notice.Kind) {
	for _, n := range mails {
		out = append(out, n.Kind)
	}
	slices.Sort(out)
	return out
}

// item finds the stored link of a token.
func (w *world) item(t *testing.T, token secret.Text) onetime.Item {
	t.Helper()
	i, err := w.store.Single().OneTime.Find(t.Context(), onetime.EmailVerification, onetime.HashOf(token))
	check(t, err)
	return i
}

// cooling reports whether a cooldown runs. It begins none.
func (w *world) cooling(t *testing.T, kind notice.Kind, normal string) bool {
	t.Helper()
	var left time.Duration
	check(t, w.store.View(t.Context(), func(ctx context.Context, s outbound.Stores) (err error) {
		left, err = s.Cooldowns.Start(ctx, kind, normal, w.now, time.Hour)
		return err
	}))
	return left > 0
}

func (w *world) add(t *testing.T, s principal.Snapshot) {
	t.Helper()
	p, err := principal.Restore(s)
	check(t, err)
	check(t, w.store.Single().Principals.Add(t.Context(), p))
	for _, id := range []string{"-phone", "-laptop"} {
		check(t, w.store.Single().Sessions.Add(t.Context(), session.Session{
			ID: session.ID(string(s.ID) + id), PrincipalID: s.ID, StartedAt: noon, LastActive: noon,
			ExpiresAt: noon.Add(100 * time.Hour), Until: noon.Add(100 * time.Hour),
		}))
	}
}

func (w *world) addItem(t *testing.T, i onetime.Item) {
	t.Helper()
	check(t, w.store.Single().OneTime.Add(t.Context(), i))
}

func ada() principal.Snapshot {
	return principal.Snapshot{
		ID: "ada", Kind: principal.User, Name: "Ada", Email: accounttest.Address("Ada@Example.com"), Hash: passwordtest.HashOf(good),
		CredVersion: 3, TokenGen: 2, CreatedAt: noon.Add(-time.Hour), LastActive: noon.Add(-time.Hour),
	}
}

func gus() principal.Snapshot {
	return principal.Snapshot{ID: "gus", Kind: principal.Guest, Name: "Gus", CreatedAt: noon, LastActive: noon}
}

func caller(id principal.ID) inbound.Context {
	from, _ := client.ParseAddress("192.0.2.77")
	return inbound.Context{
		Caller: session.Caller{PrincipalID: id, SessionID: session.ID(string(id) + "-phone")},
		From:   client.Info{Address: from, Device: client.Device{Browser: "Firefox", OS: "Linux"}}, Locale: "de",
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Fatalf("Do = %v, want code %q", err, want)
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func sameList[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
