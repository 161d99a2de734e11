-- +goose Up

CREATE TABLE groups (
    key text COLLATE "C" PRIMARY KEY
);

CREATE TABLE group_translations (
    group_key text COLLATE "C" NOT NULL REFERENCES groups (key) ON DELETE CASCADE,
    locale text COLLATE "C" NOT NULL, -- canonical tag
    name text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    PRIMARY KEY (group_key, locale)
);

-- A group goes when nobody is in it any more.
CREATE TABLE group_members (
    group_key text COLLATE "C" NOT NULL REFERENCES groups (key),
    principal_id text COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    PRIMARY KEY (group_key, principal_id)
);
CREATE INDEX group_members_principal ON group_members (principal_id);

ALTER TABLE principals ADD COLUMN
    group_keys text NOT NULL DEFAULT ''; -- as in the table group_members, separated by blanks, so that one locked row is the whole principal

-- +goose Down
ALTER TABLE principals DROP COLUMN group_keys;
DROP TABLE group_members;
DROP TABLE group_translations;
DROP TABLE groups;
