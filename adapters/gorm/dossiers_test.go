package gorm

import (
	"slices"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
)

// exported are the tables whose rows a person is told who asks for everything
// that is stored about them (contract X1), and where they come from.
var exported = map[string]string{
	"principals":     "the record of the principal",
	"identities":     "the record of the principal",
	"group_members":  "the record of the principal",
	"files":          "the avatar in the record of the principal",
	"passkeys":       "the passkeys of the principal",
	"audit":          "the trail of the principal",
	"sessions":       "dossier.Session",
	"devices":        "dossier.Device",
	"one_time":       "dossier.Item",
	"totp_setups":    "dossier.Item",
	"mailed_codes":   "dossier.Item",
	"recovery_codes": "how many there are",
	"outbox":         "dossier.Mail",
}

// untold are the other tables, and why nobody is told of their rows.
var untold = map[string]string{
	"refresh_grace":      "tokens of a session, sealed, for seconds; the session is told",
	"totp_secrets":       "a secret; the record of the principal tells that there is one",
	"attempts":           "counts under a keyed hash of account and network, which leads to nobody",
	"cooldowns":          "instants under a keyed hash of mail and address, which leads to nobody",
	"buckets":            "counts requests of the last minutes",
	"audit_chain":        "the ends of the chain of all entries",
	"erasures":           "of those who are gone",
	"groups":             "belong to the service",
	"group_translations": "belong to the service",
	"keys":               "belong to the service",
	"rotations":          "belong to the service",
	"meta":               "of the database as a whole",
	"moves":              "of the database as a whole",
	"goose_db_version":   "of the database as a whole",
}

// Whoever adds a table says whether the person it may be about is told, or why
// not. One that names principals, or belongs to a row that does, needs a good
// reason.
func TestEveryTableIsInTheExportOrHasAReasonNotToBe(t *testing.T) {
	for where, tables := range map[string][]string{
		"SQLite": selected(t, migrated(t, "sqlite://"+t.TempDir()+"/gatehouse.db"),
			"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"),
		"PostgreSQL": selected(t, migrated(t, pgtest.URL(t)),
			"SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"),
	} {
		for _, name := range tables {
			if (exported[name] == "") == (untold[name] == "") {
				t.Errorf("table %s of %s is neither exported nor left out for a reason, or both", name, where)
			}
		}
		if len(tables) != len(exported)+len(untold) {
			t.Errorf("%s has %d tables, the lists %d", where, len(tables), len(exported)+len(untold))
		}
	}
}

// outliving are the tables whose rows outlive the principal they name, and what
// of them is left.
var outliving = map[string]string{
	"outbox": "what is finished is empty; what goes on is nobody's, under a key of the service",
	"audit":  "ids; what is sealed is under the key of the principal, which is gone",
	"files":  "nobody's, to be removed",
}

// The data key goes with the row of the principal, and so does every row that
// names one, by the database itself.
func TestWhateverNamesAPrincipalGoesWithThem(t *testing.T) {
	file := migrated(t, "sqlite://"+t.TempDir()+"/gatehouse.db")
	server := migrated(t, pgtest.URL(t))
	named := selected(t, file, "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'principal_id'")
	if len(named) < 10 {
		t.Fatalf("only %v name principals", named)
	}
	for _, table := range named {
		inFile := selected(t, file, `SELECT on_delete FROM pragma_foreign_key_list(?) WHERE "table" = 'principals' AND "from" = 'principal_id'`, table)
		inServer := selected(t, server, "SELECT CASE confdeltype WHEN 'c' THEN 'CASCADE' ELSE 'another' END FROM pg_constraint "+
			"WHERE contype = 'f' AND confrelid = 'principals'::regclass AND conrelid = ($1::text)::regclass", table)
		for where, rule := range map[string][]string{"SQLite": inFile, "PostgreSQL": inServer} {
			if goes := slices.Equal(rule, []string{"CASCADE"}); goes == (outliving[table] != "") {
				t.Errorf("%s in %s: rows go with their principal: %t, and what outlives them is %q", table, where, goes, outliving[table])
			}
		}
	}
}
