-- +goose Up

-- Not used: the one process of a file keeps its buckets in memory. It is here
-- because both dialects have the same tables.
CREATE TABLE buckets (
    key blob NOT NULL PRIMARY KEY,
    full_at integer NOT NULL,
    taken integer NOT NULL
) STRICT;

-- +goose Down
DROP TABLE buckets;
