-- +goose Up

-- Instants are text in UTC with up to six decimals, so that their order is that
-- of time. "sealed" means encrypted for its row and column, "keyed" a keyed hash.

CREATE TABLE principals (
    id text NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    name text NOT NULL,
    email blob, -- sealed; guests have none
    email_idx blob UNIQUE, -- keyed, of the normal form
    email_idx_next blob UNIQUE, -- the same while the key of the index changes
    email_verified integer NOT NULL,
    admin integer NOT NULL,
    disabled integer NOT NULL,
    password_hash text NOT NULL, -- '' without a password
    identities text NOT NULL, -- as in the table identities, so that one locked row is the whole principal
    cred_version integer NOT NULL,
    token_gen integer NOT NULL,
    data_key blob NOT NULL, -- wrapped
    created_at text NOT NULL,
    last_active text NOT NULL,
    version integer NOT NULL
) STRICT;
CREATE INDEX principals_admins ON principals (id) WHERE admin AND NOT disabled;

CREATE TABLE identities (
    provider text NOT NULL,
    subject text NOT NULL,
    principal_id text NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
) STRICT;
CREATE INDEX identities_principal ON identities (principal_id);

CREATE TABLE sessions (
    id text NOT NULL PRIMARY KEY,
    principal_id text NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    refresh_jti text NOT NULL, -- of the current refresh token
    amr text NOT NULL, -- factors, separated by blanks
    browser blob, -- sealed, as os and origin
    os blob,
    origin blob, -- address and location
    started_at text NOT NULL,
    last_active text NOT NULL,
    expires_at text NOT NULL,
    absolute_until text NOT NULL,
    ended_at text,
    end_reason text
) STRICT;
CREATE INDEX sessions_principal ON sessions (principal_id);

CREATE TABLE refresh_grace (
    session_id text NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    presented text NOT NULL, -- jti of the token that was exchanged
    rotated_at text NOT NULL,
    until text NOT NULL,
    pair blob NOT NULL, -- sealed
    PRIMARY KEY (session_id, presented)
) STRICT;
CREATE INDEX refresh_grace_until ON refresh_grace (until);

CREATE TABLE one_time (
    hash blob NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    principal_id text REFERENCES principals (id) ON DELETE CASCADE,
    session_id text,
    address blob, -- sealed
    address_idx blob, -- keyed, of the normal form
    created_at text NOT NULL,
    expires_at text NOT NULL,
    used_at text,
    voided_at text
) STRICT;
CREATE INDEX one_time_principal ON one_time (principal_id, kind);
CREATE INDEX one_time_expires ON one_time (expires_at);

-- A notice outlives its principal, whose key it then lacks.
CREATE TABLE outbox (
    id text NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    principal_id text,
    locale text NOT NULL,
    payload blob, -- sealed; recipient and contents; wiped when finished
    state text NOT NULL, -- queued, leased, sent, dead
    attempts integer NOT NULL,
    next_at text NOT NULL,
    lease_owner text,
    lease_until text,
    fence integer NOT NULL,
    created_at text NOT NULL,
    expires_at text NOT NULL,
    settled_at text,
    last_error text -- class, never a server's words
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at, id) WHERE state IN ('queued', 'leased');
CREATE INDEX outbox_settled ON outbox (state, settled_at);

CREATE TABLE attempts (
    key blob NOT NULL PRIMARY KEY, -- keyed, of account and network
    failures integer NOT NULL,
    last text
) STRICT;

CREATE TABLE cooldowns (
    key blob NOT NULL PRIMARY KEY, -- keyed, of kind and address
    until text NOT NULL
) STRICT;

CREATE TABLE devices (
    principal_id text NOT NULL REFERENCES principals (id) ON DELETE CASCADE,
    key blob NOT NULL, -- keyed, of principal and device
    last_seen text NOT NULL,
    PRIMARY KEY (principal_id, key)
) STRICT;
CREATE INDEX devices_last_seen ON devices (last_seen);

CREATE TABLE keys (
    id text NOT NULL PRIMARY KEY,
    purpose text NOT NULL,
    algorithm text NOT NULL,
    state text NOT NULL,
    material blob NOT NULL, -- wrapped
    wrapper_id text NOT NULL,
    created_at text NOT NULL
) STRICT;
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
