package gorm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/audit"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// broken is the position of the first entry that does not hold, 0 if all do.
func broken(t *testing.T, w outbound.UnitOfWork) int {
	t.Helper()
	trail := w.Single().Trail
	ends, err := trail.Ends(t.Context())
	if errors.Is(err, outbound.ErrForged) {
		return -1
	}
	must(t, err)
	c, err := trail.Check(t.Context(), ends.Anchor, 99)
	must(t, err)
	if c.Broken || c.Good != ends.Head {
		return c.Good.Position + 1
	}
	return 0
}

// unguard takes the triggers away, as who owns the database can.
func unguard(t *testing.T, url string) {
	t.Helper()
	raw(t, url, func(ctx context.Context, db execer) {
		queries := []string{"ALTER TABLE audit DISABLE TRIGGER USER", "ALTER TABLE audit_chain DISABLE TRIGGER USER"}
		if strings.HasPrefix(url, "sqlite") {
			queries = []string{
				"DROP TRIGGER audit_append_only", "DROP TRIGGER audit_not_emptied", "DROP TRIGGER audit_chain_grows", "DROP TRIGGER audit_chain_not_emptied",
				"DROP TRIGGER audit_not_replaced", "DROP TRIGGER audit_chain_not_replaced",
			}
		}
		for _, q := range queries {
			_, err := db.ExecContext(ctx, q)
			must(t, err)
		}
	})
}

var forgeries = map[string]struct {
	sql  string
	want int // -1: the ends are not ours
}{
	"nothing":            {"SELECT 1", 0},
	"another outcome":    {"UPDATE audit SET outcome = '' WHERE seq = 3", 3},
	"another who":        {"UPDATE audit SET principal_id = 'u2' WHERE seq = 1", 1},
	"another whom":       {"UPDATE audit SET target_id = 'u2' WHERE seq = 1", 1},
	"another network":    {"UPDATE audit SET network = NULL WHERE seq = 2", 2},
	"another id":         {"UPDATE audit SET id = 'x' WHERE seq = 5", 5},
	"another hash":       {"UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 1) WHERE seq = 2", 2},
	"gone":               {"DELETE FROM audit WHERE seq = 4", 4},
	"the first gone":     {"DELETE FROM audit WHERE seq = 1", 1},
	"the end gone":       {"DELETE FROM audit WHERE seq >= 4", 4},
	"all gone":           {"DELETE FROM audit", 1},
	"moved up":           {"UPDATE audit SET seq = 9 WHERE seq = 5", 5},
	"one more":           {"INSERT INTO audit SELECT 6, 'x', happened_at, command, principal_id, session_id, target_id, thing, outcome, request_id, network, hash FROM audit WHERE seq = 5", 6},
	"an earlier end":     {"UPDATE audit_chain SET head_seq = 4, head_hash = (SELECT hash FROM audit WHERE seq = 4)", -1},
	"a later beginning":  {"UPDATE audit_chain SET anchor_seq = 2, anchor_hash = (SELECT hash FROM audit WHERE seq = 2)", -1},
	"no ends":            {"DELETE FROM audit_chain", 1},
	"ends of no length":  {"UPDATE audit_chain SET head_hash = proof, anchor_hash = substr(proof, 1, 3)", -1},
	"another proof":      {"UPDATE audit_chain SET proof = head_hash", -1},
	"the order reversed": {"UPDATE audit SET seq = -seq", 1},
}

func TestWhatWasDoneToTheTrailIsFoundOut(t *testing.T) {
	for name, tc := range forgeries {
		t.Run(name, func(t *testing.T) {
			url := sqliteURL(t)
			st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
			fill(t, st)
			_, err := st.Single().Trail.Append(t.Context(), asked("e3", "u1"), asked("e4", "u1"), asked("e5", "u1"))
			must(t, err)
			unguard(t, url)
			raw(t, url, func(ctx context.Context, db execer) {
				_, err := db.ExecContext(ctx, tc.sql)
				must(t, err)
			})
			if got := broken(t, st); got != tc.want {
				t.Errorf("the chain breaks at %d, want %d", got, tc.want)
			}
		})
	}
}

// A chain that was written anew under another key holds for nobody.
func TestATrailOfAnotherKeyIsFoundOut(t *testing.T) {
	url, other := sqliteURL(t), sqliteURL(t)
	st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
	fill(t, st)
	forged := gorm.NewStore(open(t, gorm.Config{URL: other}), newVault(t))
	_, err := forged.Single().Trail.Append(t.Context(), asked("e1", ""), asked("e2", ""))
	must(t, err)
	unguard(t, url)
	raw(t, url, func(ctx context.Context, db execer) {
		for _, q := range []string{
			"ATTACH '" + strings.TrimPrefix(other, "sqlite://") + "' AS other", "DELETE FROM audit", "INSERT INTO audit SELECT * FROM other.audit",
		} {
			_, err := db.ExecContext(ctx, q)
			must(t, err)
		}
	})
	if got := broken(t, st); got != 1 {
		t.Errorf("the chain breaks at %d, want 1", got)
	}
}

func TestTheDatabaseRefusesToChangeTheTrail(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
		fill(t, st)
		queries := []string{
			"UPDATE audit SET outcome = ''", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 1", "UPDATE audit SET seq = seq + 1",
			"UPDATE audit_chain SET head_seq = 1", "UPDATE audit_chain SET anchor_seq = 3", "DELETE FROM audit_chain",
		}
		if strings.HasPrefix(url, "sqlite") {
			queries = append(queries, "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 1", "REPLACE INTO audit_chain SELECT * FROM audit_chain",
				"INSERT OR REPLACE INTO audit SELECT 9, id, happened_at, command, principal_id, session_id, target_id, thing, outcome, request_id, network, hash FROM audit WHERE seq = 1")
		} else {
			queries = append(queries, "TRUNCATE audit", "TRUNCATE audit_chain")
		}
		for _, q := range queries {
			raw(t, url, func(ctx context.Context, db execer) {
				if _, err := db.ExecContext(ctx, q); err == nil || !strings.Contains(err.Error(), "audit trail") {
					t.Errorf("%s: %v", q, err)
				}
			})
		}
		if got := broken(t, st); got != 0 {
			t.Errorf("the chain breaks at %d", got)
		}
		n, err := st.Single().Trail.Purge(t.Context(), now.Add(time.Second), 1)
		if err != nil || n != 1 || broken(t, st) != 0 {
			t.Errorf("Purge = %d, %v", n, err)
		}
	})
}

// A purge that comes upon a gap does not make it the beginning.
func TestAPurgeCoversNothingUp(t *testing.T) {
	url := sqliteURL(t)
	st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
	fill(t, st)
	unguard(t, url)
	raw(t, url, func(ctx context.Context, db execer) {
		_, err := db.ExecContext(ctx, "DELETE FROM audit WHERE seq = 1")
		must(t, err)
	})
	if n, err := st.Single().Trail.Purge(t.Context(), now.Add(time.Second), 9); n != 0 || !errors.Is(err, outbound.ErrForged) {
		t.Errorf("Purge = %d, %v, want ErrForged", n, err)
	}
}

// The chain and what it holds of nobody's outlive an exchange of keys.
func TestTheTrailOutlivesARotation(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		v := before.vault(t)
		st := gorm.NewStore(open(t, gorm.Config{URL: url}), v)
		fill(t, st)
		for _, s := range stages[1:3] {
			s.enter(t, v)
		}
		if b, err := st.Single().Rekeying.Rewrap(t.Context(), "", 99); err != nil || b.Failed != 0 {
			t.Fatalf("Rewrap = %+v, %v", b, err)
		}
		stages[3].enter(t, v)
		_, err := st.Single().Trail.Append(t.Context(), asked("e3", ""))
		must(t, err)
		if got := broken(t, st); got != 0 {
			t.Errorf("the chain breaks at %d", got)
		}
		p, err := st.Single().Trail.Page(t.Context(), audit.Filter{}, page.Request{Size: 9})
		must(t, err)
		for _, e := range p.Content {
			if e.Network != "198.51.100.0/24" {
				t.Errorf("the network of %s is %q", e.ID, e.Network)
			}
		}
	})
}

func TestATrailThatCannotBeRekeyedKeepsItsKey(t *testing.T) {
	url := sqliteURL(t)
	v := before.vault(t)
	st := gorm.NewStore(open(t, gorm.Config{URL: url}), v)
	_, err := st.Single().Trail.Append(t.Context(), asked("e1", ""))
	must(t, err)
	stages[3].enter(t, v) // without the key it is under
	if b, err := st.Single().Rekeying.Rewrap(t.Context(), "", 9); err != nil || b != (outbound.Batch{Failed: 1}) {
		t.Errorf("Rewrap = %+v, %v", b, err)
	}
}

func TestAMoveTakesTheChain(t *testing.T) {
	from, to := served(t), pgtest.URL(t)
	_, err := gorm.Move{From: from, To: to}.Do(t.Context())
	must(t, err)
	st := gorm.NewStore(open(t, gorm.Config{URL: to}), newVault(t))
	_, err = st.Single().Trail.Append(t.Context(), asked("e3", "u1"))
	must(t, err)
	ends, err := st.Single().Trail.Ends(t.Context())
	if err != nil || ends.Head.Position != 3 || broken(t, st) != 0 {
		t.Errorf("after the move the chain is between %v, %v, and breaks at %d", ends, err, broken(t, st))
	}
}

// Whose key cannot be used loses the network, and not the entry.
func TestAnEntryIsKeptWithoutANetworkNobodyCanSeal(t *testing.T) {
	url := sqliteURL(t)
	st := gorm.NewStore(open(t, gorm.Config{URL: url}), newVault(t))
	fill(t, st)
	raw(t, url, func(ctx context.Context, db execer) {
		_, err := db.ExecContext(ctx, "UPDATE principals SET data_key = x'00'")
		must(t, err)
	})
	_, err := st.Single().Trail.Append(t.Context(), asked("e3", "u1"))
	must(t, err)
	all, err := st.Single().Trail.Of(t.Context(), principal.ID("u1"), 2, 9)
	if err != nil || len(all) != 1 || all[0].Network != "" {
		t.Errorf("Of = %+v, %v", all, err)
	}
}
