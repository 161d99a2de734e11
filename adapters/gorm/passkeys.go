package gorm

import (
	"context"
	"strings"

	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type passkeyRow struct {
	ID             string `gorm:"primaryKey"`
	PrincipalID    string
	Credential     []byte
	PublicKey      []byte
	Name           []byte
	AAGUID         []byte `gorm:"column:aaguid"`
	Transports     string
	BackupEligible bool
	BackedUp       bool
	SignCount      uint32
	CreatedAt      instant
	LastUsed       instant
}

func (passkeyRow) TableName() string { return "passkeys" }

// foundPasskey is a passkey with the key of its owner's data.
type foundPasskey struct {
	Passkey passkeyRow `gorm:"embedded"`
	DataKey []byte
}

const passkeyQuery = "SELECT k.id, k.principal_id, k.credential, k.public_key, k.name, k.aaguid, k.transports, k.backup_eligible, " +
	"k.backed_up, k.sign_count, k.created_at, k.last_used, p.data_key FROM passkeys k JOIN principals p ON p.id = k.principal_id WHERE "

type passkeys struct{ *conn }

func passkeyName(id passkey.ID) outbound.Field { return field("passkeys", "name", string(id)) }

func (t passkeys) Add(ctx context.Context, p passkey.Passkey) error {
	r := passkeyRow{
		ID: string(p.ID), PrincipalID: string(p.Principal), Credential: p.Credential, PublicKey: p.Public, AAGUID: p.AAGUID[:],
		Transports: strings.Join(p.Transports, " "), BackupEligible: p.BackupEligible, BackedUp: p.BackedUp, SignCount: p.SignCount,
		CreatedAt: at(p.CreatedAt), LastUsed: at(p.LastUsed),
	}
	err := t.with(ctx, p.Principal, func(k outbound.DataKey) (err error) {
		r.Name, err = t.seal(k, passkeyName(p.ID), []byte(p.Name))
		return err
	})
	if err != nil {
		return unlessMissing("add passkey", err)
	}
	return t.create(ctx, "add passkey", &r)
}

func (t passkeys) Of(ctx context.Context, of principal.ID) ([]passkey.Passkey, error) {
	rows, err := query[foundPasskey](ctx, t.conn, "list passkeys", passkeyQuery+"k.principal_id = ? ORDER BY k.created_at, k.id", string(of))
	if err != nil {
		return nil, err
	}
	all := make([]passkey.Passkey, len(rows))
	for i, r := range rows {
		if all[i], err = t.passkey(r); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (t passkeys) ByCredential(ctx context.Context, credential []byte) (passkey.Passkey, error) {
	r, err := take[foundPasskey](ctx, t.conn, "find passkey", passkeyQuery+"k.credential = ?", credential)
	if err != nil {
		return passkey.Passkey{}, err
	}
	return t.passkey(r)
}

func (s *safe) passkey(found foundPasskey) (passkey.Passkey, error) {
	r := found.Passkey
	name, err := s.open(s.dataKey(r.PrincipalID, found.DataKey), passkeyName(passkey.ID(r.ID)), r.Name)
	if err != nil {
		return passkey.Passkey{}, err
	}
	p := passkey.Passkey{
		ID: passkey.ID(r.ID), Principal: principal.ID(r.PrincipalID), Name: string(name),
		CreatedAt: r.CreatedAt.Time, LastUsed: r.LastUsed.Time,
		Key: passkey.Key{
			Credential: r.Credential, Public: r.PublicKey, Transports: strings.Fields(r.Transports),
			BackupEligible: r.BackupEligible, BackedUp: r.BackedUp, SignCount: r.SignCount,
		},
	}
	copy(p.AAGUID[:], r.AAGUID)
	return p, nil
}

func (t passkeys) Rename(ctx context.Context, of principal.ID, id passkey.ID, name string) error {
	var sealed []byte
	err := t.with(ctx, of, func(k outbound.DataKey) (err error) {
		sealed, err = t.seal(k, passkeyName(id), []byte(name))
		return err
	})
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "rename passkey", "UPDATE passkeys SET name = ? WHERE id = ? AND principal_id = ?", sealed, string(id), string(of))
	if err == nil && n == 0 {
		return missing("rename passkey")
	}
	return err
}

func (t passkeys) Use(ctx context.Context, used passkey.Passkey, before uint32) error {
	n, err := t.exec(ctx, "use passkey", "UPDATE passkeys SET sign_count = ?, backed_up = ?, last_used = ? WHERE id = ? AND sign_count = ?",
		used.SignCount, used.BackedUp, at(used.LastUsed), string(used.ID), before)
	if err == nil && n == 0 {
		return stale("use passkey")
	}
	return err
}

func (t passkeys) Delete(ctx context.Context, of principal.ID, id passkey.ID) error {
	n, err := t.exec(ctx, "delete passkey", "DELETE FROM passkeys WHERE id = ? AND principal_id = ?", string(id), string(of))
	if err == nil && n == 0 {
		return missing("delete passkey")
	}
	return err
}
