-- +goose Up

-- Request limits of replicas that share this database. Not logged: after a
-- crash everybody begins with full buckets, which costs less than to log them.
CREATE UNLOGGED TABLE buckets (
    key bytea PRIMARY KEY, -- keyed, of what names the bucket
    full_at bigint NOT NULL, -- when it is full again: microseconds since 1970, by the clock of the database
    taken boolean NOT NULL -- whether the latest request fitted; there to be returned
) WITH (fillfactor = 50); -- rows change all the time, and stay on their page

-- +goose Down
DROP TABLE buckets;
