package gorm

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"gatehouse/domain/email"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
)

// Page walks indexes until it knows who is on the page, and reads only those.
func (t principals) Page(ctx context.Context, f principal.Filter, r page.Request) (p page.Page[*principal.Principal], err error) {
	p = page.Page[*principal.Principal]{Request: r}
	who := t.lookedFor(f)
	if who.nobody {
		return p, nil
	}
	if err := t.planEach(ctx); err != nil {
		return p, err
	}
	order := usersBy(r.Sort)
	w, err := t.walkTo(ctx, who, r, order)
	p.Total = w.total
	if err != nil || w.size <= 0 {
		return p, err
	}
	from, args := w.who.sql()
	rows, err := query[foundPrincipal](ctx, t.conn, listUsers, "SELECT "+principalColumns+
		" FROM (SELECT p.id AS found"+from+" ORDER BY "+strings.Join(w.order, ", ")+" LIMIT ? OFFSET ?) f"+
		" JOIN principals p ON p.id = f.found ORDER BY "+strings.Join(order, ", "), append(args, w.size, w.offset)...)
	for _, row := range rows {
		one, err := t.restore(row.row)
		if err != nil {
			return p, err
		}
		p.Content = append(p.Content, one)
	}
	return p, err
}

const listUsers = "list users by page"

// walk is a way to the users of a page: past so many others, in this order.
type walk struct {
	total, size, offset int
	order               []string
	who                 lookout
}

// walkTo counts all who are looked for, and begins at the end that is nearer to
// the page. Of everybody by the time they were active, it begins at the day the
// page begins in: others are too few, or would have to be read to be counted.
func (t principals) walkTo(ctx context.Context, who lookout, r page.Request, order []string) (walk, error) {
	days, err := t.countUsers(ctx, who, strings.HasPrefix(order[0], onDay) && who.everybody())
	w := walk{order: order, who: who}
	for _, d := range days {
		w.total += d.users
	}
	w.offset = r.Offset()
	w.size = min(r.Size, w.total-w.offset)
	if err != nil || w.size <= 0 {
		return w, err
	}
	if back := w.total - w.offset - w.size; back < w.offset {
		w.offset, w.order = back, backwards(order)
	}
	from := ">="
	if strings.HasSuffix(w.order[0], " DESC") {
		from = "<="
		slices.Reverse(days)
	}
	for _, d := range days[:len(days)-1] {
		if d.users > w.offset {
			break
		}
		w.offset -= d.users
		days = days[1:]
	}
	if days[0].day != "" {
		w.who.add(onDay+" "+from+" ?", days[0].day)
	}
	return w, nil
}

// activeOn counts users by the day they were last active on.
type activeOn struct {
	day   string // "" for any
	users int
}

func (a *activeOn) fields() []any { return []any{&a.day, &a.users} }

const onDay = "p.last_active_on"

// countUsers counts them day by day, earliest first, or all at once.
func (t principals) countUsers(ctx context.Context, who lookout, byDay bool) ([]activeOn, error) {
	from, args := who.sql()
	if byDay {
		return query[activeOn](ctx, t.conn, listUsers,
			"SELECT CAST("+onDay+" AS text), count(*)"+from+" GROUP BY "+onDay+" ORDER BY "+onDay, args...)
	}
	return query[activeOn](ctx, t.conn, listUsers, "SELECT '', count(*)"+from, args...)
}

// planEach makes the server plan for the values it is given, as long as the
// transaction lasts: one plan for all of them would be the wrong one for most.
// To compile what is asked once takes longer than to do it.
func (c *conn) planEach(ctx context.Context) error {
	if !c.postgres || !c.inside {
		return nil
	}
	_, err := c.exec(ctx, "plan each",
		"SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)")
	return err
}

// usersBy makes an ORDER BY of what users p are sorted by, which ends with what
// no two of them have in common.
func usersBy(by []page.Sort) (columns []string) {
	for _, s := range append(slices.Clone(by), page.Sort{By: "id"}) {
		direction := " ASC"
		if s.Descending {
			direction = " DESC"
		}
		switch s.By {
		case "createdAt":
			columns = append(columns, "p.created_at"+direction)
		case "lastActive":
			columns = append(columns, onDay+direction, "p.last_active"+direction)
		default:
			return append(columns, "p.id"+direction)
		}
	}
	return columns
}

func backwards(order []string) (out []string) {
	turn := strings.NewReplacer(" ASC", " DESC", " DESC", " ASC")
	for _, column := range order {
		out = append(out, turn.Replace(column))
	}
	return out
}

// lookout says in SQL which users p somebody looks for. What they wrote is
// among the arguments only.
type lookout struct {
	where      []string
	args       []any
	either     bool     // who has a password, and who has none but one of:
	identities []string // providers
	nobody     bool
}

// sql is what comes after the columns. Who has a password and who has none are
// looked for one after the other, each by an index of their own.
func (l lookout) sql() (from string, args []any) {
	from, args = " FROM principals p", slices.Clone(l.args)
	if l.either {
		from = " FROM (SELECT * FROM principals WHERE kind = 'user' AND has_password = true UNION ALL SELECT p.* FROM principals p" +
			" WHERE p.kind = 'user' AND p.has_password = false AND " + byProvider + among(l.identities) + ")) p"
		args = append(anys(l.identities), args...)
	}
	return from + " WHERE " + strings.Join(l.where, " AND "), args
}

func (l lookout) everybody() bool { return len(l.where) == 1 && !l.either }

const byProvider = "EXISTS (SELECT 1 FROM identities i WHERE i.principal_id = p.id AND i.provider IN "

func (l *lookout) add(condition string, args ...any) {
	l.where, l.args = append(l.where, condition), append(l.args, args...)
}

// lookedFor says [principal.Filter.Matches] in SQL.
func (s *safe) lookedFor(f principal.Filter) lookout {
	l := lookout{where: []string{"p.kind = 'user'"}}
	l.query(s, f.Query)
	l.email(s, f.Email)
	l.roles(f.Roles)
	l.groups(f.Groups)
	l.signIns(f.Identities)
	if f.CreatedAfter != nil {
		l.add("p.created_at >= ?", at(*f.CreatedAfter))
	}
	if f.CreatedBefore != nil {
		l.add("p.created_at <= ?", at(*f.CreatedBefore))
	}
	if f.ActiveAfter != nil {
		l.add("p.last_active_on >= ? AND p.last_active >= ?", dayOf(*f.ActiveAfter), at(*f.ActiveAfter))
	}
	if f.ActiveBefore != nil {
		l.add("p.last_active_on <= ? AND p.last_active <= ?", dayOf(*f.ActiveBefore), at(*f.ActiveBefore))
	}
	return l
}

func (l *lookout) query(s *safe, text string) {
	switch {
	case text == "":
		return
	case !storable(text):
		l.nobody = true
		return
	}
	prefix := principal.Fold(text)
	named, args := "p.name_fold >= ?", []any{prefix}
	if after, ok := afterAll(prefix); ok {
		named, args = named+" AND p.name_fold < ?", append(args, after)
	}
	if a, broken := email.Parse(text); broken == nil {
		// Two indexes in one condition are too much for SQLite.
		const some = "SELECT p.id FROM principals p WHERE p.kind = 'user' AND "
		where, keys := s.whereEmail(a.Normal())
		named, args = "p.id IN ("+some+named+" UNION ALL "+some+where+")", append(args, keys...)
	}
	l.add(named, args...)
}

// afterAll returns the first text that comes after all with this prefix, if
// there is one.
func afterAll(prefix string) (string, bool) {
	runes := []rune(prefix)
	for i, r := range slices.Backward(runes) {
		for r++; r <= utf8.MaxRune; r++ {
			if utf8.ValidRune(r) {
				return string(append(runes[:i:i], r)), true
			}
		}
	}
	return "", false
}

func (l *lookout) email(s *safe, text string) {
	if text == "" {
		return
	}
	a, broken := email.Parse(text)
	if broken != nil {
		l.nobody = true
		return
	}
	where, keys := s.whereEmail(a.Normal())
	l.add(where, keys...)
}

func (l *lookout) roles(wanted []principal.Role) {
	switch {
	case wanted == nil || slices.Contains(wanted, principal.RoleUser):
	case slices.Contains(wanted, principal.RoleAdmin):
		l.add("p.admin")
	default:
		l.nobody = true
	}
}

func (l *lookout) groups(wanted []string) {
	if wanted == nil {
		return
	}
	known := possible(wanted)
	if len(known) == 0 {
		l.nobody = true
		return
	}
	l.add("p.id IN (SELECT m.principal_id FROM group_members m WHERE m.group_key IN "+among(known)+")", anys(known)...)
}

func (l *lookout) signIns(wanted []string) {
	if wanted == nil {
		return
	}
	known := possible(wanted)
	i, ok := slices.BinarySearch(known, principal.PasswordProvider)
	if ok {
		known = slices.Delete(known, i, i+1)
	}
	switch {
	case ok && len(known) > 0:
		l.either, l.identities = true, known
	case ok:
		l.add("p.has_password = true")
	case len(known) > 0:
		l.add(byProvider+among(known)+")", anys(known)...)
	default:
		l.nobody = true
	}
}

// among is a list of as many values as there are texts, of which there are some.
func among(texts []string) string { return "(?" + strings.Repeat(", ?", len(texts)-1) + ")" }

func anys(texts []string) (out []any) {
	for _, s := range texts {
		out = append(out, s)
	}
	return out
}

// possible returns what can stand in a column, each once.
func possible(texts []string) []string {
	texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !storable(s) })
	slices.Sort(texts)
	return slices.Compact(texts)
}

// storable reports whether a text can stand in a column: PostgreSQL does not
// even look for others.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// foldNames fills in what a step of the schema had to leave to the program, and
// what a program before that step has added since.
func (db *DB) foldNames(ctx context.Context) error {
	const op = "fold names"
	c := &conn{write: db.write, read: db.read, postgres: db.postgres, safe: &safe{}}
	for {
		rows, err := query[principalRow](ctx, c, op, "SELECT id, name FROM principals WHERE name_fold = '' ORDER BY id LIMIT ?", batch)
		if err != nil || len(rows) == 0 {
			return err
		}
		var folds []any
		for _, r := range rows {
			folds = append(folds, r.ID, r.Name, principal.Fold(r.Name))
		}
		err = c.each(ctx, op, "UPDATE principals SET name_fold = c.fold FROM c WHERE principals.id = c.id AND principals.name = c.name",
			[]changed{{"id", "text"}, {"name", "text"}, {"fold", "text"}}, folds)
		if err != nil {
			return err
		}
	}
}
