-- +goose Up

ALTER TABLE principals ADD COLUMN
    avatar text NOT NULL DEFAULT ''; -- what its files say too, as JSON, so that one locked row is the whole principal; '' without one

-- Nobody's are those to be removed: at once, or from staged_until on.
CREATE TABLE files (
    key text NOT NULL PRIMARY KEY,
    principal_id text REFERENCES principals (id) ON DELETE SET NULL,
    content_type text NOT NULL,
    bytes integer NOT NULL,
    staged_until text
) STRICT;
CREATE INDEX files_principal ON files (principal_id);
CREATE INDEX files_unwanted ON files (key) WHERE principal_id IS NULL;

-- +goose Down
DROP TABLE files;
ALTER TABLE principals DROP COLUMN avatar;
