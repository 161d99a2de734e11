package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	argon2adapter "gatehouse/adapters/argon2"
	gormadapter "gatehouse/adapters/gorm"
	api "gatehouse/adapters/http/api"
	"gatehouse/application/password/passwordtest"
	"gatehouse/ports/outbound"
)

// counted counts what is atomic by itself: transactions, and calls outside of
// any.
type counted struct {
	outbound.UnitOfWork

	transactions atomic.Int32
	alone        *passwordtest.Work
}

func newCounted(work outbound.UnitOfWork) *counted {
	return &counted{UnitOfWork: work, alone: &passwordtest.Work{UnitOfWork: work}}
}

func (u *counted) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	u.transactions.Add(1)
	return u.UnitOfWork.Within(ctx, fn)
}

func (u *counted) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	u.transactions.Add(1)
	return u.UnitOfWork.View(ctx, fn)
}

func (u *counted) Single() outbound.Stores { return u.alone.Single() }

func (u *counted) count() int { return int(u.transactions.Load()) + u.alone.Calls() }

// stack is the whole service but its background work, on a database that is
// watched.
type stack struct {
	t          *testing.T
	public     http.Handler
	units      *counted
	statements atomic.Int32
	onlooker   *sql.Conn
	cookies    map[string]*http.Cookie
}

func newStack(t *testing.T) *stack {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	cfg, err := loadConfig("", nil, []string{
		"GATEHOUSE_HTTP_ADDRESS=127.0.0.1:0", "GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:0", "GATEHOUSE_DATA_DIR=" + data,
		"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=64", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1",
	}, quiet)
	must(t, err)
	s := &stack{t: t, cookies: map[string]*http.Cookie{}}
	f, err := lay(t.Context(), cfg, quiet)
	must(t, err)
	must(t, f.db.Close())
	f.db, err = gormadapter.Open(t.Context(), gormadapter.Config{
		URL: cfg.databaseURL(), OnStatement: func(context.Context) { s.statements.Add(1) },
	})
	must(t, err)
	s.units = newCounted(gormadapter.NewStore(f.db, f.vault))
	f.work = gormadapter.NewStore(f.db, f.vault)
	f.journal = newJournal(f) // which works in the background
	f.work = s.units
	d, err := bind(t.Context(), cfg.config)
	must(t, err)
	service, err := build(t.Context(), f, d, later(func() (*argon2adapter.Hasher, error) { return newHasher(cfg) }))
	must(t, err)
	s.public = service.public
	pool, err := sql.Open("sqlite", filepath.Join(data, "gatehouse.db"))
	must(t, err)
	s.onlooker, err = pool.Conn(t.Context())
	must(t, err)
	t.Cleanup(func() {
		d.close()
		must(t, errors.Join(s.onlooker.Close(), pool.Close(), service.close(), f.Close()))
	})
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cost is what a request took of the database.
type cost struct {
	statements, units int
	wrote             bool // anything that was committed
}

func (s *stack) ask(method, path, body string) cost {
	s.t.Helper()
	statements, units, version := s.statements.Load(), s.units.count(), s.version()
	rec := s.request(method, path, body)
	if rec.Code != http.StatusOK {
		s.t.Fatalf("%s %s: %d: %s", method, path, rec.Code, rec.Body)
	}
	return cost{int(s.statements.Load() - statements), s.units.count() - units, s.version() != version}
}

// picture shows one for who is signed in, and returns the key of a rendition.
func (s *stack) picture() string {
	s.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "ada.png")
	must(s.t, err)
	must(s.t, png.Encode(part, image.NewGray(image.Rect(0, 0, 2, 2))))
	must(s.t, w.Close())
	rec := s.send("PUT", "/api/users/me/avatar", w.FormDataContentType(), form.String())
	var shown struct {
		Avatar struct {
			Renditions map[string]struct{ Key string }
		}
	}
	must(s.t, json.Unmarshal(rec.Body.Bytes(), &shown))
	if rec.Code != http.StatusOK {
		s.t.Fatalf("show a picture: %d: %s", rec.Code, rec.Body)
	}
	return shown.Avatar.Renditions["small"].Key
}

// version changes whenever another connection has committed a change
// (SQLite, PRAGMA data_version).
func (s *stack) version() (v int) {
	s.t.Helper()
	must(s.t, s.onlooker.QueryRowContext(s.t.Context(), "PRAGMA data_version").Scan(&v))
	return v
}

// What every request asks of the database, from the door to the disk.
func TestEveryRequestKeepsToItsBudget(t *testing.T) {
	s := newStack(t)
	for _, step := range []struct {
		method, path, body string
		units              int // at most
		statements         int // exactly, unless zero
		reads              bool
	}{
		{method: "POST", path: "/api/auth/register", body: credentialsOf("ada@example.com", `,"name":"Ada"`), units: 3},
		{method: "POST", path: "/api/auth/register", body: credentialsOf("ada@example.com", `,"name":"Ada"`), units: 3},
		{method: "POST", path: "/api/auth/login", body: credentialsOf("ada@example.com", ""), units: 3},
		{method: "GET", path: "/api/users/me", units: 1, statements: 1, reads: true},
		{method: "POST", path: "/api/auth/refresh", units: 2},
		{method: "GET", path: "/api/users/me", units: 1, statements: 1, reads: true},
	} {
		got := s.ask(step.method, step.path, step.body)
		if got.units > step.units || step.statements != 0 && got.statements != step.statements || got.wrote == step.reads {
			t.Errorf("%s %s took %+v, want at most %d units, %d statements if not 0, wrote %t",
				step.method, step.path, got, step.units, step.statements, !step.reads)
		}
	}
}

func TestWhatIsOnlyReadWritesNothing(t *testing.T) {
	s := newStack(t)
	doc, err := api.Load()
	must(t, err)
	s.ask("POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`))
	_, err = s.onlooker.ExecContext(t.Context(), "UPDATE principals SET admin = true")
	must(t, err)
	s.ask("POST", "/api/auth/login", credentialsOf("ada@example.com", ""))
	s.ask("POST", "/api/auth/step-up", credentialsOf("ada@example.com", ""))
	var ada string
	must(t, s.onlooker.QueryRowContext(t.Context(), "SELECT id FROM principals").Scan(&ada))
	s.ask("POST", "/api/groups", `{"key":"staff","translations":{"en":{"name":"Staff"}}}`)
	examples := map[string]string{ // of paths that take something
		"/api/auth/password/reset/cooldown": "/api/auth/password/reset/cooldown?email=ada@example.com",
		"/api/users/{id}":                   "/api/users/" + ada,
		"/api/groups/{key}":                 "/api/groups/staff",
		"/api/files/{key}":                  "/api/files/" + s.picture(),
	}
	for path, item := range doc.Paths.Map() {
		if item.Get == nil || item.Get.Extensions["x-get-only"] == true {
			continue
		}
		path = cmp.Or(examples[path], path)
		if got := s.ask("GET", path, ""); got.wrote || got.units > 2 {
			t.Errorf("GET %s took %+v", path, got)
		}
	}
}

// Whoever times answers, or counts what they cost, does not learn who has an
// account (faults F34).
func TestWhoForgotAPasswordCostsTheSameKnownOrNot(t *testing.T) {
	s := newStack(t)
	s.ask("POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`))
	var costs []cost
	for _, address := range []string{"ada@example.com", "eve@example.com"} {
		costs = append(costs, s.ask("POST", "/api/auth/password/reset-request", `{"email":"`+address+`"}`))
	}
	if costs[0] != costs[1] || costs[0].units != 1 || !costs[0].wrote {
		t.Errorf("known %+v, unknown %+v", costs[0], costs[1])
	}
}
