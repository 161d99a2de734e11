-- +goose Up

CREATE TABLE groups (
    key text NOT NULL PRIMARY KEY
) STRICT;

CREATE TABLE group_translations (
    group_key text NOT NULL REFERENCES groups (key) ON DELETE CASCADE,
    locale text NOT NULL, -- canonical tag
    name text NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (group_key, locale)
) STRICT;

-- A group goes when nobody is in it any more.
CREATE TABLE group_members (
    group_key text NOT NULL REFERENCES groups (key),
    principal_id text NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    PRIMARY KEY (group_key, principal_id)
) STRICT;
CREATE INDEX group_members_principal ON group_members (principal_id);

ALTER TABLE principals ADD COLUMN
    group_keys text NOT NULL DEFAULT ''; -- as in the table group_members, separated by blanks, so that one locked row is the whole principal

-- +goose Down
ALTER TABLE principals DROP COLUMN group_keys;
DROP TABLE group_members;
DROP TABLE group_translations;
DROP TABLE groups;
