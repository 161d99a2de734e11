-- +goose Up

ALTER TABLE keys ADD COLUMN
    slot bigint NOT NULL DEFAULT 0; -- of blind-index keys: 1 fills email_idx, 2 email_idx_next, 0 neither
ALTER TABLE keys ADD COLUMN
    due_at timestamptz; -- of a next key: from when on it is the current one
ALTER TABLE keys ADD COLUMN
    retired_at timestamptz;
UPDATE keys SET slot = 1 WHERE purpose = 'blind_index';
CREATE UNIQUE INDEX keys_next ON keys (purpose) WHERE state = 'next';
CREATE UNIQUE INDEX keys_slot ON keys (slot) WHERE slot <> 0;

CREATE TABLE rotations (
    id text COLLATE "C" PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    steps text NOT NULL, -- JSON
    lease_owner text,
    lease_until timestamptz,
    fence bigint NOT NULL
);
CREATE UNIQUE INDEX rotations_running ON rotations ((finished_at IS NULL)) WHERE finished_at IS NULL;
CREATE INDEX rotations_started ON rotations (started_at, id);

-- +goose Down
DROP TABLE rotations;
DROP INDEX keys_slot;
DROP INDEX keys_next;
ALTER TABLE keys DROP COLUMN retired_at;
ALTER TABLE keys DROP COLUMN due_at;
ALTER TABLE keys DROP COLUMN slot;
