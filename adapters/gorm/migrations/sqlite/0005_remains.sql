-- +goose Up

-- What the housekeeping looks for, lest it reads whole tables.
ALTER TABLE sessions ADD COLUMN
    sweep_at text NOT NULL DEFAULT ''; -- not over before; looked at then, and put off if it is not
CREATE INDEX sessions_sweep ON sessions (sweep_at);
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX attempts_last ON attempts (last);
CREATE INDEX cooldowns_until ON cooldowns (until);

-- +goose Down
DROP INDEX cooldowns_until;
DROP INDEX attempts_last;
DROP INDEX sessions_ended;
DROP INDEX sessions_sweep;
ALTER TABLE sessions DROP COLUMN sweep_at;
