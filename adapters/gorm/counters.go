package gorm

import (
	"context"
	"errors"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/throttle"
)

type counterRow struct {
	Key      []byte
	Failures int
	Last     instant
}

func (r counterRow) counter() throttle.Counter {
	return throttle.Counter{Failures: r.Failures, Last: r.Last.Time}
}

type attempts struct{ *conn }

// keysOf come as texts, which can be compared. Accounts and networks hold no
// NUL, which therefore divides them.
func (t attempts) keysOf(s throttle.Subject) (account, network string) {
	return string(t.vault.Index("throttle.account", s.Account)),
		string(t.vault.Index("throttle.network", s.Account+"\x00"+s.Network))
}

// State makes the counters where there are none, if it is to lock them: a row
// that is not there cannot be locked. Everybody locks the account first.
func (t attempts) State(ctx context.Context, of throttle.Subject) (s throttle.State, err error) {
	account, network := t.keysOf(of)
	var rows []counterRow
	if t.lock {
		rows, err = returning[counterRow](ctx, t.conn, "lock attempts",
			"INSERT INTO attempts (key, failures) VALUES (?, 0), (?, 0)"+
				" ON CONFLICT (key) DO UPDATE SET failures = attempts.failures RETURNING key, failures, last",
			[]byte(account), []byte(network))
	} else {
		rows, err = query[counterRow](ctx, t.conn, "read attempts",
			"SELECT key, failures, last FROM attempts WHERE key IN (?, ?)", []byte(account), []byte(network))
	}
	for _, r := range rows {
		switch string(r.Key) {
		case account:
			s.Account = r.counter()
		case network:
			s.Network = r.counter()
		}
	}
	return s, err
}

func (t attempts) Swap(ctx context.Context, of throttle.Subject, old, next throttle.State) (done bool, err error) {
	if t.postgres {
		return t.swapAtOnce(ctx, of, old, next)
	}
	err = t.atomically(ctx, func(c *conn) error {
		now, err := attempts{c}.State(ctx, of)
		if done = err == nil && sameCounters(now, old); !done {
			return err
		}
		return attempts{c}.Save(ctx, of, next)
	})
	return done && err == nil, err
}

// swapAtOnce compares the counters as they were when the statement began, and
// that of the account again once nobody else is writing it. Whoever writes
// the one of a network writes that of the account first.
func (t attempts) swapAtOnce(ctx context.Context, of throttle.Subject, old, next throttle.State) (bool, error) {
	account, network := t.keysOf(of)
	n, err := t.count(ctx, "swap attempts", `
WITH a AS (
	INSERT INTO attempts (key, failures, last) SELECT ?::bytea, ?::bigint, ?::timestamptz
	FROM (SELECT 1) one LEFT JOIN attempts a ON a.key = ? LEFT JOIN attempts n ON n.key = ?
	WHERE COALESCE(a.failures, 0) = ? AND a.last IS NOT DISTINCT FROM ?
		AND COALESCE(n.failures, 0) = ? AND n.last IS NOT DISTINCT FROM ?
	ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, last = excluded.last
		WHERE attempts.failures = ? AND attempts.last IS NOT DISTINCT FROM ?
	RETURNING key
), n AS (
	INSERT INTO attempts (key, failures, last) SELECT ?::bytea, ?::bigint, ?::timestamptz FROM a
	ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, last = excluded.last
)
SELECT count(*) FROM a`,
		[]byte(account), next.Account.Failures, at(next.Account.Last),
		[]byte(account), []byte(network),
		old.Account.Failures, at(old.Account.Last), old.Network.Failures, at(old.Network.Last),
		old.Account.Failures, at(old.Account.Last),
		[]byte(network), next.Network.Failures, at(next.Network.Last))
	return n == 1, err
}

func sameCounters(a, b throttle.State) bool {
	return sameCounter(a.Network, b.Network) && sameCounter(a.Account, b.Account)
}

func sameCounter(a, b throttle.Counter) bool {
	return a.Failures == b.Failures && at(a.Last).Equal(at(b.Last).Time)
}

func (t attempts) Save(ctx context.Context, of throttle.Subject, s throttle.State) error {
	account, network := t.keysOf(of)
	_, err := t.exec(ctx, "save attempts", "INSERT INTO attempts (key, failures, last) VALUES (?, ?, ?), (?, ?, ?)"+
		" ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, last = excluded.last",
		[]byte(account), s.Account.Failures, at(s.Account.Last), []byte(network), s.Network.Failures, at(s.Network.Last))
	return err
}

func (t attempts) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.purge(ctx, "attempts", "key", limit,
		remains{"last_on", "last_on <= ? AND last < ?", []any{dayOf(before), at(before)}}, remains{"last_on", "last_on IS NULL", nil})
}

type cooldowns struct{ *conn }

var errRestless = errors.New("cooldown begins and ends all the time")

type untilRow struct{ Until instant }

const untilQuery = "SELECT until FROM cooldowns WHERE key = ?"

func leftOf(rows []untilRow, now time.Time) time.Duration {
	if len(rows) == 0 {
		return 0
	}
	return max(0, rows[0].Until.Sub(now))
}

func (t cooldowns) Start(ctx context.Context, kind notice.Kind, normal string, now time.Time, ttl time.Duration) (time.Duration, error) {
	const op = "start cooldown"
	key := t.cooldownIndex(kind, normal)
	now = at(now).Time
	for range 3 { // what keeps us from starting may be purged before we read it
		n, err := t.exec(ctx, op, "INSERT INTO cooldowns (key, until) VALUES (?, ?)"+
			" ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE cooldowns.until <= ?",
			key, at(now.Add(ttl)), at(now))
		if err != nil || n == 1 {
			return 0, err
		}
		rows, err := returning[untilRow](ctx, t.conn, op, untilQuery, key)
		if left := leftOf(rows, now); err != nil || left > 0 {
			return left, err
		}
	}
	return 0, classify(op, errRestless)
}

func (t cooldowns) Left(ctx context.Context, kind notice.Kind, normal string, now time.Time) (time.Duration, error) {
	rows, err := query[untilRow](ctx, t.conn, "read cooldown", untilQuery, t.cooldownIndex(kind, normal))
	return leftOf(rows, at(now).Time), err
}

func (t cooldowns) End(ctx context.Context, kind notice.Kind, normal string) error {
	_, err := t.exec(ctx, "end cooldown", "DELETE FROM cooldowns WHERE key = ?", t.cooldownIndex(kind, normal))
	return err
}

func (t cooldowns) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	return t.purge(ctx, "cooldowns", "key", limit, remains{"until", "until < ?", []any{at(now)}})
}

func (s *safe) cooldownIndex(kind notice.Kind, normal string) []byte {
	return s.vault.Index("cooldown", string(kind)+"\x00"+normal)
}

type devices struct{ *conn }

// deviceIndexes are what stands for a device under every key, the current one
// first: it is known under each, so that an exchange of keys makes nobody a
// stranger.
func (s *safe) deviceIndexes(of principal.ID, device string) [][]byte {
	return s.vault.Indexes("device", string(of)+"\x00"+device)
}

// Mark marks a device under the current key.
func (t devices) Mark(ctx context.Context, of principal.ID, device string, now, since time.Time) (known, ever bool, err error) {
	keys := t.deviceIndexes(of, device)
	err = t.atomically(ctx, func(c *conn) error {
		rows, err := query[struct {
			Same     bool
			LastSeen instant
		}](ctx, c, "read devices",
			"SELECT key IN ? AS same, last_seen FROM devices WHERE principal_id = ? ORDER BY 1 DESC, 2 DESC LIMIT 1", blobs(keys), string(of))
		if err != nil {
			return err
		}
		ever = len(rows) == 1
		known = ever && rows[0].Same && !rows[0].LastSeen.Before(at(since).Time)
		_, err = c.exec(ctx, "mark device", "INSERT INTO devices (principal_id, key, last_seen) VALUES (?, ?, ?)"+
			" ON CONFLICT (principal_id, key) DO UPDATE SET last_seen = excluded.last_seen", string(of), keys[0], at(now))
		return err
	})
	return known, ever, err
}

// Ties are broken by the key, so that exactly one device stays.
const outdatedDevice = "last_seen < ? AND EXISTS (SELECT 1 FROM devices newer WHERE newer.principal_id = devices.principal_id" +
	" AND (newer.last_seen, newer.key) > (devices.last_seen, devices.key))"

func (t devices) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.purge(ctx, "devices", "principal_id, key", limit, remains{"last_seen", outdatedDevice, []any{at(before)}})
}
