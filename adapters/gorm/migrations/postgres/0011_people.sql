-- +goose Up

-- What remains of those who were deleted, for a backup that brings them back.
CREATE TABLE erasures (
    id text COLLATE "C" PRIMARY KEY, -- of the principal
    erased_at timestamptz NOT NULL
);

-- Guests who may be over. When they were last active would change with every
-- refresh, and so would an index of it.
CREATE INDEX principals_guests ON principals (created_at) WHERE kind = 'guest';

-- +goose Down
DROP INDEX principals_guests;
DROP TABLE erasures;
