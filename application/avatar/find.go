package avatar

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gatehouse/domain/avatar"
	"gatehouse/domain/fault"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.FindFile, inbound.File] = (*Finder)(nil)

// FinderDeps are what a [Finder] works with. All are required.
type FinderDeps struct {
	Work    outbound.UnitOfWork
	Storage outbound.Storage
}

// Finder answers [inbound.FindFile].
type Finder struct{ d FinderDeps }

// NewFinder returns a Finder.
func NewFinder(d FinderDeps) *Finder { return &Finder{d} }

// Do implements [inbound.UseCase].
func (u *Finder) Do(ctx context.Context, q inbound.FindFile) (inbound.File, error) {
	if !avatar.IsKey(q.Key) {
		return inbound.File{}, fault.New(fault.BadFileRequest)
	}
	f, err := u.known(ctx, q.Key)
	if err != nil {
		return inbound.File{}, err
	}
	return inbound.File{File: f, Open: func(ctx context.Context) (io.ReadCloser, error) { return u.open(ctx, f) }}, nil
}

func (u *Finder) known(ctx context.Context, key string) (avatar.File, error) {
	f, err := u.d.Work.Single().Files.ByKey(ctx, key)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return f, fault.New(fault.FileNotFound).Because(err)
	case err != nil:
		return f, fault.New(fault.FileMetadataFailure).Because(err)
	}
	return f, nil
}

// open asks once more who knows a file that is not there: it may have been
// removed since.
func (u *Finder) open(ctx context.Context, f avatar.File) (io.ReadCloser, error) {
	c, err := u.d.Storage.Open(ctx, f.Key)
	if errors.Is(err, outbound.ErrNotFound) {
		if _, gone := u.known(ctx, f.Key); gone != nil {
			return nil, gone
		}
		return nil, fault.New(fault.FileMetadataOutOfSync).Because(err)
	}
	if err != nil {
		return nil, fault.New(fault.FileOperationFailure).Because(err)
	}
	if c.Size != f.Bytes {
		err := fmt.Errorf("there are %d bytes of %d", c.Size, f.Bytes)
		return nil, fault.New(fault.FileMetadataOutOfSync).Because(errors.Join(err, c.Close()))
	}
	return c, nil
}
