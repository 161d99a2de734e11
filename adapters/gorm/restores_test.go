package gorm

import (
	"context"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/ports/outbound"
)

// To end a million sessions takes longer than anything of a request may take.
func TestAPatientTransactionMayTakeLong(t *testing.T) {
	st := NewStore(migrated(t, pgtest.URL(t)), plainVault{})
	for name, tc := range map[string]struct {
		st                 *Store
		statement, waiting string
		least              time.Duration
	}{
		"patient": {st.Patient(), "0", "0", 2 * longest},
		"other":   {st, "5s", "2s", 0},
	} {
		check(t, tc.st.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
			for setting, want := range map[string]string{"statement_timeout": tc.statement, "lock_timeout": tc.waiting} {
				got, err := query[string](ctx, s.Restores.(restores).conn, "show", "SHOW "+setting)
				if err != nil || got[0] != want {
					t.Errorf("%s: %s is %s, %v, want %s", name, setting, got, err, want)
				}
			}
			if end, ok := ctx.Deadline(); !ok || time.Until(end) < tc.least {
				t.Errorf("%s: ends at %v", name, end)
			}
			return nil
		}))
	}
	check(t, NewStore(migrated(t, "sqlite://"+t.TempDir()+"/gatehouse.db"), plainVault{}).Patient().
		Within(t.Context(), func(context.Context, outbound.Stores) error { return nil }))
}
