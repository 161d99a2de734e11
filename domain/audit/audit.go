// Package audit holds what was asked of Gatehouse, for the record.
package audit

import (
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

// Entry is one command that was carried out, refused or failed. It holds ids,
// never personal data.
type Entry struct {
	At        time.Time
	Command   string
	Principal principal.ID // who asked, else who was recognised by it, "" for nobody
	Session   session.ID
	Outcome   fault.Code // "" when it was carried out
}
