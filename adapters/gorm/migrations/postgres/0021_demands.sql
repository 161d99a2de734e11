-- +goose Up

-- Of challenges: what the step-up is to yield, as JSON; '' for nothing in particular.
ALTER TABLE one_time ADD COLUMN demand text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE one_time DROP COLUMN demand;
