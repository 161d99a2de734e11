-- +goose Up

-- A guess moves the time of the last one: with an index on that, every index of
-- the table has to be written as well (HOT updates). A day changes once a day.
DROP INDEX attempts_last;
ALTER TABLE attempts
    ADD COLUMN
    last_on date GENERATED ALWAYS AS ((last AT TIME ZONE 'UTC')::date) STORED;
CREATE INDEX attempts_last ON attempts (last_on);

-- Such updates need room beside the row.
ALTER TABLE principals SET (fillfactor = 80);
ALTER TABLE sessions SET (fillfactor = 70);
ALTER TABLE attempts SET (fillfactor = 70);

-- +goose Down
ALTER TABLE attempts RESET (fillfactor);
ALTER TABLE sessions RESET (fillfactor);
ALTER TABLE principals RESET (fillfactor);
DROP INDEX attempts_last;
ALTER TABLE attempts DROP COLUMN last_on;
CREATE INDEX attempts_last ON attempts (last);
