-- +goose Up

-- The record of what was asked, as a chain: each hash is keyed, and over the row
-- and the hash before it. Its order is that of seq, without gaps. Rows outlive
-- those they are about.
CREATE TABLE audit (
    seq bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    happened_at timestamptz NOT NULL,
    command text COLLATE "C" NOT NULL,
    principal_id text COLLATE "C" NOT NULL, -- who asked; '' for nobody
    session_id text COLLATE "C" NOT NULL,
    target_id text COLLATE "C" NOT NULL, -- whom it was done to, if that is another one
    thing text COLLATE "C" NOT NULL, -- what it was done to
    outcome text COLLATE "C" NOT NULL, -- '' when it was carried out
    request_id text COLLATE "C" NOT NULL,
    network bytea, -- sealed under the key of principal_id, else of target_id, else of the chain
    hash bytea NOT NULL
);
CREATE UNIQUE INDEX audit_id ON audit (id);
CREATE INDEX audit_happened ON audit (happened_at, seq);
CREATE INDEX audit_principal ON audit (principal_id, happened_at, seq);
CREATE INDEX audit_target ON audit (target_id, happened_at, seq);
CREATE INDEX audit_command ON audit (command, happened_at, seq);
CREATE INDEX audit_outcome ON audit (outcome, happened_at, seq);

-- Where the chain that is kept begins and ends, and the key of its hashes.
CREATE TABLE audit_chain (
    name text COLLATE "C" PRIMARY KEY, -- there is one row
    anchor_seq bigint NOT NULL, -- of the last row that was purged
    anchor_hash bytea NOT NULL,
    head_seq bigint NOT NULL, -- of the last row
    head_hash bytea NOT NULL,
    proof bytea NOT NULL, -- of both ends, keyed
    data_key bytea NOT NULL -- wrapped
);

-- +goose StatementBegin
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.seq <= (SELECT max(anchor_seq) FROM audit_chain) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'GH018';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

-- +goose StatementBegin
CREATE FUNCTION audit_chain_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.anchor_seq >= OLD.anchor_seq AND NEW.head_seq >= OLD.head_seq AND NEW.anchor_seq <= NEW.head_seq THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail does not shrink' USING ERRCODE = 'GH018';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_chain_grows BEFORE UPDATE OR DELETE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION audit_chain_grows();
CREATE TRIGGER audit_chain_not_emptied BEFORE TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION audit_chain_grows();

-- +goose Down
DROP TABLE audit;
DROP TABLE audit_chain;
DROP FUNCTION audit_append_only();
DROP FUNCTION audit_chain_grows();
