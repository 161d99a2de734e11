package gorm_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/gorm"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/ports/outbound"
)

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// raw gets at a database past its stores, as an intruder would.
func raw(t *testing.T, url string, fn func(ctx context.Context, db execer)) {
	t.Helper()
	driver, dsn := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite://"); ok {
		driver, dsn = "sqlite", file
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	fn(t.Context(), db)
	must(t, db.Close())
}

func openPrincipal(ctx context.Context, s outbound.Stores) error {
	_, err := s.Principals.ByID(ctx, "u1")
	return err
}

func openAccess(ctx context.Context, s outbound.Stores) error {
	a, err := s.Sessions.Access(ctx, "s1")
	if err != nil {
		return err
	}
	_, err = a.Open()
	return err
}

func openByEmail(ctx context.Context, s outbound.Stores) error {
	_, err := s.Principals.ByEmail(ctx, "ada.canary@example.com")
	return err
}

func openList(ctx context.Context, s outbound.Stores) error {
	_, err := s.Sessions.Of(ctx, "u1", now)
	return err
}

func openPair(ctx context.Context, s outbound.Stores) error {
	_, _, err := s.Sessions.Refreshable(ctx, "s1", "jti-0", now)
	return err
}

func openLink(ctx context.Context, s outbound.Stores) error {
	_, err := s.OneTime.Find(ctx, onetime.EmailVerification, link.Hash)
	return err
}

func openPasskey(ctx context.Context, s outbound.Stores) error {
	_, err := s.Passkeys.ByCredential(ctx, fob.Credential)
	return err
}

func openApp(ctx context.Context, s outbound.Stores) error {
	_, err := s.Apps.Of(ctx, "u1")
	return err
}

func openSetup(ctx context.Context, s outbound.Stores) error {
	_, err := s.Setups.Of(ctx, "u1")
	return err
}

func openNotice(ctx context.Context, s outbound.Stores) error {
	all, err := s.Outbox.Claim(ctx, "me", now, now, 1)
	if err != nil {
		return err
	}
	return all[0].Broken
}

func TestTamperingIsFoundOut(t *testing.T) {
	const sealed, invalid = fault.DatabaseEncryptionFailure, fault.InvalidPrincipalDocument
	for name, tc := range map[string]struct {
		sql  string
		read func(context.Context, outbound.Stores) error
		want fault.Code
	}{
		"address":            {"UPDATE principals SET email = $1", openPrincipal, sealed},
		"address, Access":    {"UPDATE principals SET email = $1", openAccess, sealed},
		"data key":           {"UPDATE principals SET data_key = $1", openPrincipal, sealed},
		"address of another": {"UPDATE principals SET email = (SELECT address FROM one_time)", openPrincipal, sealed},
		"no address":         {"UPDATE principals SET email = NULL", openPrincipal, invalid},
		"kind":               {"UPDATE principals SET kind = 'robot'", openPrincipal, invalid},
		"kind, Access":       {"UPDATE principals SET kind = 'guest'", openAccess, invalid},
		"name":               {"UPDATE principals SET name = ' '", openPrincipal, invalid},
		"no way in":          {"UPDATE principals SET password_hash = '', identities = '[]'", openPrincipal, invalid},
		"identities":         {"UPDATE principals SET identities = '{'", openPrincipal, invalid},
		"factors":            {"UPDATE principals SET factors = 'magic', preferred_factor = 'magic'", openPrincipal, invalid},
		"disordered factors": {"UPDATE principals SET factors = 'email totp', preferred_factor = 'totp'", openPrincipal, invalid},
		"preferred factor":   {"UPDATE principals SET preferred_factor = 'totp'", openAccess, invalid},
		"secret":             {"UPDATE totp_secrets SET secret = $1", openApp, sealed},
		"pending secret":     {"UPDATE totp_secrets SET secret = (SELECT payload FROM totp_setups)", openApp, sealed},
		"setup":              {"UPDATE totp_setups SET payload = $1", openSetup, sealed},
		"browser":            {"UPDATE sessions SET browser = $1", openList, sealed},
		"system for browser": {"UPDATE sessions SET browser = os", openList, sealed},
		"origin":             {"UPDATE sessions SET origin = $1", openList, sealed},
		"pair":               {"UPDATE refresh_grace SET pair = $1", openPair, sealed},
		"address of a link":  {"UPDATE one_time SET address = $1", openLink, sealed},
		"owner of a link":    {"UPDATE one_time SET principal_id = NULL", openLink, sealed},
		"name of a passkey":  {"UPDATE passkeys SET name = $1", openPasskey, sealed},
		"notice":             {"UPDATE outbox SET payload = $1 WHERE id = 'n1'", openNotice, sealed},
		"kind of a notice":   {"UPDATE outbox SET kind = 'login_alert' WHERE id = 'n1'", openNotice, sealed},
		"owner of a notice":  {"UPDATE outbox SET principal_id = NULL WHERE id = 'n1'", openNotice, sealed},
		"notice of nobody":   {"UPDATE outbox SET principal_id = 'u9' WHERE id = 'n1'", openNotice, sealed},
		"wiped notice":       {"UPDATE outbox SET payload = NULL WHERE id = 'n1'", openNotice, sealed},
	} {
		t.Run(name, func(t *testing.T) {
			url := sqliteURL(t)
			st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
			fill(t, st)
			must(t, tc.read(t.Context(), st.Single()))
			must(t, st.Single().Outbox.Release(t.Context(), "", now))
			raw(t, url, func(ctx context.Context, db execer) {
				args := []any{[]byte("\x01 not what was sealed, but about as long as it was")}
				if !strings.Contains(tc.sql, "$1") {
					args = nil
				}
				_, err := db.ExecContext(ctx, tc.sql, args...)
				must(t, err)
			})
			if err := tc.read(t.Context(), st.Single()); fault.CodeOf(err) != tc.want {
				t.Errorf("read = %v, want %s", err, tc.want)
			} else if strings.Contains(strings.ToLower(err.Error()), "canary") {
				t.Errorf("the error quotes what is personal: %v", err)
			}
		})
	}
}

// Access asks nothing of the vault, so that it works and fails by itself.
func TestAccessOpensNothingSealed(t *testing.T) {
	url := sqliteURL(t)
	st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
	fill(t, st)
	raw(t, url, func(ctx context.Context, db execer) {
		_, err := db.ExecContext(ctx, "UPDATE principals SET email = x'00', data_key = x'00'")
		must(t, err)
	})
	a, err := st.Single().Sessions.Access(t.Context(), "s1")
	if err != nil || a.Session.PrincipalID != "u1" {
		t.Errorf("Access = %+v, %v", a.Session, err)
	}
}

// An address in the index of another one would sign in the wrong person.
func TestAForeignIndexIsFoundOut(t *testing.T) {
	url := sqliteURL(t)
	v := newVault(t)
	st := gorm.NewStore(open(t, gorm.Config{URL: url}), v)
	fill(t, st)
	raw(t, url, func(ctx context.Context, db execer) {
		_, err := db.ExecContext(ctx, "UPDATE principals SET email_idx = $1", v.Index("email", "eve@example.com"))
		must(t, err)
	})
	_, err := st.Single().Principals.ByEmail(t.Context(), "eve@example.com")
	if fault.CodeOf(err) != fault.InvalidPrincipalDocument {
		t.Errorf("ByEmail = %v, want INVALID_PRINCIPAL_DOCUMENT", err)
	}
	if err := openByEmail(t.Context(), st.Single()); err == nil {
		t.Error("found by an address that is not in the index")
	}
}

// What no program of ours wrote is a failure, never a panic.
func TestGarbageInColumnsIsAFailure(t *testing.T) {
	for _, sql := range []string{
		"UPDATE principals SET created_at = 'yesterday'", "UPDATE sessions SET expires_at = ''",
		"UPDATE sessions SET amr = x'00ff'", "UPDATE principals SET version = 9223372036854775807",
		"UPDATE principals SET password_hash = 'x'", "UPDATE principals SET admin = 7", "UPDATE principals SET token_gen = -1",
	} {
		url := sqliteURL(t)
		st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
		fill(t, st)
		raw(t, url, func(ctx context.Context, db execer) { _, _ = db.ExecContext(ctx, sql) })
		for _, read := range []func(context.Context, outbound.Stores) error{openPrincipal, openAccess, openList, openPair} {
			if err := read(t.Context(), st.Single()); err != nil && fault.CodeOf(err) == fault.InternalError {
				t.Errorf("%s: %v, which is no fault", sql, err)
			}
		}
	}
}

// What a principal's key opened is lost with the principal.
func TestDeletingAPrincipalTakesItsRowsAndKeys(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
		fill(t, st)
		raw(t, url, func(ctx context.Context, db execer) {
			_, err := db.ExecContext(ctx, "PRAGMA foreign_keys = 1")
			if strings.HasPrefix(url, "sqlite") {
				must(t, err)
			}
			_, err = db.ExecContext(ctx, "DELETE FROM principals WHERE id = 'u1'")
			must(t, err)
			for _, table := range []string{"identities", "sessions", "one_time", "devices", "totp_secrets", "totp_setups", "recovery_codes", "mailed_codes"} {
				var left int
				must(t, db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&left))
				if left != 0 {
					t.Errorf("%d rows are left in %s", left, table)
				}
			}
		})
		if err := openPair(t.Context(), st.Single()); !errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("the pair of a session that went with its principal: %v", err)
		}
		all, err := st.Single().Outbox.Claim(t.Context(), "me", now, now.Add(time.Minute), 9)
		must(t, err)
		if len(all) != 2 || fault.CodeOf(all[0].Broken) != fault.DatabaseEncryptionFailure || all[1].Broken != nil {
			t.Errorf("claims after the end of the principal: %v", all)
		}
	})
}
