package outbound

import (
	"context"
	"io"
)

// Storage keeps the bytes of files. What they are, and whose, is in [Files].
// Keys are those [gatehouse/domain/avatar.IsKey] knows, or nothing is kept or
// found. Any number of processes may share one.
type Storage interface {
	// Put keeps a file. When it returns nil the file outlives a crash; when it
	// does not, nobody finds a part of it. What has the key already is replaced
	// at once.
	Put(ctx context.Context, key, contentType string, content []byte) error
	// Open returns ErrNotFound when there is no such file. The caller closes it,
	// and reads what was there when it was opened.
	Open(ctx context.Context, key string) (Content, error)
	// Remove is content with a file that is not there.
	Remove(ctx context.Context, key string) error
}

// Content is an open file.
type Content struct {
	io.ReadCloser

	Size int64 // bytes
}
