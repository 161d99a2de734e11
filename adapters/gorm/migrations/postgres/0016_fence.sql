-- +goose Up

-- A process that was stopped while the key of the index of addresses changed,
-- and goes on, would write what nobody finds any more, or what is there already
-- under the other key. So an address is only written into the slot of the key
-- that is the current one then, and the key does not change meanwhile.
-- +goose StatementBegin
CREATE FUNCTION principals_indexed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE current bigint;
BEGIN
    IF NEW.email IS NULL THEN
        RETURN NEW;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(7201996, 16);
    SELECT slot INTO current FROM keys WHERE purpose = 'blind_index' AND state = 'current';
    IF (current = 1 AND NEW.email_idx IS NULL) OR (current = 2 AND NEW.email_idx_next IS NULL) THEN
        RAISE EXCEPTION 'address is not indexed under the current key' USING ERRCODE = 'GH001';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER principals_indexed BEFORE INSERT OR UPDATE OF email, email_idx, email_idx_next ON principals
    FOR EACH ROW EXECUTE FUNCTION principals_indexed();

-- +goose Down
DROP TRIGGER principals_indexed ON principals;
DROP FUNCTION principals_indexed();
