package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type passkeys struct{ data }

func (t passkeys) Add(ctx context.Context, p passkey.Passkey) error {
	return t.write(ctx, func(s *state) error {
		if err := s.needs(p.Principal); err != nil {
			return err
		}
		_, taken := s.passkeys.rows[p.ID]
		for _, other := range s.passkeys.rows {
			taken = taken || bytes.Equal(other.Credential, p.Credential)
		}
		if taken {
			return fmt.Errorf("add passkey: %w", outbound.ErrTaken)
		}
		p.CreatedAt, p.LastUsed = instant(p.CreatedAt), instant(p.LastUsed)
		s.passkeys.put(p.ID, separate(p))
		return nil
	})
}

// separate shares nothing with p that could be changed.
func separate(p passkey.Passkey) passkey.Passkey {
	p.Credential, p.Public, p.Transports = slices.Clone(p.Credential), slices.Clone(p.Public), slices.Clone(p.Transports)
	return p
}

func (t passkeys) Of(ctx context.Context, of principal.ID) (all []passkey.Passkey, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, p := range s.passkeys.rows {
			if p.Principal == of {
				all = append(all, separate(p))
			}
		}
		slices.SortFunc(all, func(a, b passkey.Passkey) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
		})
		return nil
	})
	return all, err
}

func (t passkeys) ByCredential(ctx context.Context, credential []byte) (found passkey.Passkey, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, p := range s.passkeys.rows {
			if bytes.Equal(p.Credential, credential) {
				found = separate(p)
				return nil
			}
		}
		return fmt.Errorf("find passkey: %w", outbound.ErrNotFound)
	})
	return found, err
}

func (t passkeys) Rename(ctx context.Context, of principal.ID, id passkey.ID, name string) error {
	return t.write(ctx, func(s *state) error {
		p, ok := s.passkeys.rows[id]
		if !ok || p.Principal != of {
			return fmt.Errorf("rename passkey: %w", outbound.ErrNotFound)
		}
		p.Name = name
		s.passkeys.put(id, p)
		return nil
	})
}

func (t passkeys) Use(ctx context.Context, used passkey.Passkey, before uint32) error {
	return t.write(ctx, func(s *state) error {
		p, ok := s.passkeys.rows[used.ID]
		if !ok || p.SignCount != before {
			return fmt.Errorf("use passkey: %w", outbound.ErrStale)
		}
		p.SignCount, p.BackedUp, p.LastUsed = used.SignCount, used.BackedUp, instant(used.LastUsed)
		s.passkeys.put(p.ID, p)
		return nil
	})
}

func (t passkeys) Delete(ctx context.Context, of principal.ID, id passkey.ID) error {
	return t.write(ctx, func(s *state) error {
		if p, ok := s.passkeys.rows[id]; !ok || p.Principal != of {
			return fmt.Errorf("delete passkey: %w", outbound.ErrNotFound)
		}
		s.passkeys.drop(id)
		return nil
	})
}
