package gorm

import (
	"context"
	"slices"
	"strings"

	"gatehouse/domain/email"
	"gatehouse/domain/key"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type rekeying struct{ *conn }

func (t rekeying) Count(ctx context.Context) (dataKeys, addresses int, err error) {
	r, err := take[struct{ Keys, Addresses int }](ctx, t.conn, "count what is under keys",
		"SELECT count(*) AS keys, count(email) AS addresses FROM principals")
	return r.Keys, r.Addresses, err
}

func (t rekeying) Rewrap(ctx context.Context, after principal.ID, limit int) (b outbound.Batch, err error) {
	const op = "rewrap data keys"
	rows, err := query[principalRow](ctx, t.conn, op,
		"SELECT id, data_key FROM principals WHERE id > ? ORDER BY id LIMIT ?", string(after), limit)
	if err != nil {
		return b, err
	}
	if after == "" {
		ok, err := t.rewrapChain(ctx)
		if err != nil {
			return b, err
		}
		if !ok {
			b.Failed++
		}
	}
	var anew []any
	for _, r := range rows {
		b.Seen, b.Last = b.Seen+1, principal.ID(r.ID)
		k, err := t.vault.Rewrap(t.dataKey(r.ID, r.DataKey))
		switch {
		case err != nil:
			b.Failed++
		case !slices.Equal(k.Wrapped, r.DataKey):
			anew = append(anew, r.ID, r.DataKey, k.Wrapped)
		}
	}
	return b, t.each(ctx, op, "UPDATE principals SET data_key = c.anew FROM c WHERE principals.id = c.id AND principals.data_key = c.old",
		[]changed{{"id", "text"}, {"old", t.bytes()}, {"anew", t.bytes()}}, anew)
}

func (t rekeying) Reindex(ctx context.Context, after principal.ID, limit int) (b outbound.Batch, err error) {
	const op = "reindex addresses"
	rows, err := query[principalRow](ctx, t.conn, op, "SELECT id, email, email_idx, email_idx_next, data_key, version"+
		" FROM principals WHERE id > ? AND email IS NOT NULL ORDER BY id LIMIT ?", string(after), limit)
	if err != nil {
		return b, err
	}
	column, slotOf := t.filling()
	var wanted []indexed
	for _, r := range rows {
		b.Seen, b.Last = b.Seen+1, principal.ID(r.ID)
		typed, err := t.openText(t.dataKey(r.ID, r.DataKey), field("principals", "email", r.ID), r.Email)
		address, ok := email.Restore(typed)
		if err != nil || !ok {
			b.Failed++
			continue
		}
		hash := slotOf(t.emailSlots(address.Normal()))
		if !slices.Equal(hash, slotOf(r.EmailIdx, r.EmailIdxNext)) {
			wanted = append(wanted, indexed{r.ID, r.Version, hash})
		}
	}
	free, err := t.free(ctx, column, wanted)
	if err != nil {
		return b, err
	}
	b.Failed += len(wanted) - len(free)
	var anew []any
	for _, w := range free {
		anew = append(anew, w.id, w.version, w.hash)
	}
	// Who wrote the row since it was read has filled the slot.
	return b, t.each(ctx, op, "UPDATE principals SET "+column+" = c.hash FROM c WHERE principals.id = c.id AND principals.version = c.version",
		[]changed{{"id", "text"}, {"version", "bigint"}, {"hash", t.bytes()}}, anew)
}

// indexed is an address as it is to be indexed.
type indexed struct {
	id      string
	version int
	hash    []byte
}

// free leaves out the addresses that somebody else has, so that one of them
// does not keep all others from being indexed.
func (t rekeying) free(ctx context.Context, column string, wanted []indexed) (free []indexed, err error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	hashes := make([]any, len(wanted))
	for i, w := range wanted {
		hashes[i] = w.hash
	}
	taken, err := query[struct{ Hash []byte }](ctx, t.conn, "reindex addresses", "SELECT "+column+" AS hash FROM principals WHERE "+column+
		" IN (?"+strings.Repeat(", ?", len(hashes)-1)+")", hashes...)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(wanted))
	for _, one := range taken {
		seen[string(one.Hash)] = true
	}
	for _, w := range wanted {
		if !seen[string(w.hash)] {
			seen[string(w.hash)], free = true, append(free, w)
		}
	}
	return free, nil
}

// writers is the lock that whoever writes an address shares (migration 0016).
const writers = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(7201996, 16)) AS locked"

func (t rekeying) Lacking(ctx context.Context) (int, error) {
	const op = "count addresses that are not indexed"
	if t.postgres {
		if _, err := returning[number](ctx, t.conn, op, writers); err != nil {
			return 0, err
		}
	}
	column, _ := t.filling()
	n, err := take[number](ctx, t.conn, op, "SELECT count(*) FROM principals WHERE email IS NOT NULL AND "+column+" IS NULL")
	return n.n, err
}

// filling is the column that is to be filled, and how to choose its value.
func (t rekeying) filling() (column string, choose func(idx, next []byte) []byte) {
	if t.vault.Filling() == key.SecondSlot {
		return "email_idx_next", func(_, next []byte) []byte { return next }
	}
	return "email_idx", func(idx, _ []byte) []byte { return idx }
}

func (t rekeying) Clear(ctx context.Context, after principal.ID, limit int) (b outbound.Batch, err error) {
	const op = "clear indexes"
	idx, next := t.emailSlots("")
	empty, filled := "email_idx", "email_idx_next"
	switch {
	case idx != nil && next != nil:
		return b, nil
	case next == nil:
		empty, filled = filled, empty
	}
	rows, err := query[principalRow](ctx, t.conn, op, "SELECT id FROM principals WHERE id > ? AND "+empty+" IS NOT NULL ORDER BY id LIMIT ?",
		string(after), limit)
	if err != nil || len(rows) == 0 {
		return b, err
	}
	b.Seen, b.Last = len(rows), principal.ID(rows[len(rows)-1].ID)
	_, err = t.exec(ctx, op, "UPDATE principals SET "+empty+" = NULL WHERE id > ? AND id <= ? AND "+empty+" IS NOT NULL AND "+filled+" IS NOT NULL",
		string(after), string(b.Last))
	return b, err
}

func (c *conn) bytes() string {
	if c.postgres {
		return "bytea"
	}
	return "blob"
}

// changed is a column of a table of changes.
type changed struct{ name, kind string }

// each runs a statement on a table c of changes, given row by row. PostgreSQL
// takes parameters for texts unless the first row says otherwise.
func (c *conn) each(ctx context.Context, op, statement string, columns []changed, values []any) error {
	if len(values) == 0 {
		return nil
	}
	var names, first []string
	for _, col := range columns {
		names, first = append(names, col.name), append(first, "CAST(? AS "+col.kind+")")
	}
	more := ", (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	_, err := c.exec(ctx, op, "WITH c ("+strings.Join(names, ", ")+") AS (VALUES ("+strings.Join(first, ", ")+")"+
		strings.Repeat(more, len(values)/len(columns)-1)+") "+statement, values...)
	return err
}
