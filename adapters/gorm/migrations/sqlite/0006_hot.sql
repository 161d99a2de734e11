-- +goose Up

-- A guess moves the time of the last one: an index on that has to be written as
-- well. A day changes once a day.
DROP INDEX attempts_last;
ALTER TABLE attempts
    ADD COLUMN
    last_on text GENERATED ALWAYS AS (substr(last, 1, 10)) VIRTUAL;
CREATE INDEX attempts_last ON attempts (last_on);

-- +goose Down
DROP INDEX attempts_last;
ALTER TABLE attempts DROP COLUMN last_on;
CREATE INDEX attempts_last ON attempts (last);
