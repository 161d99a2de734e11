package redis

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// A place, one for each session and each principal, holds one of three things:
//
//   - a mark: what was read of it. It ends after markTTL.
//   - a ticket: somebody is reading it, and may put a mark there. It is put only
//     where nothing is, and ends after ticketTTL.
//   - a tombstone: something about it was revoked, so ask the database. It
//     replaces whatever there is, and ends after tombTTL.
//
// A mark is put only where the ticket of its reader still is, and the ticket is
// older than the reading. So whatever was read before a revocation finds its
// ticket gone: replaced by the tombstone, or lost in a flush. The tombstone of a
// principal also covers their sessions: by when it ends, every ticket older
// than it has ended, and every mark that came of one.
//
// A server that starts from a snapshot, or a replica that takes over, may have
// what was there before a revocation. So places belong to one life of a server,
// and what came from another one is never looked at.
const (
	markTTL   = 5 * time.Second
	ticketTTL = 2 * time.Second
	tombTTL   = 10 * time.Second

	tombstone = "-"
)

var (
	// The first line fails on a server that became a replica meanwhile: it still
	// answers reads, but nobody tells it of revocations.
	recallScript = rueidis.NewLuaScript(`
redis.call('DEL', KEYS[3])
local found = redis.call('MGET', KEYS[1], KEYS[2])
for i = 1, 2 do
	if not found[i] then redis.call('SET', KEYS[i], ARGV[1], 'NX', 'PX', ARGV[2]) end
end
return found`)

	rememberScript = rueidis.NewLuaScript(`
local found = redis.call('MGET', KEYS[1], KEYS[2])
for i = 1, 2 do
	if found[i] == ARGV[1] then redis.call('SET', KEYS[i], ARGV[i + 1], 'PX', ARGV[4]) end
end
return redis.status_reply('OK')`)
)

func (at *connection) marks() string { return prefix + "mark:" + at.life + ":" }

func (at *connection) sessionKey(id session.ID) string { return at.marks() + "session:" + string(id) }

func (at *connection) principalKey(id principal.ID) string {
	return at.marks() + "principal:" + string(id)
}

// Recall implements [outbound.Marks] in one trip.
func (c *Cache) Recall(ctx context.Context, of principal.ID, id session.ID, now time.Time) (m outbound.Mark, _ outbound.Ticket, ok bool) {
	t := outbound.Ticket{
		ID: "?" + c.name + strconv.FormatUint(c.asked.Add(1), 10), Principal: of, Session: id, At: now,
	}
	at := c.live.Load()
	if !at.remembers() {
		c.misses.Add(1)
		return outbound.Mark{}, outbound.Ticket{}, false
	}
	var found []rueidis.RedisMessage
	keys := []string{at.sessionKey(id), at.principalKey(of), at.marks() + "none"}
	err := c.call(ctx, at, c.cfg.Patience, func(ctx context.Context, s rueidis.Client) (err error) {
		args := []string{t.ID, millis(ticketTTL)}
		found, err = recallScript.Exec(ctx, s, keys, args).ToArray()
		if err == nil && len(found) != 2 {
			err = errStrange
		}
		return err
	})
	if err == nil {
		m, ok = readMark(c.unseal(keys[0], text(found[0])), c.unseal(keys[1], text(found[1])), t)
	}
	if ok {
		c.hits.Add(1)
		return m, outbound.Ticket{}, true
	}
	c.misses.Add(1)
	if err != nil || !found[0].IsNil() && !found[1].IsNil() {
		return outbound.Mark{}, outbound.Ticket{}, false // no ticket was put anywhere
	}
	return outbound.Mark{}, t, false
}

// text is "" for whatever is no text.
func text(m rueidis.RedisMessage) string {
	s, err := m.ToString()
	if err != nil {
		return ""
	}
	return s
}

// Remember implements [outbound.Marks] in one trip.
func (c *Cache) Remember(ctx context.Context, t outbound.Ticket, m outbound.Mark) {
	at := c.live.Load()
	if t.ID == "" || !at.remembers() {
		return
	}
	_ = c.call(ctx, at, c.cfg.Patience, func(ctx context.Context, s rueidis.Client) error {
		ofSession, ofPrincipal := writeMark(t, m)
		keys := []string{at.sessionKey(t.Session), at.principalKey(t.Principal)}
		args := []string{t.ID, c.seal(keys[0], ofSession), c.seal(keys[1], ofPrincipal), millis(markTTL)}
		return rememberScript.Exec(ctx, s, keys, args).Error()
	}) // else the next check asks the database again
}

// Announce implements [outbound.Revocations], as far as there is a connection.
func (c *Cache) Announce(ctx context.Context, r outbound.Revocation) {
	if at := c.live.Load(); at != nil {
		_ = c.revoke(ctx, at, r)
	}
}

// Propagate implements [outbound.Revocations]. It makes a connection if there is
// none, and once more if that there was turns out to be lost: a failure would
// tell somebody that what they ended may go on.
func (c *Cache) Propagate(ctx context.Context, r outbound.Revocation) (err error) {
	for range 2 {
		at, failed := c.reach(ctx)
		if failed != nil {
			return failed
		}
		if err = c.revoke(ctx, at, r); err == nil || c.live.Load() == at {
			return err
		}
	}
	return err
}

func (c *Cache) revoke(ctx context.Context, at *connection, r outbound.Revocation) error {
	if !at.remembers() {
		return errNameless
	}
	if r.Principal == "" {
		return c.buryAll(ctx, at)
	}
	key := at.sessionKey(r.Session)
	if r.Session == "" {
		key = at.principalKey(r.Principal)
	}
	return c.bury(ctx, at, []string{key})
}

// buryAll buries whatever there is. A scan sees all that was there when it
// began, and what came of it: tickets become marks in the same place.
func (c *Cache) buryAll(ctx context.Context, at *connection) error {
	for cursor := uint64(0); ; {
		var page rueidis.ScanEntry
		err := c.call(ctx, at, c.longer(), func(ctx context.Context, s rueidis.Client) (err error) {
			page, err = s.Do(ctx, s.B().Scan().Cursor(cursor).Match(at.marks()+"*").Count(1000).Build()).AsScanEntry()
			return err
		})
		if err != nil {
			return err
		}
		if err := c.bury(ctx, at, page.Elements); err != nil || page.Cursor == 0 {
			return err
		}
		cursor = page.Cursor
	}
}

func (c *Cache) bury(ctx context.Context, at *connection, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return c.call(ctx, at, c.longer(), func(ctx context.Context, s rueidis.Client) error {
		all := make(rueidis.Commands, 0, len(keys))
		for _, key := range keys {
			all = append(all, s.B().Set().Key(key).Value(tombstone).Px(tombTTL).Build())
		}
		var errs []error
		for _, r := range s.DoMulti(ctx, all...) {
			errs = append(errs, r.Error())
		}
		return errors.Join(errs...)
	})
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// seal adds what only a holder of the index key can make, for this place.
func (c *Cache) seal(key, mark string) string {
	return mark + " " + base64.RawURLEncoding.EncodeToString(c.cfg.Index(key+" "+mark))
}

// unseal returns "" for what nobody sealed for this place.
func (c *Cache) unseal(key, sealed string) string {
	end := strings.LastIndexByte(sealed, ' ')
	if end < 0 || subtle.ConstantTimeCompare([]byte(c.seal(key, sealed[:end])), []byte(sealed)) != 1 {
		return ""
	}
	return sealed[:end]
}

// Marks name whom they are about, so that none is taken for another's, and when
// they were read, lest one that was held up on its way counts when it arrives.
const (
	sessionMark   = "session/1"
	principalMark = "principal/1"
)

func writeMark(t outbound.Ticket, m outbound.Mark) (ofSession, ofPrincipal string) {
	number := func(at time.Time) string { return strconv.FormatInt(at.UnixMicro(), 10) }
	return strings.Join([]string{
			sessionMark, string(t.Session), string(t.Principal), number(t.At), number(m.ExpiresAt), number(m.Until),
		}, " "),
		strings.Join([]string{principalMark, string(t.Principal), number(t.At), strconv.Itoa(m.TokenGen)}, " ")
}

// readMark reads what was written for whom a ticket is, no longer ago than
// marks are kept. Replicas whose clocks differ by more than that share nothing.
func readMark(ofSession, ofPrincipal string, t outbound.Ticket) (m outbound.Mark, ok bool) {
	s, ok1 := numbers(ofSession, t.At, sessionMark, string(t.Session), string(t.Principal))
	p, ok2 := numbers(ofPrincipal, t.At, principalMark, string(t.Principal))
	if !ok1 || !ok2 || len(s) != 2 || len(p) != 1 {
		return outbound.Mark{}, false
	}
	return outbound.Mark{ExpiresAt: time.UnixMicro(s[0]).UTC(), Until: time.UnixMicro(s[1]).UTC(), TokenGen: int(p[0])}, true
}

// numbers returns the numbers behind the words a mark has to begin with, but
// for the first one, when it was read.
func numbers(text string, now time.Time, words ...string) ([]int64, bool) {
	parts := strings.Split(text, " ")
	if len(parts) <= len(words) {
		return nil, false
	}
	for i, w := range words {
		if parts[i] != w {
			return nil, false
		}
	}
	all := make([]int64, 0, 3)
	for _, p := range parts[len(words):] {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != p { // written in one way
			return nil, false
		}
		all = append(all, n)
	}
	age := now.Sub(time.UnixMicro(all[0]))
	return all[1:], age <= markTTL && age >= -markTTL
}
