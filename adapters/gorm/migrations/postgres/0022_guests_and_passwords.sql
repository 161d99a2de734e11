-- No guest has a password. Who thinks that the two have nothing to do with each
-- other expects many users without one where there are many guests, and reads
-- all of the table to find them.

-- +goose Up
CREATE STATISTICS principals_kind_password (mcv) ON kind, has_password FROM principals;

-- +goose Down
DROP STATISTICS principals_kind_password;
