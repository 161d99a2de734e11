package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"gatehouse/domain/avatar"
	"gatehouse/ports/outbound"
)

var _ outbound.Storage = (*Storage)(nil)

// Storage is an [outbound.Storage] that ends with the process.
type Storage struct {
	mu    sync.Mutex
	files map[string][]byte
}

// NewStorage returns an empty one.
func NewStorage() *Storage { return &Storage{files: map[string][]byte{}} }

// Put implements [outbound.Storage].
func (s *Storage) Put(ctx context.Context, key, _ string, content []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !avatar.IsKey(key) {
		return errors.New("not the key of a file")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[key] = slices.Clone(content)
	return nil
}

// Open implements [outbound.Storage].
func (s *Storage) Open(_ context.Context, key string) (outbound.Content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, there := s.files[key]
	if !there {
		return outbound.Content{}, fmt.Errorf("open file: %w", outbound.ErrNotFound)
	}
	return outbound.Content{ReadCloser: io.NopCloser(bytes.NewReader(content)), Size: int64(len(content))}, nil
}

// Remove implements [outbound.Storage].
func (s *Storage) Remove(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, key)
	return nil
}

// Keys returns the keys of all files, in order.
func (s *Storage) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]string, 0, len(s.files))
	for k := range s.files {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
