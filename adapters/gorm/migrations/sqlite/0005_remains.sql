-- +goose Up

-- What the housekeeping looks for, lest it reads whole tables.
CREATE INDEX sessions_over ON sessions (min(COALESCE(ended_at, expires_at), expires_at, absolute_until));
CREATE INDEX attempts_last ON attempts (last);
CREATE INDEX cooldowns_until ON cooldowns (until);

-- +goose Down
DROP INDEX cooldowns_until;
DROP INDEX attempts_last;
DROP INDEX sessions_over;
