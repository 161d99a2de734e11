// Package throttle slows down the guessing of one account's secrets (contract
// §7.5). It delays, it never locks, and it treats unknown accounts alike.
package throttle

import "time"

// Subject is whose secret is guessed, and from where. Account is the normal
// form of an address, known or not.
type Subject struct{ Account, Network string }

// Counter counts wrong secrets since the last right one.
type Counter struct {
	Failures int
	Last     time.Time // of the last wrong one
}

// State holds the counters a guess is judged by.
type State struct {
	Network Counter // of the account from one network
	Account Counter // of the account from everywhere
}

// Policy says when there is a delay. After Attempts wrong secrets from one
// network it is a second, doubled by each further one up to MaxDelay; the same
// from everywhere, but only after TotalAttempts, so that a stranger does not
// lock the owner out.
type Policy struct {
	Attempts, TotalAttempts int
	MaxDelay                time.Duration
	Off                     bool
}

// Forgiven is how long a wrong secret is remembered.
const Forgiven = 24 * time.Hour

// Wait returns how long the next guess has to wait, zero if it may be made now.
func (p Policy) Wait(s State, now time.Time) time.Duration {
	if p.Off {
		return 0
	}
	return max(p.wait(s.Network, p.Attempts, now), p.wait(s.Account, p.TotalAttempts, now), 0)
}

// Count returns the state with one more guess in it. A guess is counted before
// it is judged, so that parallel ones cannot slip through.
func (s State) Count(now time.Time) State {
	return State{Network: s.Network.count(now), Account: s.Account.count(now)}
}

// Forgive returns the state without the latest guess, which was no wrong one: it
// makes nobody wait. Otherwise who has to wait for longer than a challenge lasts
// could never answer one.
func (p Policy) Forgive(s State) State {
	return State{Network: p.forgive(s.Network, p.Attempts), Account: p.forgive(s.Account, p.TotalAttempts)}
}

func (p Policy) forgive(c Counter, free int) Counter {
	c.Failures = max(0, c.Failures-1)
	c.Last = c.Last.Add(-p.delay(c.Failures, free))
	return c
}

func (c Counter) count(now time.Time) Counter {
	if c.forgiven(now) {
		c.Failures = 0
	}
	return Counter{c.Failures + 1, now}
}

func (c Counter) forgiven(now time.Time) bool { return now.Sub(c.Last) >= Forgiven }

func (p Policy) wait(c Counter, free int, now time.Time) time.Duration {
	if c.Failures < free || c.forgiven(now) {
		return 0
	}
	return p.delay(c.Failures, free) - now.Sub(c.Last)
}

func (p Policy) delay(failures, free int) time.Duration {
	if failures < free {
		return 0
	}
	delay := time.Second
	for range failures - free {
		if delay *= 2; delay >= p.MaxDelay {
			break
		}
	}
	return min(delay, p.MaxDelay)
}
