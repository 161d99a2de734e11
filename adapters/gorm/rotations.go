package gorm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

type rotationRow struct {
	ID         string `gorm:"primaryKey"`
	StartedAt  instant
	FinishedAt instant
	Steps      string
	Fence      int
}

func (rotationRow) TableName() string { return "rotations" }

type rotations struct{ *conn }

func (t rotations) Latest(ctx context.Context) (key.Rotation, error) {
	r, err := take[rotationRow](ctx, t.conn, "load rotation",
		"SELECT id, started_at, finished_at, steps FROM rotations ORDER BY started_at DESC, id DESC LIMIT 1")
	if err != nil {
		return key.Rotation{}, err
	}
	return r.rotation()
}

func (r rotationRow) rotation() (key.Rotation, error) {
	out := key.Rotation{ID: r.ID, StartedAt: r.StartedAt.Time, FinishedAt: r.FinishedAt.Time}
	if err := json.Unmarshal([]byte(r.Steps), &out.Steps); err != nil {
		return key.Rotation{}, classify("load rotation", fmt.Errorf("steps of %s: %w", r.ID, err))
	}
	return out, nil
}

func (t rotations) Start(ctx context.Context, r key.Rotation) error {
	steps, err := json.Marshal(r.Steps)
	if err != nil {
		return classify("start rotation", err)
	}
	return t.create(ctx, "start rotation", &rotationRow{
		ID: r.ID, StartedAt: at(r.StartedAt), FinishedAt: at(r.FinishedAt), Steps: string(steps),
	})
}

func (t rotations) Claim(ctx context.Context, owner string, now, until time.Time) (outbound.RotationClaim, error) {
	const op = "claim rotation"
	rows, err := returning[rotationRow](ctx, t.conn, op,
		"UPDATE rotations SET lease_owner = ?, lease_until = ?, fence = fence + 1"+
			" WHERE finished_at IS NULL AND (lease_owner IS NULL OR lease_owner = ? OR lease_until <= ?)"+
			" RETURNING id, started_at, finished_at, steps, fence", owner, at(until), owner, at(now))
	if err != nil {
		return outbound.RotationClaim{}, err
	}
	if len(rows) == 0 {
		return outbound.RotationClaim{}, t.whyNot(ctx, op)
	}
	r, err := rows[0].rotation()
	return outbound.RotationClaim{Rotation: r, Owner: owner, Fence: rows[0].Fence}, err
}

// whyNot tells apart whether none runs, or it is somebody else's.
func (t rotations) whyNot(ctx context.Context, op string) error {
	_, err := take[rotationRow](ctx, t.conn, op, "SELECT id FROM rotations WHERE finished_at IS NULL")
	if err == nil {
		return fmt.Errorf("%s: %w", op, outbound.ErrTaken)
	}
	return err
}

var errNoRotation = errors.New("steps cannot be written")

func (t rotations) Save(ctx context.Context, c outbound.RotationClaim, until time.Time) error {
	const op = "save rotation"
	steps, err := json.Marshal(c.Rotation.Steps)
	if err != nil {
		return classify(op, errNoRotation)
	}
	n, err := t.exec(ctx, op, "UPDATE rotations SET steps = ?, finished_at = ?, lease_until = ?"+
		" WHERE id = ? AND finished_at IS NULL AND lease_owner = ? AND fence = ?",
		string(steps), at(c.Rotation.FinishedAt), at(until), c.Rotation.ID, c.Owner, c.Fence)
	if err == nil && n == 0 {
		return stale(op)
	}
	return err
}
