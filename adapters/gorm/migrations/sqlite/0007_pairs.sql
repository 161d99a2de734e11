-- +goose Up

-- A foreign key that costs much on PostgreSQL costs little here, and stays.

-- +goose Down
