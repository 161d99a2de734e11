-- +goose Up

-- To look up and lock the session of each pair cost a fifth of a refresh. A
-- pair is found through its live session only, is sealed under the key of a
-- principal, which goes with it, and is swept ten seconds later anyway: one
-- that is left behind can neither be found nor opened.
ALTER TABLE refresh_grace DROP CONSTRAINT refresh_grace_session_id_fkey;

-- +goose Down
DELETE FROM refresh_grace g WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.id = g.session_id);
ALTER TABLE refresh_grace
    ADD CONSTRAINT refresh_grace_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE;
