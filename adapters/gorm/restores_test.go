package gorm

import (
	"context"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/ports/outbound"
)

// To end a million sessions takes longer than a statement may take otherwise.
func TestWhatFollowsARaisedEpochMayTakeLong(t *testing.T) {
	db, err := Open(t.Context(), Config{URL: pgtest.URL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	timeout := func(ctx context.Context, s outbound.Stores) string {
		rows, err := query[string](ctx, s.Restores.(restores).conn, "show", "SHOW statement_timeout")
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		return rows[0]
	}
	st := NewStore(db, plainVault{})
	err = st.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		if _, err := s.Restores.Raise(ctx, 1); err != nil {
			return err
		}
		if got := timeout(ctx, s); got != "0" {
			t.Errorf("statements may take %s, want no limit", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := timeout(t.Context(), st.Single()); got != "5s" {
		t.Errorf("afterwards statements may take %s, want 5s", got)
	}
}
