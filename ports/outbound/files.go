package outbound

import (
	"context"
	"io"

	"gatehouse/domain/avatar"
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

// Painter makes renditions of the pictures people send.
type Painter interface {
	// Paint returns the renditions of a picture: upright, its middle as a square,
	// no larger than they may be and no larger than it was, with nothing of it
	// but what can be seen. Of an animation that is the first frame.
	//
	// It refuses with UNSUPPORTED_MEDIA_TYPE what is no JPEG, PNG, GIF or WebP
	// by its content, and with INVALID_REQUEST, rule image on file, what cannot
	// be decoded or has too many pixels. That it sees in the header, before it
	// decodes anything (faults F58). What is decoded at once is limited: it
	// waits, or refuses with SERVICE_OVERLOADED when too many do. Never call it
	// inside a transaction.
	Paint(ctx context.Context, source []byte) (avatar.Picture, error)
}
