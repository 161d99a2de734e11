package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/domain/avatar"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type files struct{ data }

// fileRow is a file of somebody, or one that is staged until an instant, or
// neither.
type fileRow struct {
	file   avatar.File
	of     principal.ID
	staged time.Time
}

func (t files) Stage(ctx context.Context, until time.Time, all ...avatar.File) error {
	return t.write(ctx, func(s *state) error {
		for _, f := range all {
			if _, known := s.files.rows[f.Key]; known {
				return fmt.Errorf("stage file: %w", outbound.ErrTaken)
			}
			s.files.put(f.Key, fileRow{file: f, staged: instant(until)})
		}
		return nil
	})
}

func (t files) Swap(ctx context.Context, of principal.ID, now time.Time, keys ...string) error {
	return t.write(ctx, func(s *state) error {
		if err := s.needs(of); err != nil {
			return err
		}
		s.orphan(of)
		for _, key := range keys {
			row, known := s.files.rows[key]
			if !known || row.of != "" || !row.staged.After(instant(now)) {
				return fmt.Errorf("swap files: %w", outbound.ErrStale)
			}
			s.files.put(key, fileRow{file: row.file, of: of})
		}
		return nil
	})
}

// orphan makes the files of a principal nobody's.
func (s *state) orphan(of principal.ID) {
	for key, row := range s.files.rows {
		if row.of == of {
			s.files.put(key, fileRow{file: row.file})
		}
	}
}

func (t files) ByKey(ctx context.Context, key string) (f avatar.File, err error) {
	err = t.read(ctx, func(s *state) error {
		row := s.files.rows[key]
		if row.of == "" {
			return fmt.Errorf("find file: %w", outbound.ErrNotFound)
		}
		f = row.file
		return nil
	})
	return f, err
}

func (t files) Unwanted(ctx context.Context, now time.Time, after string, limit int) (keys []string, err error) {
	err = t.read(ctx, func(s *state) error {
		for _, key := range slices.Sorted(maps.Keys(s.files.rows)) {
			row := s.files.rows[key]
			if key > after && row.of == "" && !row.staged.After(instant(now)) && len(keys) < limit {
				keys = append(keys, key)
			}
		}
		return nil
	})
	return keys, err
}

func (t files) Forget(ctx context.Context, keys ...string) error {
	return t.write(ctx, func(s *state) error {
		for _, key := range keys {
			if s.files.rows[key].of == "" {
				s.files.drop(key)
			}
		}
		return nil
	})
}
