-- +goose Up

ALTER TABLE principals ADD COLUMN
    avatar text NOT NULL DEFAULT ''; -- what its files say too, as JSON, so that one locked row is the whole principal; '' without one

-- Nobody's are those to be removed: at once, or from staged_until on.
CREATE TABLE files (
    key text COLLATE "C" PRIMARY KEY,
    principal_id text COLLATE "C" REFERENCES principals (id) ON DELETE SET NULL,
    content_type text NOT NULL,
    bytes bigint NOT NULL,
    staged_until timestamptz
);
CREATE INDEX files_principal ON files (principal_id);
CREATE INDEX files_unwanted ON files (key) WHERE principal_id IS NULL;

-- +goose Down
DROP TABLE files;
ALTER TABLE principals DROP COLUMN avatar;
