-- +goose Up

CREATE TABLE passkeys (
    id text NOT NULL PRIMARY KEY,
    principal_id text NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    credential blob NOT NULL UNIQUE, -- chosen by the authenticator
    public_key blob NOT NULL, -- COSE_Key
    name blob NOT NULL, -- sealed
    aaguid blob NOT NULL,
    transports text NOT NULL, -- separated by blanks
    backup_eligible integer NOT NULL,
    backed_up integer NOT NULL,
    sign_count integer NOT NULL,
    created_at text NOT NULL,
    last_used text
) STRICT;
CREATE INDEX passkeys_principal ON passkeys (principal_id);

-- +goose Down
DROP TABLE passkeys;
