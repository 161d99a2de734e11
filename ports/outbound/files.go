package outbound

import (
	"context"
	"io"
	"time"

	"gatehouse/domain/avatar"
	"gatehouse/domain/principal"
)

// Files keeps what is known of files, and whose they are. A file is staged
// before its bytes are stored, and what is nobody's stays known until somebody
// has removed its bytes: so none is forgotten, wherever a process dies. All of it
// is readable at rest.
type Files interface {
	// Stage notes files that are to be removed from until on, unless they become
	// somebody's before. It returns ErrTaken when one of them is known.
	Stage(ctx context.Context, until time.Time, all ...avatar.File) error
	// Swap makes staged files those of a principal, and whatever else was theirs
	// nobody's, to be removed at once. It returns ErrStale when one of them is to
	// be removed at now, or not known.
	Swap(ctx context.Context, of principal.ID, now time.Time, keys ...string) error
	// ByKey returns ErrNotFound when that is nobody's file. One statement.
	ByKey(ctx context.Context, key string) (avatar.File, error)
	// Unwanted lists files that are to be removed at now, in the order of their
	// keys, from after on. Those of a deleted principal are among them.
	Unwanted(ctx context.Context, now time.Time, after string, limit int) (keys []string, err error)
	// Forget removes what is known of files that are nobody's.
	Forget(ctx context.Context, keys ...string) error
}

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
