package gorm

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// searches are the forms in which users are listed, each with an index that
// must serve it.
var searches = map[string]struct {
	filter principal.Filter
	sort   string
	deep   bool
	index  string
}{
	"by createdAt":               {sort: "createdAt", index: "users_created"},
	"by createdAt, backwards":    {sort: "-createdAt", index: "users_created"},
	"by id":                      {sort: "id", index: "users_id"},
	"by lastActive":              {sort: "lastActive", index: "users_active"},
	"by lastActive, in the deep": {sort: "-lastActive", deep: true, index: "users_active"},
	"by createdAt, in the deep":  {sort: "createdAt", deep: true, index: "users_created"},
	"name":                       {filter: principal.Filter{Query: "aDa77"}, sort: "createdAt", index: "users_name"},
	"name, by lastActive":        {filter: principal.Filter{Query: "aDa77"}, sort: "lastActive", index: "users_name"},
	"name or address":            {filter: principal.Filter{Query: "ada77@example.com"}, sort: "createdAt", index: "users_name"},
	"address":                    {filter: principal.Filter{Email: "ada77@example.com"}, sort: "createdAt", index: "principals_email_idx_key"},
	"admins":                     {filter: principal.Filter{Roles: []principal.Role{principal.RoleAdmin}}, sort: "createdAt", index: "users_admin"},
	"group":                      {filter: principal.Filter{Groups: []string{"g7"}}, sort: "id", index: "group_members_pkey"},
	"groups":                     {filter: principal.Filter{Groups: []string{"g7", "g8"}}, sort: "createdAt", index: "group_members_pkey"},
	"provider":                   {filter: principal.Filter{Identities: []string{"github"}}, sort: "createdAt", index: "identities_provider"},
	"password":                   {filter: principal.Filter{Identities: []string{"password"}}, sort: "createdAt", index: "users_password"},
	"password or provider":       {filter: principal.Filter{Identities: []string{"password", "google"}}, sort: "createdAt", index: "users_password"},
	"created in a time":          {filter: principal.Filter{CreatedAfter: later(100), CreatedBefore: later(200)}, sort: "lastActive", index: "users_created"},
	"active in a time":           {filter: principal.Filter{ActiveAfter: later(86_400), ActiveBefore: later(172_800)}, sort: "createdAt", index: "users_active"},
	"everything": {filter: principal.Filter{
		Query: "ada77", Roles: []principal.Role{principal.RoleUser}, Groups: []string{"g77"}, Identities: []string{"password"}, CreatedAfter: later(0), ActiveAfter: later(0),
	}, sort: "createdAt", index: "users_name"},
}

func later(seconds int) *time.Time { return new(noon.Add(time.Duration(seconds) * time.Second)) }

// searching calls fn with the statements of each form, among so many users.
func searching(t *testing.T, st *Store, users int, fn func(name, index string, asked []statement)) {
	t.Helper()
	for name, s := range searches {
		by, descending := strings.CutPrefix(s.sort, "-")
		ask := page.Request{Size: 20, Sort: []page.Sort{{By: by, Descending: descending}}}
		if s.deep {
			ask.Number = users / 2 / ask.Size
		}
		asked := statements(t, st.db, func(ctx context.Context) {
			must(t, st.View(ctx, func(ctx context.Context, stores outbound.Stores) error {
				return second(stores.Principals.Page(ctx, s.filter, ask))
			}))
		})
		fn(name, s.index, slices.DeleteFunc(asked, func(q statement) bool { return strings.Contains(q.sql, "set_config") }))
	}
}

var directoryTables = []string{"principals", "identities", "groups", "group_members"}

func TestUsersAreListedByIndexesOfPostgres(t *testing.T) {
	st := crowded(t, pgtest.URL(t), directoryTables...)
	must(t, st.db.write.Exec("VACUUM principals, identities, group_members").Error)
	pool, err := st.db.write.DB()
	must(t, err)
	searching(t, st, 100_000, func(name, index string, asked []statement) {
		var used []string
		for _, q := range asked {
			c, err := pool.Conn(t.Context())
			must(t, err)
			p := explain(t, c, q.sql, q.args...)
			must(t, c.Close())
			used = append(used, p.indexes()...)
			if slices.Contains(used, "") {
				t.Errorf("%s: a table is read from one end to the other by\n%s", name, q.sql)
			}
		}
		if !slices.Contains(used, index) {
			t.Errorf("%s is served by %v, want %s", name, used, index)
		}
	})
}

// indexes lists what is read, with "" for a table without one.
func (p plan) indexes() (names []string) {
	if p.Index != "" || p.Step == "Seq Scan" {
		names = append(names, p.Index)
	}
	for _, part := range p.Plans {
		names = append(names, part.indexes()...)
	}
	return names
}

// A scan without an index is fine of what was made just before.
func TestUsersAreListedByIndexesOfSQLite(t *testing.T) {
	st := crowded(t, "sqlite://"+t.TempDir()+"/gatehouse.db", directoryTables...)
	for _, q := range []string{"DELETE FROM sqlite_stat1", "ANALYZE sqlite_schema"} { // nobody has counted a file in use
		must(t, st.db.write.Exec(q).Error)
	}
	searching(t, st, 100, func(name, index string, asked []statement) {
		var all []string
		for _, q := range asked {
			var steps []struct{ Detail string }
			must(t, st.db.write.Raw("EXPLAIN QUERY PLAN "+q.sql, values(q.args)...).Find(&steps).Error)
			for _, s := range steps {
				all = append(all, s.Detail)
				table, scanned := strings.CutPrefix(s.Detail, "SCAN ")
				made := slices.Contains(all, "CO-ROUTINE "+table) || slices.Contains(all, "MATERIALIZE "+table)
				if scanned && !strings.Contains(table, " ") && !made {
					t.Errorf("%s: %s\n%s", name, s.Detail, q.sql)
				}
			}
		}
		// What the tables themselves demand, SQLite does by indexes of other names.
		own := !strings.HasPrefix(index, "users_") && index != "identities_provider"
		if !own && !strings.Contains(strings.Join(all, "\n"), index) {
			t.Errorf("%s is served by\n%s\nwant %s", name, strings.Join(all, "\n"), index)
		}
	})
}

// What a step of the schema could not fill in is there after it, for who was
// there before and for who came from the program before.
func TestNamesAreFoldedByAMigration(t *testing.T) {
	for name, url := range map[string]string{"PostgreSQL": pgtest.URL(t), "SQLite": "sqlite://" + t.TempDir() + "/gatehouse.db"} {
		t.Run(name, func(t *testing.T) {
			st := crowded(t, url, "principals")
			must(t, st.db.write.Exec("UPDATE principals SET name = 'ÅDA ' || id, name_fold = '' WHERE id IN ('u5', 'u7')").Error)
			must(t, st.db.Migrate(t.Context()))
			got, err := st.Single().Principals.Page(t.Context(), principal.Filter{Query: "åda u"}, page.Request{Size: 9})
			must(t, err)
			if got.Total != 2 {
				t.Errorf("%d are found by their names, want 2", got.Total)
			}
		})
	}
}
