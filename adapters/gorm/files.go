package gorm

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/domain/avatar"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// avatarDocument is an avatar in the row of its principal. Renditions
// are by size, smallest first.
type avatarDocument struct {
	ID      string      `json:"id"`
	Key     string      `json:"key"`
	Type    avatar.Type `json:"type"`
	Created time.Time   `json:"created"`
	Updated time.Time   `json:"updated"`
	Bytes   []int64     `json:"bytes"`
	Sides   []int       `json:"sides"`
}

func avatarText(a avatar.Avatar) (string, error) {
	if a.IsZero() {
		return "", nil
	}
	d := avatarDocument{ID: a.ID, Key: a.Key, Type: a.Type, Created: at(a.CreatedAt).Time, Updated: at(a.UpdatedAt).Time}
	for _, r := range a.Renditions {
		d.Bytes, d.Sides = append(d.Bytes, r.Bytes), append(d.Sides, r.Side)
	}
	text, err := json.Marshal(d)
	return string(text), err
}

// avatarIn does not look whether the avatar is valid: its principal does.
func avatarIn(text string) (a avatar.Avatar, err error) {
	if text == "" {
		return a, nil
	}
	var d avatarDocument
	if err := json.Unmarshal([]byte(text), &d); err != nil || len(d.Bytes) != len(a.Renditions) || len(d.Sides) != len(a.Renditions) {
		return a, fmt.Errorf("avatar: %w", avatar.ErrInvalid)
	}
	a = avatar.Avatar{ID: d.ID, Key: d.Key, Type: d.Type, CreatedAt: d.Created, UpdatedAt: d.Updated}
	for i := range a.Renditions {
		a.Renditions[i] = avatar.Rendition{Bytes: d.Bytes[i], Side: d.Sides[i]}
	}
	return a, nil
}

type fileRow struct {
	Key         string `gorm:"primaryKey"`
	PrincipalID *string
	ContentType string
	Bytes       int64
	StagedUntil *instant
}

func (fileRow) TableName() string { return "files" }

type files struct{ *conn }

func (t files) Stage(ctx context.Context, until time.Time, all ...avatar.File) error {
	rows := make([]fileRow, len(all))
	for i, f := range all {
		rows[i] = fileRow{Key: f.Key, ContentType: string(f.Type), Bytes: f.Bytes, StagedUntil: new(at(until))}
	}
	return t.create(ctx, "stage files", &rows)
}

// Swap lets go of everything first: what is staged is nobody's.
func (t files) Swap(ctx context.Context, of principal.ID, now time.Time, keys ...string) error {
	return t.atomically(ctx, func(c *conn) error {
		if _, err := c.exec(ctx, "let files go", "UPDATE files SET principal_id = NULL WHERE principal_id = ?", string(of)); err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		n, err := c.exec(ctx, "swap files", "UPDATE files SET principal_id = ?, staged_until = NULL"+
			" WHERE key IN ? AND principal_id IS NULL AND staged_until > ?", string(of), keys, at(now))
		if err == nil && n < len(keys) {
			return stale("swap files")
		}
		return err
	})
}

// foundFile is what is served of a file.
type foundFile struct{ avatar.File }

func (f *foundFile) fields() []any { return []any{&f.Key, (*string)(&f.Type), &f.Bytes} }

func (t files) ByKey(ctx context.Context, key string) (avatar.File, error) {
	f, err := take[foundFile](ctx, t.conn, "find file",
		"SELECT key, content_type, bytes FROM files WHERE key = ? AND principal_id IS NOT NULL", key)
	return f.File, err
}

func (t files) Unwanted(ctx context.Context, now time.Time, after string, limit int) ([]string, error) {
	return query[string](ctx, t.conn, "list unwanted files", "SELECT key FROM files"+
		" WHERE principal_id IS NULL AND (staged_until IS NULL OR staged_until <= ?) AND key > ? ORDER BY key LIMIT ?", at(now), after, limit)
}

func (t files) Forget(ctx context.Context, keys ...string) error {
	_, err := t.exec(ctx, "forget files", "DELETE FROM files WHERE key IN ? AND principal_id IS NULL", keys)
	return err
}

var _ outbound.Files = files{}
