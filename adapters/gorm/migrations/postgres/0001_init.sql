-- +goose Up

-- Texts that are ordered by compare byte by byte. "sealed" means encrypted for
-- its row and column, "keyed" a keyed hash.

CREATE TABLE principals (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    name text NOT NULL,
    email bytea, -- sealed; guests have none
    email_idx bytea UNIQUE, -- keyed, of the normal form
    email_idx_next bytea UNIQUE, -- the same while the key of the index changes
    email_verified boolean NOT NULL,
    admin boolean NOT NULL,
    disabled boolean NOT NULL,
    password_hash text NOT NULL, -- '' without a password
    identities text NOT NULL, -- as in the table identities, so that one locked row is the whole principal
    cred_version bigint NOT NULL,
    token_gen bigint NOT NULL,
    data_key bytea NOT NULL, -- wrapped
    created_at timestamptz NOT NULL,
    last_active timestamptz NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX principals_admins ON principals (id) WHERE admin AND NOT disabled;

CREATE TABLE identities (
    provider text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    principal_id text COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX identities_principal ON identities (principal_id);

CREATE TABLE sessions (
    id text COLLATE "C" PRIMARY KEY,
    principal_id text COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    refresh_jti text NOT NULL, -- of the current refresh token
    amr text NOT NULL, -- factors, separated by blanks
    browser bytea, -- sealed, as os and origin
    os bytea,
    origin bytea, -- address and location
    started_at timestamptz NOT NULL,
    last_active timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    absolute_until timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text
);
CREATE INDEX sessions_principal ON sessions (principal_id);

CREATE TABLE refresh_grace (
    session_id text COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    presented text COLLATE "C" NOT NULL, -- jti of the token that was exchanged
    rotated_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    pair bytea NOT NULL, -- sealed
    PRIMARY KEY (session_id, presented)
);
CREATE INDEX refresh_grace_until ON refresh_grace (until);

CREATE TABLE one_time (
    hash bytea PRIMARY KEY,
    kind text NOT NULL,
    principal_id text COLLATE "C" REFERENCES principals (id) ON DELETE CASCADE,
    session_id text COLLATE "C",
    address bytea, -- sealed
    address_idx bytea, -- keyed, of the normal form
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    voided_at timestamptz
);
CREATE INDEX one_time_principal ON one_time (principal_id, kind);
CREATE INDEX one_time_expires ON one_time (expires_at);

-- A notice outlives its principal, whose key it then lacks.
CREATE TABLE outbox (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    principal_id text COLLATE "C",
    locale text NOT NULL,
    payload bytea, -- sealed; recipient and contents; wiped when finished
    state text NOT NULL, -- queued, leased, sent, dead
    attempts bigint NOT NULL,
    next_at timestamptz NOT NULL,
    lease_owner text,
    lease_until timestamptz,
    fence bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    settled_at timestamptz,
    last_error text -- class, never a server's words
);
CREATE INDEX outbox_due ON outbox (next_at, id) WHERE state IN ('queued', 'leased');
CREATE INDEX outbox_settled ON outbox (state, settled_at);

CREATE TABLE attempts (
    key bytea PRIMARY KEY, -- keyed, of account and network
    failures bigint NOT NULL,
    last timestamptz
);

CREATE TABLE cooldowns (
    key bytea PRIMARY KEY, -- keyed, of kind and address
    until timestamptz NOT NULL
);

CREATE TABLE devices (
    principal_id text COLLATE "C" NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    key bytea NOT NULL, -- keyed, of principal and device
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (principal_id, key)
);
CREATE INDEX devices_last_seen ON devices (last_seen);

CREATE TABLE keys (
    id text COLLATE "C" PRIMARY KEY,
    purpose text NOT NULL,
    algorithm text NOT NULL,
    state text NOT NULL,
    material bytea NOT NULL, -- wrapped
    wrapper_id text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX keys_current ON keys (purpose) WHERE state = 'current';

-- +goose Down
DROP TABLE keys;
DROP TABLE devices;
DROP TABLE cooldowns;
DROP TABLE attempts;
DROP TABLE outbox;
DROP TABLE one_time;
DROP TABLE refresh_grace;
DROP TABLE sessions;
DROP TABLE identities;
DROP TABLE principals;
