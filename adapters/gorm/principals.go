package gorm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type principalRow struct {
	ID            string `gorm:"primaryKey"`
	Kind          string
	Name          string
	NameFold      string
	Email         []byte
	EmailIdx      []byte
	EmailIdxNext  []byte
	EmailVerified bool
	Admin         bool
	Disabled      bool
	PasswordHash  string
	Identities    string
	GroupKeys     string
	Factors       string
	Preferred     string `gorm:"column:preferred_factor"`
	Avatar        string
	CredVersion   int
	TokenGen      int
	DataKey       []byte `gorm:"<-:create"`
	CreatedAt     instant
	LastActive    instant
	Version       int
}

func (principalRow) TableName() string { return "principals" }

type identityRow struct {
	Provider, Subject, PrincipalID string
}

func (identityRow) TableName() string { return "identities" }

// principalColumns is all that is read of a principal.
const principalColumns = "p.id, p.kind, p.name, p.email, p.email_verified, p.admin, p.disabled, p.password_hash, " +
	"p.identities, p.group_keys, p.factors, p.preferred_factor, p.avatar, p.cred_version, p.token_gen, p.data_key, p.created_at, p.last_active, p.version"

// columns are where principalColumns go.
func (r *principalRow) columns() []any {
	return []any{
		&r.ID, &r.Kind, &r.Name, &r.Email, &r.EmailVerified, &r.Admin, &r.Disabled, &r.PasswordHash,
		&r.Identities, &r.GroupKeys, &r.Factors, &r.Preferred, &r.Avatar, &r.CredVersion, &r.TokenGen, &r.DataKey, &r.CreatedAt, &r.LastActive, &r.Version,
	}
}

// foundPrincipal is a principal that was asked for by principalColumns alone.
type foundPrincipal struct{ row principalRow }

func (f *foundPrincipal) fields() []any { return f.row.columns() }

// forUpdate leaves foreign keys to p alone: who only refers to a principal
// does not wait for who changes it.
const forUpdate = " FOR NO KEY UPDATE OF p"

type principals struct{ *conn }

func (t principals) locking(query string) string {
	if t.lock {
		return query + forUpdate
	}
	return query
}

func (t principals) ByID(ctx context.Context, id principal.ID) (*principal.Principal, error) {
	r, err := take[foundPrincipal](ctx, t.conn, "load principal",
		t.locking("SELECT "+principalColumns+" FROM principals p WHERE p.id = ?"), string(id))
	if err != nil {
		return nil, err
	}
	return t.restore(r.row)
}

func (t principals) ByEmail(ctx context.Context, normal string) (*principal.Principal, error) {
	where, args := t.whereEmail(normal)
	r, err := take[foundPrincipal](ctx, t.conn, "load principal by address",
		t.locking("SELECT "+principalColumns+" FROM principals p WHERE "+where), args...)
	if err != nil {
		return nil, err
	}
	return t.restoreFor(r.row, normal)
}

// restoreFor restores who was found by an address.
func (s *safe) restoreFor(r principalRow, normal string) (*principal.Principal, error) {
	p, err := s.restore(r)
	if err == nil && p.Email().Normal() != normal {
		return nil, invalid(r.ID, errors.New("found by an address that is not its own"))
	}
	return p, err
}

func (t principals) Add(ctx context.Context, p *principal.Principal) error {
	s := p.Snapshot()
	k, err := t.vault.NewDataKey(string(s.ID))
	if err != nil {
		return classify("add principal", err)
	}
	r, err := t.rowOf(s, k)
	if err != nil {
		return err
	}
	return t.atomically(ctx, func(c *conn) error {
		if err := c.create(ctx, "add principal", &r); err != nil {
			return err
		}
		c.remember(s.ID, k.Wrapped)
		if err := c.addIdentities(ctx, s); err != nil {
			return err
		}
		return c.joinGroups(ctx, s)
	})
}

func (t principals) Save(ctx context.Context, p *principal.Principal) error {
	s := p.Snapshot()
	var r principalRow
	err := t.with(ctx, s.ID, func(k outbound.DataKey) (err error) {
		r, err = t.rowOf(s, k)
		return err
	})
	if errors.Is(err, outbound.ErrNotFound) {
		return stale("save principal")
	}
	if err != nil {
		return err
	}
	return t.atomically(ctx, func(c *conn) error { return c.save(ctx, s, r) })
}

func (c *conn) save(ctx context.Context, s principal.Snapshot, r principalRow) error {
	sameIdentities, sameGroups := c.lists(s.Version, r)
	r.Version++
	var rows int64
	err := c.attempt(ctx, "save principal", func(ctx context.Context) error {
		// Select("*"), or GORM leaves alone what is to be zero.
		res := c.write.WithContext(ctx).Model(&principalRow{}).
			Where("id = ? AND version = ?", r.ID, s.Version).Select("*").Updates(&r)
		rows = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return err
	}
	if rows == 0 {
		return stale("save principal")
	}
	if !sameIdentities {
		if _, err := c.exec(ctx, "save identities", "DELETE FROM identities WHERE principal_id = ?", r.ID); err != nil {
			return err
		}
		if err := c.addIdentities(ctx, s); err != nil {
			return err
		}
	}
	if sameGroups {
		return nil
	}
	return c.saveGroups(ctx, s)
}

func stale(op string) error { return fmt.Errorf("%s: %w", op, outbound.ErrStale) }

func (c *conn) addIdentities(ctx context.Context, s principal.Snapshot) error {
	if len(s.Identities) == 0 {
		return nil
	}
	rows := make([]identityRow, len(s.Identities))
	for i, id := range s.Identities {
		rows[i] = identityRow{id.Provider, id.Subject, string(s.ID)}
	}
	return c.create(ctx, "save identities", &rows)
}

func (t principals) Users(ctx context.Context, after principal.ID, limit int) ([]*principal.Principal, error) {
	rows, err := query[principalRow](ctx, t.conn, "list users",
		"SELECT "+principalColumns+" FROM principals p WHERE p.kind = 'user' AND p.id > ? ORDER BY p.id LIMIT ?", string(after), limit)
	if err != nil {
		return nil, err
	}
	out := make([]*principal.Principal, len(rows))
	for i, r := range rows {
		if out[i], err = t.restore(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t principals) EnabledAdmins(ctx context.Context) ([]principal.ID, error) {
	return query[principal.ID](ctx, t.conn, "list admins",
		t.locking("SELECT p.id FROM principals p WHERE p.admin AND NOT p.disabled ORDER BY p.id"))
}

// emailSlots returns what stands for an address in email_idx and
// email_idx_next: each is NULL unless a key has that slot.
func (s *safe) emailSlots(normal string) (idx, next []byte) { return s.vault.Slots("email", normal) }

// whereEmail finds the principal p of an address by whatever key it is indexed
// under.
func (s *safe) whereEmail(normal string) (condition string, args []any) {
	idx, next := s.emailSlots(normal)
	switch {
	case next == nil:
		return "p.email_idx = ?", []any{idx}
	case idx == nil:
		return "p.email_idx_next = ?", []any{next}
	}
	return "(p.email_idx = ? OR p.email_idx_next = ?)", []any{idx, next}
}

func (s *safe) rowOf(p principal.Snapshot, k outbound.DataKey) (principalRow, error) {
	identities, err := json.Marshal(p.Identities)
	if err != nil {
		return principalRow{}, invalid(string(p.ID), err)
	}
	r := principalRow{
		ID: string(p.ID), Kind: string(p.Kind), Name: p.Name, NameFold: principal.Fold(p.Name), EmailVerified: p.EmailVerified,
		Admin: p.Admin, Disabled: p.Disabled, PasswordHash: p.Hash.Encoded(), Identities: string(identities),
		GroupKeys: strings.Join(p.Groups, " "), Factors: methods(p.Factors), Preferred: string(p.Factors.Preferred), CredVersion: p.CredVersion, TokenGen: p.TokenGen, DataKey: k.Wrapped,
		CreatedAt: at(p.CreatedAt), LastActive: at(p.LastActive), Version: p.Version,
	}
	if r.Avatar, err = avatarText(p.Avatar); err != nil {
		return principalRow{}, invalid(r.ID, err)
	}
	if p.Email.IsZero() {
		return r, nil
	}
	r.EmailIdx, r.EmailIdxNext = s.emailSlots(p.Email.Normal())
	r.Email, err = s.sealText(k, field("principals", "email", r.ID), p.Email.Typed())
	return r, err
}

// restore also remembers what it has seen, for whatever is changed next.
func (s *safe) restore(r principalRow) (*principal.Principal, error) {
	s.note(principal.ID(r.ID), sight{r.DataKey, &r})
	typed, err := s.openText(s.dataKey(r.ID, r.DataKey), field("principals", "email", r.ID), r.Email)
	if err != nil {
		return nil, err
	}
	out := principal.Snapshot{
		ID: principal.ID(r.ID), Kind: principal.Kind(r.Kind), Name: r.Name, EmailVerified: r.EmailVerified,
		Admin: r.Admin, Disabled: r.Disabled, Hash: password.NewHash(r.PasswordHash),
		CredVersion: r.CredVersion, TokenGen: r.TokenGen,
		CreatedAt: r.CreatedAt.Time, LastActive: r.LastActive.Time, Version: r.Version,
	}
	if err := json.Unmarshal([]byte(r.Identities), &out.Identities); err != nil {
		return nil, invalid(r.ID, errors.New("identities are not a list of identities"))
	}
	if out.Avatar, err = avatarIn(r.Avatar); err != nil {
		return nil, invalid(r.ID, err)
	}
	if r.GroupKeys != "" {
		out.Groups = strings.Split(r.GroupKeys, " ")
	}
	var ok bool
	if out.Factors, ok = factor.Restore(methodsOf(r.Factors), factor.Method(r.Preferred)); !ok {
		return nil, invalid(r.ID, errors.New("second factors are none"))
	}
	if r.Email != nil {
		if out.Email, ok = email.Restore(typed); !ok {
			return nil, invalid(r.ID, errors.New("address is none"))
		}
	}
	p, err := principal.Restore(out)
	if err != nil {
		return nil, invalid(r.ID, err)
	}
	return p, nil
}

func methods(s factor.Set) string {
	all := make([]string, 0, 3)
	for _, m := range s.Methods() {
		all = append(all, string(m))
	}
	return strings.Join(all, " ")
}

func methodsOf(text string) []factor.Method {
	all := []factor.Method{}
	for m := range strings.FieldsSeq(text) {
		all = append(all, factor.Method(m))
	}
	return all
}

func invalid(id string, err error) error {
	return fault.New(fault.InvalidPrincipalDocument).Because(fmt.Errorf("principal %s: %w", id, err))
}
