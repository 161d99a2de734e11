package inbound

import (
	"gatehouse/domain/audit"
	"gatehouse/domain/page"
)

// ReadAudit asks, as an admin, for a page of the record of what was asked
// (docs/contract/additions.md, L1). It is refused with ROLE_REQUIRED.
type ReadAudit struct {
	Context
	Filter audit.Filter
	Page   page.Request // by at
}

// AuditPage is the answer to [ReadAudit].
type AuditPage struct{ page.Page[audit.Entry] }

// VerifyAudit asks whether the record holds: whether nothing in it was changed,
// removed, inserted or put into another order. That its end was cut off shows
// in the head that somebody has noted before, nil when nobody has.
type VerifyAudit struct{ Noted *audit.Head }

// AuditVerdict is the answer to [VerifyAudit].
type AuditVerdict struct {
	From    audit.Head // after which it was looked at; what is before was purged
	Head    audit.Head // up to which it holds
	Entries int        // that hold
	Noted   NotedHead
	Why     AuditFlaw // it does not hold, "" when it does
	At      int       // position of the first entry that does not hold, 0 when that is not to be said
}

// NotedHead is what became of the head that was noted.
type NotedHead string

// The values; the zero value is that of nobody having noted one.
const (
	NotedFound  NotedHead = "found"
	NotedPurged NotedHead = "purged" // its entry is too old to be there
)

// AuditFlaw is why the record does not hold.
type AuditFlaw string

// The values.
const (
	EndsForged   AuditFlaw = "what is stored about the ends of the chain is not ours"
	EntryChanged AuditFlaw = "the entry was changed, or is missing"
	NotedDiffers AuditFlaw = "the entry is another one than the head that was noted"
	NotedMissing AuditFlaw = "the head that was noted is missing: the end was cut off"
)
