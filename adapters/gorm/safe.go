package gorm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// safe seals and opens what is personal. It remembers the wrapped data keys it
// has seen, so that a change rarely costs a statement more.
type safe struct {
	vault outbound.Vault
	mu    sync.Mutex
	seen  map[principal.ID]sight
}

// sight is what was seen of a principal: the wrapped data key and, unless row is
// nil, the whole row.
type sight struct {
	wrapped []byte
	row     *principalRow
}

// maxSeen bounds what a safe remembers that lives for long.
const maxSeen = 64

func (s *safe) remember(id principal.ID, wrapped []byte) { s.note(id, sight{wrapped, nil}) }

func (s *safe) note(id principal.ID, seen sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || len(s.seen) >= maxSeen {
		s.seen = map[principal.ID]sight{}
	}
	s.seen[id] = seen
}

func (s *safe) remembered(id principal.ID) (sight, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.seen[id]
	return k, ok
}

// lists tells which lists of a principal, that stand in tables of their own,
// are in a version of the row as they are in another one.
func (s *safe) lists(version int, as principalRow) (identities, groups bool) {
	seen, _ := s.remembered(principal.ID(as.ID))
	if seen.row == nil || seen.row.Version != version {
		return false, false
	}
	return seen.row.Identities == as.Identities, seen.row.GroupKeys == as.GroupKeys
}

// dataKey makes a stored data key one of the vault's. Where there is no
// principal (any more), no key is left that could open anything.
func (s *safe) dataKey(of string, wrapped []byte) outbound.DataKey {
	if of == "" {
		return s.vault.Shared()
	}
	return outbound.DataKey{Owner: of, Wrapped: wrapped}
}

// with runs fn, which seals and does nothing else, with the data key of a principal, or with the shared one for "".
// A key that was remembered may have been wrapped anew since. It returns
// ErrNotFound when there is no such principal.
func (c *conn) with(ctx context.Context, id principal.ID, fn func(outbound.DataKey) error) error {
	if id == "" {
		return fn(c.vault.Shared())
	}
	if seen, ok := c.remembered(id); ok {
		if fn(c.dataKey(string(id), seen.wrapped)) == nil {
			return nil
		}
	}
	row, err := take[struct{ DataKey []byte }](ctx, c, "load data key",
		"SELECT data_key FROM principals WHERE id = ?", id)
	if err != nil {
		return err
	}
	c.remember(id, row.DataKey)
	return fn(c.dataKey(string(id), row.DataKey))
}

// field is a place for a sealed value.
func field(table, column, row string) outbound.Field {
	return outbound.Field{Table: table, Column: column, Row: row}
}

// sealText seals a text, and leaves "" out.
func (s *safe) sealText(k outbound.DataKey, f outbound.Field, text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	return s.seal(k, f, []byte(text))
}

func (s *safe) seal(k outbound.DataKey, f outbound.Field, plain []byte) ([]byte, error) {
	sealed, err := s.vault.Seal(k, f, plain)
	if err != nil {
		return nil, broken("seal", f, err)
	}
	return sealed, nil
}

// openText opens what sealText sealed.
func (s *safe) openText(k outbound.DataKey, f outbound.Field, sealed []byte) (string, error) {
	if sealed == nil {
		return "", nil
	}
	plain, err := s.open(k, f, sealed)
	return string(plain), err
}

func (s *safe) open(k outbound.DataKey, f outbound.Field, sealed []byte) ([]byte, error) {
	plain, err := s.vault.Open(k, f, sealed)
	if err != nil {
		return nil, broken("open", f, err)
	}
	return plain, nil
}

func (s *safe) sealJSON(k outbound.DataKey, f outbound.Field, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, broken("write", f, err)
	}
	return s.seal(k, f, plain)
}

func (s *safe) openJSON(k outbound.DataKey, f outbound.Field, sealed []byte, v any) error {
	plain, err := s.open(k, f, sealed)
	if err != nil {
		return err
	}
	if json.Unmarshal(plain, v) != nil { // its error quotes the text
		return broken("read", f, errNotOurs)
	}
	return nil
}

var errNotOurs = errors.New("opens to nothing we sealed")

func broken(op string, f outbound.Field, err error) error {
	return fault.New(fault.DatabaseEncryptionFailure).Because(fmt.Errorf("%s %s.%s of %s: %w", op, f.Table, f.Column, f.Row, err))
}
