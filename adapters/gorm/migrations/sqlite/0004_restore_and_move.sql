-- +goose Up

-- What is true of the database as a whole: restore_epoch, and id once something
-- had to tell it from others.
CREATE TABLE meta (
    name text NOT NULL PRIMARY KEY,
    value text NOT NULL
) STRICT;

-- The move that fills this database from another one. Nobody is served before
-- it is finished.
CREATE TABLE moves (
    source text NOT NULL PRIMARY KEY, -- id of the other database
    started_at text NOT NULL,
    finished_at text
) STRICT;

-- +goose Down
DROP TABLE moves;
DROP TABLE meta;
