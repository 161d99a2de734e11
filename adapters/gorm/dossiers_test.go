package gorm

import (
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
