-- +goose Up

-- Second factors that are on, separated by blanks, and the one that is preferred.
ALTER TABLE principals ADD COLUMN factors text NOT NULL DEFAULT '';
ALTER TABLE principals ADD COLUMN preferred_factor text NOT NULL DEFAULT '';

-- Of challenges: for what, proven by what so far (separated by blanks), guesses.
ALTER TABLE one_time ADD COLUMN purpose text NOT NULL DEFAULT '';
ALTER TABLE one_time ADD COLUMN proven text NOT NULL DEFAULT '';
ALTER TABLE one_time ADD COLUMN
    tries bigint NOT NULL DEFAULT 0;

CREATE TABLE totp_secrets (
    principal_id text COLLATE "C" PRIMARY KEY REFERENCES principals (id) ON DELETE CASCADE,
    secret bytea NOT NULL, -- sealed
    last_step bigint NOT NULL -- no code of this step or of one before it counts
);

CREATE TABLE totp_setups (
    principal_id text COLLATE "C" PRIMARY KEY REFERENCES principals (id) ON DELETE CASCADE,
    id text NOT NULL, -- jti of the setup token
    payload bytea NOT NULL, -- sealed; secret and recovery codes
    tries bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX totp_setups_expires ON totp_setups (expires_at);

CREATE TABLE recovery_codes (
    principal_id text COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    hash text COLLATE "C" NOT NULL, -- those of a principal have one salt
    PRIMARY KEY (principal_id, hash)
);

CREATE TABLE mailed_codes (
    principal_id text COLLATE "C" PRIMARY KEY REFERENCES principals (id) ON DELETE CASCADE,
    code bytea NOT NULL, -- keyed, of principal and code
    tries bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX mailed_codes_expires ON mailed_codes (expires_at);

-- +goose Down
DROP TABLE mailed_codes;
DROP TABLE recovery_codes;
DROP TABLE totp_setups;
DROP TABLE totp_secrets;
ALTER TABLE one_time DROP COLUMN tries;
ALTER TABLE one_time DROP COLUMN proven;
ALTER TABLE one_time DROP COLUMN purpose;
ALTER TABLE principals DROP COLUMN preferred_factor;
ALTER TABLE principals DROP COLUMN factors;
