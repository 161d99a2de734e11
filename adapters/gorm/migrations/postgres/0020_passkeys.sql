-- +goose Up

CREATE TABLE passkeys (
    id text COLLATE "C" PRIMARY KEY,
    principal_id text COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    credential bytea NOT NULL UNIQUE, -- chosen by the authenticator
    public_key bytea NOT NULL, -- COSE_Key
    name bytea NOT NULL, -- sealed
    aaguid bytea NOT NULL,
    transports text NOT NULL, -- separated by blanks
    backup_eligible boolean NOT NULL,
    backed_up boolean NOT NULL,
    sign_count bigint NOT NULL,
    created_at timestamptz NOT NULL,
    last_used timestamptz
);
CREATE INDEX passkeys_principal ON passkeys (principal_id);

-- +goose Down
DROP TABLE passkeys;
