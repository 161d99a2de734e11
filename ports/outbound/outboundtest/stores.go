// Package outboundtest proves that adapters keep the promises of package
// outbound. Every adapter of a port runs the port's suite:
//
//	func TestStores(t *testing.T) {
//		outboundtest.Stores(t, func(*testing.T) outbound.UnitOfWork { return memory.New() })
//	}
//
// How an adapter does it (statements, seals, files) is tested where it lives.
package outboundtest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// at is an instant that no store may round, shift or strip: microseconds, and
// not in UTC.
var at = time.Date(2028, 2, 29, 23, 59, 59, 123456000, time.FixedZone("UTC+5", 5*3600))

// Start is the instant at which suites begin.
func Start() time.Time { return at }

// crowd is how many callers race where of any number one wins.
const crowd = 50

type storeCheck struct {
	name string
	run  func(*testing.T, outbound.UnitOfWork)
}

// Stores runs the suite. open returns an empty store, fresh for each check.
func Stores(t *testing.T, open func(*testing.T) outbound.UnitOfWork) {
	for _, c := range slices.Concat(
		workChecks, principalChecks, groupChecks, sessionChecks, oneTimeChecks, outboxChecks, counterChecks, keyChecks, rotationChecks,
		restoreChecks, erasureChecks, entryChecks, directoryChecks, passkeyChecks, trailChecks, factorChecks, fileChecks, dossierChecks,
	) {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

type (
	stores = outbound.Stores
	work   = outbound.UnitOfWork
)

func within(t *testing.T, w work, fn func(context.Context, stores) error) {
	t.Helper()
	if err := w.Within(t.Context(), fn); err != nil {
		t.Fatalf("Within = %v", err)
	}
}

func view(t *testing.T, w work, fn func(context.Context, stores) error) {
	t.Helper()
	if err := w.View(t.Context(), fn); err != nil {
		t.Fatalf("View = %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// race calls fn from n goroutines at once, each with its number.
func race(n int, fn func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}

// same compares deeply. Instants have to be in one zone.
func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// inUTC brings instants to one zone.
func inUTC(times ...*time.Time) {
	for _, i := range times {
		*i = i.UTC()
	}
}

func address(s string) email.Address {
	a, broken := email.Parse(s)
	if broken != nil {
		panic(fmt.Sprint(s, broken))
	}
	return a
}

// user is a user with nothing left out.
func user(id string) principal.Snapshot {
	return principal.Snapshot{
		ID: principal.ID(id), Kind: principal.User, Name: "Ådá " + id, Email: address("Ada." + id + "@Example.com"),
		EmailVerified: true, Hash: password.NewHash("$argon2id$v=19$m=1,t=1,p=1$" + id),
		Identities:  []principal.Identity{{Provider: "github", Subject: "1-" + id}, {Provider: "google", Subject: "2-" + id}},
		Factors:     factor.Set{TOTP: true, Email: true, Preferred: factor.Email},
		Avatar:      portrait(strings.ToLower(id)),
		CredVersion: 2, TokenGen: 3, CreatedAt: at, LastActive: at.Add(time.Minute), Version: 4,
	}
}

func guest(id string) principal.Snapshot {
	return principal.Snapshot{
		ID: principal.ID(id), Kind: principal.Guest, Name: "Guest " + id, CreatedAt: at, LastActive: at,
	}
}

func restore(s principal.Snapshot) *principal.Principal {
	p, err := principal.Restore(s)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", s.ID, err))
	}
	return p
}

func add(t *testing.T, w work, of ...principal.Snapshot) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error {
		for _, p := range of {
			if err := s.Principals.Add(ctx, restore(p)); err != nil {
				return err
			}
		}
		return nil
	})
}

// load returns the principal as stored.
func load(t *testing.T, w work, id principal.ID) principal.Snapshot {
	t.Helper()
	p, err := w.Single().Principals.ByID(t.Context(), id)
	must(t, err)
	return p.Snapshot()
}

func samePrincipal(t *testing.T, got, want principal.Snapshot) {
	t.Helper()
	inUTC(&got.CreatedAt, &got.LastActive, &want.CreatedAt, &want.LastActive)
	inUTC(&got.Avatar.CreatedAt, &got.Avatar.UpdatedAt, &want.Avatar.CreatedAt, &want.Avatar.UpdatedAt)
	if !got.Hash.Equal(want.Hash) {
		t.Errorf("password hash of %s differs", want.ID)
	}
	same(t, "principal", got, want)
}

// from is a client with nothing left out.
func from(ip string) client.Info {
	a, ok := client.ParseAddress(ip)
	if !ok {
		panic(ip)
	}
	return client.Info{
		Address: a, Device: client.Device{Browser: "Firefox", OS: "Linux"},
		Location: &client.Location{Latitude: new(48.8566), Longitude: new(0.0), City: "Paris", Country: "FR"},
	}
}

// signedIn is a session of a principal that is live at [at], with nothing left
// out.
func signedIn(id session.ID, of principal.ID) session.Session {
	return session.Session{
		ID: id, PrincipalID: of, RefreshID: "refresh-" + string(id),
		Proven: session.Proven{session.Password, "otp"}, Client: from("2001:db8::1"),
		StartedAt: at.Add(-time.Hour), LastActive: at.Add(-time.Minute),
		ExpiresAt: at.Add(time.Hour), Until: at.Add(2 * time.Hour),
	}
}

func addSessions(t *testing.T, w work, of ...session.Session) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error {
		for _, n := range of {
			if err := s.Sessions.Add(ctx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func sameSession(t *testing.T, got, want session.Session) {
	t.Helper()
	for _, s := range []*session.Session{&got, &want} {
		inUTC(&s.StartedAt, &s.LastActive, &s.ExpiresAt, &s.Until, &s.EndedAt)
	}
	same(t, "session", got, want)
}
