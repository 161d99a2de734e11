-- +goose Up

ALTER TABLE principals ADD COLUMN
    name_fold text NOT NULL DEFAULT ''; -- the name without regard to case; '' until the program has filled it in

-- A refresh moves last_active: an index on that has to be written as well. A day
-- changes once a day.
ALTER TABLE principals ADD COLUMN
    last_active_on text GENERATED ALWAYS AS (substr(last_active, 1, 10)) VIRTUAL;
ALTER TABLE principals ADD COLUMN
    has_password integer GENERATED ALWAYS AS (password_hash <> '') VIRTUAL;

-- What administrators list users by, and count them with.
CREATE INDEX principals_unfolded ON principals (id) WHERE name_fold = '';
CREATE INDEX users_id ON principals (id) WHERE kind = 'user';
CREATE INDEX users_created ON principals (created_at, id) WHERE kind = 'user';
CREATE INDEX users_active ON principals (last_active_on) WHERE kind = 'user';
CREATE INDEX users_name ON principals (name_fold, created_at, id) WHERE kind = 'user';
CREATE INDEX users_admin ON principals (created_at, id) WHERE kind = 'user' AND admin;
CREATE INDEX users_password ON principals (has_password, created_at, id) WHERE kind = 'user';
CREATE INDEX identities_provider ON identities (provider, principal_id);

-- +goose Down
DROP INDEX identities_provider;
DROP INDEX users_password;
DROP INDEX users_admin;
DROP INDEX users_name;
DROP INDEX users_active;
DROP INDEX users_created;
DROP INDEX users_id;
DROP INDEX principals_unfolded;
ALTER TABLE principals DROP COLUMN has_password;
ALTER TABLE principals DROP COLUMN last_active_on;
ALTER TABLE principals DROP COLUMN name_fold;
