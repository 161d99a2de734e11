-- +goose Up

ALTER TABLE keys ADD COLUMN
    slot integer NOT NULL DEFAULT 0; -- of blind-index keys: 1 fills email_idx, 2 email_idx_next, 0 neither
ALTER TABLE keys ADD COLUMN
    due_at text; -- of a next key: from when on it is the current one
ALTER TABLE keys ADD COLUMN
    retired_at text;
UPDATE keys SET slot = 1 WHERE purpose = 'blind_index';
CREATE UNIQUE INDEX keys_next ON keys (purpose) WHERE state = 'next';
CREATE UNIQUE INDEX keys_slot ON keys (slot) WHERE slot <> 0;

CREATE TABLE rotations (
    id text NOT NULL PRIMARY KEY,
    started_at text NOT NULL,
    finished_at text,
    steps text NOT NULL, -- JSON
    lease_owner text,
    lease_until text,
    fence integer NOT NULL
) STRICT;
CREATE UNIQUE INDEX rotations_running ON rotations ((finished_at IS NULL)) WHERE finished_at IS NULL;
CREATE INDEX rotations_started ON rotations (started_at, id);

-- +goose Down
DROP TABLE rotations;
DROP INDEX keys_slot;
DROP INDEX keys_next;
ALTER TABLE keys DROP COLUMN retired_at;
ALTER TABLE keys DROP COLUMN due_at;
ALTER TABLE keys DROP COLUMN slot;
