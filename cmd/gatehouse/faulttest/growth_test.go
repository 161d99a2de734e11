package faulttest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// F71: what has piled up is removed by both replicas at once, in batches that
// hold up nobody who uses the same tables and the same account.
func TestF71WhatPiledUpIsRemovedWhileEverybodyGoesOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	address, p := c.person(t)
	c.settled(t)
	for _, r := range c.both() {
		r.kill()
	}
	piled := c.pileUp(t, rounds(5_000, 50_000))
	started := together(2, func(i int) bool { return c.of(i).start() })
	if !started[0] || !started[1] {
		t.Fatal(c.a.said(), c.b.said())
	}

	over := make(chan struct{})
	var busy sync.WaitGroup
	leave := sync.OnceFunc(func() {
		close(over)
		busy.Wait()
	})
	defer leave()
	var asked, slowest atomic.Int64
	for i := range 2 {
		busy.Go(func() {
			for k := i; ; k++ {
				select {
				case <-over:
					return
				default:
				}
				for _, ask := range []func() answer{
					func() answer { return c.of(k).signIn(address, password) },
					func() answer { return c.of(k).whoAmI(p.AccessToken) },
					func() answer { return c.of(k).listSessions(p.AccessToken) },
				} {
					began := time.Now()
					if a := ask(); !a.ok() {
						t.Error(a)
					}
					slowest.Store(max(slowest.Load(), int64(time.Since(began))))
					asked.Add(1)
				}
			}
		})
	}
	eventually(t, "everything is removed", func() bool { return c.piledUp(t) == 0 })
	leave()
	t.Logf("%d rows in nine tables that nobody needs removed by two replicas, while %d sign-ins, reads and lists of the same account succeeded, the slowest in %s",
		piled, asked.Load(), time.Duration(slowest.Load()).Round(time.Millisecond))
}

// pileUp stores what nobody needs any more, n sessions of everybody and n guests
// among it, and returns how many rows there are of it.
func (c *cluster) pileUp(t *testing.T, n int) int {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO one_time (hash, kind, created_at, expires_at)
		SELECT sha256(g::text::bytea), 'old', now() - interval '9 days', now() - interval '8 days' FROM generate_series(1, $1) g`,
		`INSERT INTO cooldowns (key, until) SELECT sha256(g::text::bytea), now() - interval '1 hour' FROM generate_series(1, $1) g`,
		`INSERT INTO attempts (key, failures, last) SELECT sha256(g::text::bytea), 1, now() - interval '9 days' FROM generate_series(1, $1) g`,
		`INSERT INTO sessions (id, principal_id, refresh_jti, amr, started_at, last_active, expires_at, absolute_until)
		SELECT 'old-' || g, s.principal_id, 'old', s.amr, now() - interval '200 days', now() - interval '190 days', now() - interval '100 days', now() - interval '20 days'
		FROM sessions s, generate_series(1, $1) g`,
		`INSERT INTO refresh_grace (session_id, presented, rotated_at, until, pair)
		SELECT 'old-' || g, 'old', now() - interval '1 day', now() - interval '1 day', '' FROM generate_series(1, $1) g`,
		`INSERT INTO outbox (id, kind, principal_id, locale, state, attempts, next_at, fence, created_at, expires_at, settled_at)
		SELECT 'old-' || g, 'old', '', 'en', 'sent', 1, now(), 1, now() - interval '40 days', now() - interval '39 days', now() - interval '38 days' FROM generate_series(1, $1) g`,
		`INSERT INTO principals (id, kind, name, email_verified, admin, disabled, password_hash, identities, cred_version, token_gen, data_key, created_at, last_active, version)
		SELECT 'old-' || g, 'guest', 'old', false, false, false, '', '', 0, 0, '', now() - interval '40 days', now() - interval '39 days', 1 FROM generate_series(1, $1) g`,
		`INSERT INTO totp_setups (principal_id, id, payload, tries, created_at, expires_at)
		SELECT p.id, 'old', '', 0, now() - interval '2 days', now() - interval '1 day' FROM principals p WHERE p.name = 'old' LIMIT $1`,
		`INSERT INTO mailed_codes (principal_id, code, tries, created_at, expires_at)
		SELECT p.id, '', 0, now() - interval '2 days', now() - interval '1 day' FROM principals p WHERE p.name = 'old' LIMIT $1`,
	} {
		c.exec(t, statement, n)
	}
	return c.piledUp(t)
}

func (c *cluster) piledUp(t *testing.T) int {
	t.Helper()
	return c.count(t, `SELECT (SELECT count(*) FROM sessions WHERE refresh_jti = 'old') + (SELECT count(*) FROM refresh_grace WHERE presented = 'old')
		+ (SELECT count(*) FROM one_time WHERE kind = 'old') + (SELECT count(*) FROM cooldowns WHERE until < now() - interval '30 minutes')
		+ (SELECT count(*) FROM attempts WHERE last < now() - interval '8 days') + (SELECT count(*) FROM outbox WHERE kind = 'old')
		+ (SELECT count(*) FROM principals WHERE name = 'old') + (SELECT count(*) FROM totp_setups WHERE id = 'old')
		+ (SELECT count(*) FROM mailed_codes WHERE expires_at < now() - interval '12 hours')`)
}
