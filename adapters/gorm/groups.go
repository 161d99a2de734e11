package gorm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm/clause"

	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type groupRow struct{ Key string }

func (groupRow) TableName() string { return "groups" }

type translationRow struct{ GroupKey, Locale, Name, Description string }

func (translationRow) TableName() string { return "group_translations" }

type memberRow struct{ GroupKey, PrincipalID string }

func (memberRow) TableName() string { return "group_members" }

type groups struct{ *conn }

func (t groups) Add(ctx context.Context, g group.Group) error {
	return t.atomically(ctx, func(c *conn) error {
		if err := c.create(ctx, "add group", &groupRow{g.Key()}); err != nil {
			return err
		}
		return c.translate(ctx, g)
	})
}

func (c *conn) translate(ctx context.Context, g group.Group) error {
	var rows []translationRow
	texts := g.Texts()
	for _, locale := range slices.Sorted(maps.Keys(texts)) {
		rows = append(rows, translationRow{g.Key(), locale, texts[locale].Name, texts[locale].Description})
	}
	return c.create(ctx, "save translations", &rows)
}

// find looks for a group, and locks it if rows are locked at all.
func (c *conn) find(ctx context.Context, op, key, lock string) error {
	query := "SELECT key FROM groups WHERE key = ?"
	if c.postgres && c.inside {
		query += lock
	}
	_, err := take[groupRow](ctx, c, op, query, key)
	return err
}

// ByKey locks first, and reads then what whoever held the lock has left.
func (t groups) ByKey(ctx context.Context, key string) (group.Group, error) {
	if t.lock {
		if err := t.find(ctx, "lock group", key, " FOR NO KEY UPDATE"); err != nil {
			return group.Group{}, err
		}
	}
	rows, err := query[translationRow](ctx, t.conn, "load group",
		"SELECT group_key, locale, name, description FROM group_translations WHERE group_key = ?", key)
	if err != nil {
		return group.Group{}, err
	}
	if len(rows) == 0 {
		return group.Group{}, fmt.Errorf("load group: %w", outbound.ErrNotFound)
	}
	texts := group.Texts{}
	for _, r := range rows {
		texts[r.Locale] = group.Text{Name: r.Name, Description: r.Description}
	}
	return group.Restore(key, texts), nil
}

func (t groups) Save(ctx context.Context, g group.Group) error {
	return t.atomically(ctx, func(c *conn) error {
		if err := c.find(ctx, "save group", g.Key(), " FOR NO KEY UPDATE"); err != nil {
			return err
		}
		if _, err := c.exec(ctx, "drop translations", "DELETE FROM group_translations WHERE group_key = ?", g.Key()); err != nil {
			return err
		}
		return c.translate(ctx, g)
	})
}

func (t groups) Hold(ctx context.Context, key string) error {
	return t.find(ctx, "hold group", key, " FOR KEY SHARE")
}

// batch is how many members one statement takes out of a group.
const batch = 200

// Empty changes members in the order of their ids, as everybody locks several.
func (t groups) Empty(ctx context.Context, key string) (members int, err error) {
	err = t.atomically(ctx, func(c *conn) error {
		if err := c.find(ctx, "lock group", key, " FOR UPDATE"); err != nil {
			return err
		}
		for last := principal.ID(""); ; {
			some, err := c.expel(ctx, key, last)
			if err != nil {
				return err
			}
			if len(some) < batch {
				break
			}
			last = slices.Max(some)
		}
		members, err = c.exec(ctx, "empty group", "DELETE FROM group_members WHERE group_key = ?", key)
		return err
	})
	return members, err
}

// expel takes a group from the next members.
func (c *conn) expel(ctx context.Context, key string, after principal.ID) ([]principal.ID, error) {
	next := "SELECT p.id FROM principals p JOIN group_members m ON m.principal_id = p.id" +
		" WHERE m.group_key = ? AND m.principal_id > ? ORDER BY m.principal_id LIMIT ?"
	if c.postgres {
		next += forUpdate
	}
	return returning[principal.ID](ctx, c, "take members out of group", "WITH c AS MATERIALIZED ("+next+") UPDATE principals SET"+
		" group_keys = trim(replace(' ' || group_keys || ' ', ?, ' ')), token_gen = token_gen + 1, version = version + 1"+
		" FROM c WHERE principals.id = c.id RETURNING principals.id",
		key, string(after), batch, " "+key+" ")
}

func (t groups) Delete(ctx context.Context, key string) error {
	n, err := t.exec(ctx, "delete group", "DELETE FROM groups WHERE key = ?", key)
	if err == nil && n == 0 {
		return fmt.Errorf("delete group: %w", outbound.ErrNotFound)
	}
	return err
}

type deliveredRow struct{ Key, Locale, Name, Description string }

// deliver says [group.Group.In] in SQL.
const deliver = `
SELECT key, locale, name, description FROM (
	SELECT g.key, t.locale, t.name, t.description, row_number() OVER (PARTITION BY g.key ORDER BY
		CASE WHEN t.locale = ? THEN 0 WHEN t.locale || '-' LIKE ? THEN 1 WHEN t.locale = ? THEN 2 ELSE 3 END, t.locale) AS place
	FROM %s g JOIN group_translations t ON t.group_key = g.key
) d WHERE place = 1 ORDER BY %s`

// Page looks at no other groups if the order is that of keys.
func (t groups) Page(ctx context.Context, wanted, service string, r page.Request) (p page.Page[group.Delivered], err error) {
	p = page.Page[group.Delivered]{Request: r}
	if p.Total, err = take[int](ctx, t.conn, "count groups", "SELECT count(*) FROM groups"); err != nil {
		return p, err
	}
	const part = " LIMIT ? OFFSET ?"
	order := orderOf(r.Sort)
	list := fmt.Sprintf(deliver, "groups", order+part)
	if strings.HasPrefix(order, "key") {
		list = fmt.Sprintf(deliver, "(SELECT key FROM groups ORDER BY "+order+part+")", order)
	}
	rows, err := query[deliveredRow](ctx, t.conn, "list groups", list,
		wanted, group.Language(wanted)+"-%", service, r.Size, r.Offset())
	for _, row := range rows {
		p.Content = append(p.Content, group.Delivered{
			Key: row.Key, Locale: row.Locale, Text: group.Text{Name: row.Name, Description: row.Description},
		})
	}
	return p, err
}

// orderOf makes an ORDER BY of columns that are called like their properties.
func orderOf(by []page.Sort) string {
	var columns []string
	for _, s := range by {
		direction := ""
		if s.Descending {
			direction = " DESC"
		}
		switch s.By {
		case "name", "description":
			columns = append(columns, s.By+direction)
		default:
			return strings.Join(append(columns, "key"+direction), ", ") // no two groups are alike in it
		}
	}
	return strings.Join(append(columns, "key"), ", ")
}

// saveGroups brings the table in line with a principal. It leaves alone what is
// there already, and so waits for nobody who holds those groups.
func (c *conn) saveGroups(ctx context.Context, s principal.Snapshot) error {
	gone, args := "DELETE FROM group_members WHERE principal_id = ?", []any{string(s.ID)}
	if len(s.Groups) > 0 {
		gone, args = gone+" AND group_key NOT IN ?", append(args, s.Groups)
	}
	if _, err := c.exec(ctx, "leave groups", gone, args...); err != nil {
		return err
	}
	return c.joinGroups(ctx, s)
}

func (c *conn) joinGroups(ctx context.Context, s principal.Snapshot) error {
	if len(s.Groups) == 0 {
		return nil
	}
	rows := make([]memberRow, len(s.Groups))
	for i, key := range s.Groups {
		rows[i] = memberRow{key, string(s.ID)}
	}
	return c.attempt(ctx, "join groups", func(ctx context.Context) error {
		return c.write.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
	})
}
