package inbound

import (
	"context"
	"io"

	"gatehouse/domain/avatar"
)

// SetAvatar asks to show a picture for the caller, a user, instead of whatever
// is shown (contract P6, §7.8). What is refused or fails leaves that as it is.
//
// It is refused with USER_NOT_FOUND, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST,
// rule image on file, or FILE_FAILURE.
type SetAvatar struct {
	Context
	Picture []byte // as sent
}

// RemoveAvatar asks to show nothing for the caller, a user (contract P7); there
// need not have been anything. It is refused with USER_NOT_FOUND or
// FILE_FAILURE.
type RemoveAvatar struct{ Context }

// FindFile asks for a rendition (contract F3); who knows its key may see it. It
// is refused with BAD_FILE_REQUEST, FILE_NOT_FOUND or FILE_METADATA_FAILURE.
type FindFile struct{ Key string }

// File is the answer to [FindFile].
type File struct {
	avatar.File

	// Open begins to read the file; the caller closes it. It fails with
	// FILE_NOT_FOUND when the file was let go of meanwhile, with
	// FILE_METADATA_OUT_OF_SYNC when it is not there, or not as long as it was,
	// and with FILE_OPERATION_FAILURE.
	Open func(ctx context.Context) (io.ReadCloser, error)
}
