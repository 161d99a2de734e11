package gorm

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// instant is a time in a column: in UTC, to the microsecond, and NULL when it
// is zero. SQLite has no type for it, and gives back text.
type instant struct{ time.Time }

func at(t time.Time) instant { return instant{t.UTC().Truncate(time.Microsecond)} }

// dayOf is a day in a column.
func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// sqliteTime is what the driver's _time_format=sqlite writes.
const sqliteTime = "2006-01-02 15:04:05.999999999-07:00"

// Value implements [driver.Valuer].
func (i instant) Value() (driver.Value, error) {
	if i.IsZero() {
		return nil, nil //nolint:nilnil // NULL
	}
	return at(i.Time).Time, nil
}

// Scan implements [sql.Scanner].
func (i *instant) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*i = instant{}
	case time.Time:
		*i = at(v)
	case string:
		t, err := time.Parse(sqliteTime, v)
		if err != nil {
			return fmt.Errorf("not an instant: %w", err)
		}
		*i = at(t)
	default:
		return fmt.Errorf("not an instant: %T", v)
	}
	return nil
}

// GormDataType keeps GORM from taking the struct for a relation.
func (instant) GormDataType() string { return "time" }
