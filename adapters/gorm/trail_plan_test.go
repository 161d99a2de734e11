package gorm

import (
	"context"
	"slices"
	"strings"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/ports/outbound"
)

// lookups are the forms in which entries are listed, each with an index that
// must serve it.
var lookups = map[string]struct {
	filter audit.Filter
	index  string
}{
	"all":                     {index: "audit_happened"},
	"of a principal":          {filter: audit.Filter{Principal: "u77"}, index: "audit_principal"},
	"to a principal":          {filter: audit.Filter{Principal: "u77"}, index: "audit_target"},
	"of a command":            {filter: audit.Filter{Command: "GrantAdmin"}, index: "audit_command"},
	"refused so":              {filter: audit.Filter{Outcome: new(fault.InvalidCredentials)}, index: "audit_outcome"},
	"in a time":               {filter: audit.Filter{From: later(100), To: later(200)}, index: "audit_happened"},
	"of a principal, in time": {filter: audit.Filter{Principal: "u77", From: later(100), To: later(2000)}, index: "audit_principal"},
}

func lookingUp(t *testing.T, st *Store, fn func(name, index string, asked []statement)) {
	t.Helper()
	ask := page.Request{Size: 20, Sort: []page.Sort{{By: "at", Descending: true}}}
	for name, l := range lookups {
		asked := statements(t, st.db, func(ctx context.Context) {
			must(t, st.View(ctx, func(ctx context.Context, stores outbound.Stores) error {
				return second(stores.Trail.Page(ctx, l.filter, ask))
			}))
		})
		fn(name, l.index, slices.DeleteFunc(asked, func(q statement) bool {
			return strings.Contains(q.sql, "set_config") || strings.Contains(q.sql, "FROM audit_chain") // of one row
		}))
	}
}

func TestEntriesAreListedByIndexesOfPostgres(t *testing.T) {
	st := crowded(t, pgtest.URL(t), "audit", "audit_chain")
	must(t, st.db.write.Exec("VACUUM audit").Error)
	pool, err := st.db.write.DB()
	must(t, err)
	lookingUp(t, st, func(name, index string, asked []statement) {
		var used []string
		for _, q := range asked {
			c, err := pool.Conn(t.Context())
			must(t, err)
			p := explain(t, c, q.sql, q.args...)
			must(t, c.Close())
			used = append(used, p.indexes()...)
			if strings.Contains(q.sql, "FROM audit") && slices.Contains(p.indexes(), "") {
				t.Errorf("%s: a table is read from one end to the other by\n%s", name, q.sql)
			}
		}
		if !slices.Contains(used, index) {
			t.Errorf("%s is served by %v, want %s", name, used, index)
		}
	})
}

func TestEntriesAreListedByIndexesOfSQLite(t *testing.T) {
	st := crowded(t, "sqlite://"+t.TempDir()+"/gatehouse.db", "audit", "audit_chain")
	for _, q := range []string{"DELETE FROM sqlite_stat1", "ANALYZE sqlite_schema"} { // nobody has counted a file in use
		must(t, st.db.write.Exec(q).Error)
	}
	lookingUp(t, st, func(name, index string, asked []statement) {
		var all []string
		for _, q := range asked {
			var steps []struct{ Detail string }
			must(t, st.db.write.Raw("EXPLAIN QUERY PLAN "+q.sql, values(q.args)...).Find(&steps).Error)
			for _, s := range steps {
				all = append(all, s.Detail)
				if s.Detail == "SCAN audit" {
					t.Errorf("%s: a table is read from one end to the other by\n%s", name, q.sql)
				}
			}
		}
		if !strings.Contains(strings.Join(all, "\n"), index) {
			t.Errorf("%s is served by\n%s\nwant %s", name, strings.Join(all, "\n"), index)
		}
	})
}
