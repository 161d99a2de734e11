package faulttest

import (
	"testing"
	"time"
)

// tables are those of the stores.
func (c *cluster) tables(t *testing.T) (all []string) {
	t.Helper()
	rows, err := c.db.QueryContext(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'goose_db_version'")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		all = append(all, name)
	}
	must(t, rows.Err())
	return all
}

// F32, Q8: a release that adds to the schema does so under the feet of the one
// before, whose requests go on without a failure, and which may even start on
// what it does not know.
func TestF32ASchemaThatGrowsUnderLoadFailsNoRequestOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cr := c.begin(t, 2)
	wait := func() {
		for goal := cr.answered.Load() + int64(rounds(20, 200)); cr.answered.Load() < goal; {
			time.Sleep(time.Millisecond)
		}
	}
	wait()
	tables := c.tables(t)
	for _, table := range tables {
		c.exec(t, "ALTER TABLE "+table+" ADD COLUMN of_the_next_release text NOT NULL DEFAULT 'x'")
		c.exec(t, "CREATE INDEX ON "+table+" (of_the_next_release)")
	}
	c.exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, true)")
	wait()
	cr.end()
	if n := cr.failed.Load(); n > 0 {
		t.Errorf("%d requests failed", n)
	}
	for _, w := range cr.wrongs {
		t.Error(w)
	}
	c.a.kill()
	if !c.a.start() {
		t.Fatal(c.a.said())
	}
	changes := cr.verify(t)
	cr.mails(t)
	t.Logf("%d tables got a column and an index under load: %d answers, none failed; %d registrations and %d password changes all there; "+
		"the program starts on the newer schema", len(tables), cr.answered.Load(), len(cr.registered), changes)
}
