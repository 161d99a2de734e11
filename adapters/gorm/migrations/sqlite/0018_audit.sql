-- +goose Up

-- The record of what was asked, as a chain: each hash is keyed, and over the row
-- and the hash before it. Its order is that of seq, without gaps. Rows outlive
-- those they are about.
CREATE TABLE audit (
    seq integer NOT NULL PRIMARY KEY,
    id text NOT NULL,
    happened_at text NOT NULL,
    command text NOT NULL,
    principal_id text NOT NULL, -- who asked; '' for nobody
    session_id text NOT NULL,
    target_id text NOT NULL, -- whom it was done to, if that is another one
    thing text NOT NULL, -- what it was done to
    outcome text NOT NULL, -- '' when it was carried out
    request_id text NOT NULL,
    network blob, -- sealed under the key of principal_id, else of target_id, else of the chain
    hash blob NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_id ON audit (id);
CREATE INDEX audit_happened ON audit (happened_at, seq);
CREATE INDEX audit_principal ON audit (principal_id, happened_at, seq);
CREATE INDEX audit_target ON audit (target_id, happened_at, seq);
CREATE INDEX audit_command ON audit (command, happened_at, seq);
CREATE INDEX audit_outcome ON audit (outcome, happened_at, seq);

-- Where the chain that is kept begins and ends, and the key of its hashes.
CREATE TABLE audit_chain (
    name text NOT NULL PRIMARY KEY, -- there is one row
    anchor_seq integer NOT NULL, -- of the last row that was purged
    anchor_hash blob NOT NULL,
    head_seq integer NOT NULL, -- of the last row
    head_hash blob NOT NULL,
    proof blob NOT NULL, -- of both ends, keyed
    data_key blob NOT NULL -- wrapped
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER audit_append_only BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_not_emptied BEFORE DELETE ON audit
WHEN OLD.seq > coalesce((SELECT max(anchor_seq) FROM audit_chain), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
-- REPLACE deletes without asking the triggers of deletions.
CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit
WHEN NEW.seq <= coalesce((SELECT max(seq) FROM audit), 0) OR EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_chain_grows BEFORE UPDATE ON audit_chain
WHEN NOT (NEW.anchor_seq >= OLD.anchor_seq AND NEW.head_seq >= OLD.head_seq AND NEW.anchor_seq <= NEW.head_seq)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not shrink');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_chain_not_emptied BEFORE DELETE ON audit_chain
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not shrink');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_chain_not_replaced BEFORE INSERT ON audit_chain
WHEN EXISTS (SELECT 1 FROM audit_chain)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not shrink');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit;
DROP TABLE audit_chain;
