package gorm

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

type trail struct{ *conn }

var _ outbound.Trail = trail{}

type auditRow struct {
	Seq         int `gorm:"primaryKey;autoIncrement:false"`
	ID          string
	HappenedAt  instant
	Command     string
	PrincipalID string
	SessionID   string
	TargetID    string
	Thing       string
	Outcome     string
	RequestID   string
	Network     []byte
	Hash        []byte
}

func (auditRow) TableName() string { return "audit" }

const auditColumns = "seq, id, happened_at, command, principal_id, session_id, target_id, thing, outcome, request_id, network, hash"

func (r auditRow) link() audit.Link {
	return audit.Link{Sealed: r.Network, Entry: audit.Entry{
		Position: r.Seq, ID: r.ID, At: r.HappenedAt.Time, Command: r.Command,
		Principal: principal.ID(r.PrincipalID), Session: session.ID(r.SessionID),
		Target:  audit.Target{Principal: principal.ID(r.TargetID), Thing: r.Thing},
		Outcome: fault.Code(r.Outcome), Origin: audit.Origin{Request: r.RequestID},
	}}
}

func rowOfLink(l audit.Link, h audit.Hash) auditRow {
	return auditRow{
		Seq: l.Position, ID: l.ID, HappenedAt: at(l.At), Command: l.Command,
		PrincipalID: string(l.Principal), SessionID: string(l.Session), TargetID: string(l.Target.Principal), Thing: l.Target.Thing,
		Outcome: string(l.Outcome), RequestID: l.Request, Network: l.Sealed, Hash: h[:],
	}
}

// chainName is the name of the one row about the chain, and whose its key is.
const chainName = "audit"

type chainRow struct {
	Name       string `gorm:"primaryKey"`
	AnchorSeq  int
	AnchorHash []byte
	HeadSeq    int
	HeadHash   []byte
	Proof      []byte
	DataKey    []byte
}

func (chainRow) TableName() string { return "audit_chain" }

// chain is the row about the chain, believed.
type chain struct {
	audit.Ends

	key outbound.DataKey // zero when there is no row
}

// readChain returns ErrForged for a row that is not ours. Without a row there
// is no entry.
func (t trail) readChain(ctx context.Context, lock string) (c chain, err error) {
	rows, err := query[chainRow](ctx, t.conn, "read audit chain",
		"SELECT name, anchor_seq, anchor_hash, head_seq, head_hash, proof, data_key FROM audit_chain WHERE name = ?"+lock, chainName)
	if err != nil || len(rows) == 0 {
		return c, err
	}
	r := rows[0]
	if len(r.AnchorHash) != len(audit.Hash{}) || len(r.HeadHash) != len(audit.Hash{}) {
		return c, fmt.Errorf("read audit chain: %w", outbound.ErrForged)
	}
	c = chain{
		key: outbound.DataKey{Owner: chainName, Wrapped: r.DataKey},
		Ends: audit.Ends{
			Anchor: audit.Head{Position: r.AnchorSeq, Hash: audit.Hash(r.AnchorHash)},
			Head:   audit.Head{Position: r.HeadSeq, Hash: audit.Hash(r.HeadHash)},
		},
	}
	proof, err := t.prove(c)
	if err == nil && !hmac.Equal(proof, r.Proof) {
		err = fmt.Errorf("read audit chain: %w", outbound.ErrForged)
	}
	return c, err
}

func (s *safe) prove(c chain) ([]byte, error) { return s.sign(c.key, "ends", c.Text()) }

func (s *safe) sign(k outbound.DataKey, use string, text []byte) ([]byte, error) {
	b, err := s.vault.Sign(k, "audit "+use, text)
	if err != nil {
		return nil, fault.New(fault.DatabaseEncryptionFailure).Because(fmt.Errorf("sign audit %s: %w", use, err))
	}
	return b, nil
}

func (s *safe) hashOf(k outbound.DataKey, l audit.Link, before audit.Hash) (audit.Hash, error) {
	b, err := s.sign(k, "entry", l.Text(before))
	if err != nil || len(b) != len(audit.Hash{}) {
		return audit.Hash{}, errors.Join(err, fault.New(fault.DatabaseEncryptionFailure))
	}
	return audit.Hash(b), nil
}

// lockChain makes others who append or purge wait. The first one makes the row.
func (t trail) lockChain(ctx context.Context) (chain, error) {
	lock := ""
	if t.postgres {
		lock = " FOR UPDATE"
	}
	c, err := t.readChain(ctx, lock)
	if err != nil || c.key.Owner != "" {
		return c, err
	}
	if c.key, err = t.vault.NewDataKey(chainName); err != nil {
		return c, err
	}
	proof, err := t.prove(c)
	if err != nil {
		return c, err
	}
	_, err = t.exec(ctx, "begin audit chain", "INSERT INTO audit_chain (name, anchor_seq, anchor_hash, head_seq, head_hash, proof, data_key)"+
		" VALUES (?, 0, ?, 0, ?, ?, ?) ON CONFLICT (name) DO NOTHING", chainName, c.Anchor.Hash[:], c.Head.Hash[:], proof, c.key.Wrapped)
	if err != nil {
		return c, err
	}
	return t.readChain(ctx, lock)
}

func (t trail) saveChain(ctx context.Context, c chain) error {
	proof, err := t.prove(c)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "save audit chain", "UPDATE audit_chain SET anchor_seq = ?, anchor_hash = ?, head_seq = ?, head_hash = ?, proof = ? WHERE name = ?",
		c.Anchor.Position, c.Anchor.Hash[:], c.Head.Position, c.Head.Hash[:], proof, chainName)
	return err
}

func (t trail) Append(ctx context.Context, entries ...audit.Entry) (head audit.Head, err error) {
	err = t.atomically(ctx, func(c *conn) error {
		head, err = trail{c}.append(ctx, entries)
		return err
	})
	return head, err
}

func (t trail) append(ctx context.Context, entries []audit.Entry) (audit.Head, error) {
	c, err := t.lockChain(ctx)
	if err != nil {
		return c.Head, err
	}
	anew, err := t.anew(ctx, entries)
	if err != nil || len(anew) == 0 {
		return c.Head, err
	}
	keys, err := t.keysOf(ctx, c, anew)
	if err != nil {
		return c.Head, err
	}
	rows := make([]auditRow, 0, len(anew))
	for _, e := range anew {
		l := audit.Link{Entry: e}
		l.Position, l.At = c.Head.Position+1, at(e.At).Time
		l.Sealed = t.sealNetwork(keys, e)
		h, err := t.hashOf(c.key, l, c.Head.Hash)
		if err != nil {
			return c.Head, err
		}
		rows = append(rows, rowOfLink(l, h))
		c.Head = audit.Head{Position: l.Position, Hash: h}
	}
	if err := t.create(ctx, "add to audit", &rows); err != nil {
		return c.Head, err
	}
	return c.Head, t.saveChain(ctx, c)
}

// anew leaves out the entries that are there.
func (t trail) anew(ctx context.Context, entries []audit.Entry) ([]audit.Entry, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.ID
	}
	stored, err := query[auditRow](ctx, t.conn, "look for audit entries", "SELECT id FROM audit WHERE id IN "+among(ids), anys(ids)...)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, r := range stored {
		seen[r.ID] = true
	}
	var out []audit.Entry
	for _, e := range entries {
		if !seen[e.ID] {
			out, seen[e.ID] = append(out, e), true
		}
	}
	return out, nil
}

// keysOf returns the data keys of those whose networks are in entries, as far as
// they are still there. What is nobody's is under the key of the chain.
func (t trail) keysOf(ctx context.Context, c chain, entries []audit.Entry) (map[principal.ID]outbound.DataKey, error) {
	var ids []string
	for _, e := range entries {
		if id := string(e.Owner()); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	keys := map[principal.ID]outbound.DataKey{"": c.key}
	for some := range slices.Chunk(slices.Compact(ids), batch) {
		rows, err := query[principalRow](ctx, t.conn, "load data keys", "SELECT id, data_key FROM principals WHERE id IN "+among(some), anys(some)...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			keys[principal.ID(r.ID)] = t.dataKey(r.ID, r.DataKey)
		}
	}
	return keys, nil
}

// sealNetwork leaves out the network of who is gone, and of whose key nobody can
// use: that an entry is there counts for more.
func (s *safe) sealNetwork(keys map[principal.ID]outbound.DataKey, e audit.Entry) []byte {
	k, ok := keys[e.Owner()]
	if !ok {
		return nil
	}
	sealed, err := s.sealText(k, field("audit", "network", e.ID), e.Network)
	if err != nil {
		return nil
	}
	return sealed
}

// entries opens rows.
func (t trail) entries(ctx context.Context, rows []auditRow) (out []audit.Entry, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	c, err := t.readChain(ctx, "")
	if err != nil && !errors.Is(err, outbound.ErrForged) { // which is for who checks the chain
		return nil, err
	}
	for _, r := range rows {
		out = append(out, r.link().Entry)
	}
	keys, err := t.keysOf(ctx, c, out)
	if err != nil {
		return nil, err
	}
	for i, e := range out {
		if k, ok := keys[e.Owner()]; ok {
			if out[i].Network, err = t.openText(k, field("audit", "network", e.ID), rows[i].Network); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (t trail) Page(ctx context.Context, f audit.Filter, r page.Request) (p page.Page[audit.Entry], err error) {
	p = page.Page[audit.Entry]{Request: r}
	if err := t.planEach(ctx); err != nil {
		return p, err
	}
	parts, ok := lookedForEntries(f)
	if !ok {
		return p, nil
	}
	if p.Total, err = t.countEntries(ctx, f, parts); err != nil || r.Offset() >= p.Total {
		return p, err
	}
	order := "happened_at ASC, seq ASC"
	if len(r.Sort) > 0 && r.Sort[0].Descending {
		order = "happened_at DESC, seq DESC"
	}
	var found []string
	var args []any
	for i, one := range parts {
		found = append(found, fmt.Sprintf("SELECT * FROM (SELECT seq, happened_at FROM audit%s ORDER BY %s LIMIT %d) AS f%d",
			one.sql(), order, r.Offset()+r.Size, i))
		args = append(args, one.args...)
	}
	rows, err := query[auditRow](ctx, t.conn, "list audit entries", "SELECT "+auditColumns+" FROM audit WHERE seq IN"+
		" (SELECT seq FROM ("+strings.Join(found, " UNION ALL ")+") AS f ORDER BY "+order+" LIMIT ? OFFSET ?) ORDER BY "+order,
		append(args, r.Size, r.Offset())...)
	if err != nil {
		return p, err
	}
	p.Content, err = t.entries(ctx, rows)
	return p, err
}

// countEntries counts the whole chain by its ends.
func (t trail) countEntries(ctx context.Context, f audit.Filter, parts []condition) (n int, err error) {
	if f == (audit.Filter{}) {
		c, err := t.readChain(ctx, "")
		if !errors.Is(err, outbound.ErrForged) {
			return c.Entries(), err
		}
	}
	for _, one := range parts {
		some, err := take[number](ctx, t.conn, "count audit entries", "SELECT count(*) FROM audit"+one.sql(), one.args...)
		if err != nil {
			return 0, err
		}
		n += some.n
	}
	return n, nil
}

// condition is a part of a WHERE.
type condition struct {
	where []string
	args  []any
}

func (c condition) sql() string {
	if len(c.where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.where, " AND ")
}

func (c condition) and(where string, args ...any) condition {
	return condition{append(slices.Clone(c.where), where), append(slices.Clone(c.args), args...)}
}

// lookedForEntries says [audit.Filter.Matches] in SQL: what somebody asked and
// what was done to them are two conditions, each with an index, and of no entry
// both. ok is false when nothing can match.
func lookedForEntries(f audit.Filter) (parts []condition, ok bool) {
	var c condition
	if !storable(f.Command) || !storable(string(f.Principal)) || f.Outcome != nil && !storable(string(*f.Outcome)) {
		return nil, false
	}
	if f.Command != "" {
		c = c.and("command = ?", f.Command)
	}
	if f.Outcome != nil {
		c = c.and("outcome = ?", string(*f.Outcome))
	}
	if f.From != nil {
		c = c.and("happened_at >= ?", at(*f.From))
	}
	if f.To != nil {
		c = c.and("happened_at <= ?", at(*f.To))
	}
	if f.Principal == "" {
		return []condition{c}, true
	}
	id := string(f.Principal)
	return []condition{c.and("principal_id = ?", id), c.and("target_id = ? AND principal_id <> ?", id, id)}, true
}

func (t trail) Of(ctx context.Context, id principal.ID, after, limit int) ([]audit.Entry, error) {
	if id == "" {
		return nil, nil
	}
	rows, err := query[auditRow](ctx, t.conn, "list audit entries of a principal", "SELECT "+auditColumns+" FROM audit WHERE seq IN"+
		" (SELECT seq FROM (SELECT seq FROM audit WHERE principal_id = ? AND seq > ? UNION ALL"+
		" SELECT seq FROM audit WHERE target_id = ? AND principal_id <> ? AND seq > ?) AS f ORDER BY seq LIMIT ?) ORDER BY seq", string(id), after, string(id), string(id), after, limit)
	if err != nil {
		return nil, err
	}
	return t.entries(ctx, rows)
}

func (t trail) Ends(ctx context.Context) (audit.Ends, error) {
	c, err := t.readChain(ctx, "")
	return c.Ends, err
}

func (t trail) Check(ctx context.Context, after audit.Head, limit int) (audit.Checked, error) {
	checked := audit.Checked{Good: after}
	c, err := t.readChain(ctx, "")
	if err != nil {
		return checked, err
	}
	rows, err := query[auditRow](ctx, t.conn, "check audit", "SELECT "+auditColumns+" FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after.Position, limit)
	if err != nil {
		return checked, err
	}
	for _, r := range rows {
		checked.Seen++
		if r.Seq != checked.Good.Position+1 || c.key.Owner == "" {
			checked.Broken = true
			return checked, nil
		}
		h, err := t.hashOf(c.key, r.link(), checked.Good.Hash)
		if err != nil {
			return checked, err
		}
		if !hmac.Equal(h[:], r.Hash) {
			checked.Broken = true
			return checked, nil
		}
		checked.Good = audit.Head{Position: r.Seq, Hash: h}
	}
	return checked, nil
}

func (t trail) Purge(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = t.atomically(ctx, func(c *conn) error {
		n, err = trail{c}.purge(ctx, before, limit)
		return err
	})
	return n, err
}

func (t trail) purge(ctx context.Context, before time.Time, limit int) (int, error) {
	c, err := t.lockChain(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := query[auditRow](ctx, t.conn, "purge audit", "SELECT seq, happened_at, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
		c.Anchor.Position, limit)
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(rows) && rows[n].HappenedAt.Before(at(before).Time) {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	last := rows[n-1]
	if last.Seq != c.Anchor.Position+n || len(last.Hash) != len(audit.Hash{}) {
		return 0, fmt.Errorf("purge audit after entry %d: %w", c.Anchor.Position, outbound.ErrForged)
	}
	c.Anchor = audit.Head{Position: last.Seq, Hash: audit.Hash(last.Hash)}
	if err := t.saveChain(ctx, c); err != nil {
		return 0, err
	}
	return t.exec(ctx, "purge audit", "DELETE FROM audit WHERE seq <= ?", last.Seq)
}

// rewrapChain brings the key of the chain under the current encryption key. It
// returns false when it cannot be read.
func (t rekeying) rewrapChain(ctx context.Context) (bool, error) {
	rows, err := query[chainRow](ctx, t.conn, "rewrap data keys", "SELECT data_key FROM audit_chain WHERE name = ?", chainName)
	if err != nil || len(rows) == 0 {
		return err == nil, err
	}
	old := rows[0].DataKey
	k, err := t.vault.Rewrap(outbound.DataKey{Owner: chainName, Wrapped: old})
	if err != nil {
		return false, nil //nolint:nilerr // it is counted, and keeps its old key
	}
	if slices.Equal(k.Wrapped, old) {
		return true, nil
	}
	_, err = t.exec(ctx, "rewrap data keys", "UPDATE audit_chain SET data_key = ? WHERE name = ? AND data_key = ?", k.Wrapped, chainName, old)
	return true, err
}
