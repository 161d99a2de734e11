-- +goose Up

-- Only one process writes to SQLite, and it changes its keys before it goes on.

-- +goose Down
