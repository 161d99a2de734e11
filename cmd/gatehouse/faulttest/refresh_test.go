package faulttest

import (
	"net/http"
	"sync"
	"testing"
)

// together calls fn n times at once, and returns what came of it.
func together[T any](n int, fn func(i int) T) []T {
	out := make([]T, n)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			out[i] = fn(i)
		})
	}
	close(begin)
	all.Wait()
	return out
}

func TestF01TwentyFourRefreshesOverTwoReplicasYieldOnePair(t *testing.T) {
	c := theCommon(t)
	n := rounds(4, 100)
	_, p := c.person(t)
	for range n {
		all := together(24, func(i int) answer { return c.of(i).refresh(p.RefreshToken) })
		first := all[0].must(t).pair()
		for _, a := range all {
			if got := a.must(t).pair(); got != first || first.RefreshToken == p.RefreshToken {
				t.Fatalf("two successors:\n%v\n%v", first, got)
			}
		}
		for i := range 2 {
			c.of(i).whoAmI(first.AccessToken).must(t)
		}
		p = first
	}
	t.Logf("%d times 24 refreshes at once over two replicas: %d rotations, no refusal, each successor the same for all", n, n)
}

// F03: whoever lost the answer gets it again, from either replica, also when
// somebody has used the successor already.
func TestF03ARepetitionGetsTheSamePairFromEitherReplicaAlsoAfterTheSuccessorWasUsed(t *testing.T) {
	c := theCommon(t)
	_, first := c.person(t)
	second := c.a.refresh(first.RefreshToken).must(t).pair()
	third := c.b.refresh(second.RefreshToken).must(t).pair()
	for i := range 8 {
		if got := c.of(i).refresh(first.RefreshToken).must(t).pair(); got != second {
			t.Errorf("repetition %d gets another pair", i)
		}
		if got := c.of(i).refresh(second.RefreshToken).must(t).pair(); got != third {
			t.Errorf("repetition %d of the second gets another pair", i)
		}
	}
	c.b.whoAmI(third.AccessToken).must(t)
	fourth := c.a.refresh(third.RefreshToken).must(t).pair()
	if fourth == third {
		t.Error("a repetition has rotated something")
	}
	t.Log("2 rotations, 16 repetitions over two replicas: the same pairs, nothing rotated")
}

// F02: past the window, whoever presents a rotated token ends the session
// everywhere at once, and its owner is told one time, however many present it.
func TestF02ReuseAfterTheWindowEndsTheSessionEverywhereAndIsToldOnce(t *testing.T) {
	c := theCommon(t)
	n := rounds(2, 20)
	for range n {
		address, old := c.person(t)
		beside := c.a.signIn(address, password).must(t).pair()
		live := c.a.refresh(old.RefreshToken).must(t).pair()
		c.exec(t, "UPDATE refresh_grace SET until = until - interval '1 minute' WHERE session_id = $1", c.a.sessionOf(t, live)) // instead of waiting
		for _, a := range together(24, func(i int) answer { return c.of(i).refresh(old.RefreshToken) }) {
			a.wants(t, http.StatusUnauthorized, "REFRESH_TOKEN_INVALID")
		}
		for _, r := range c.both() {
			r.whoAmI(live.AccessToken).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
			r.refresh(live.RefreshToken).wants(t, http.StatusUnauthorized, "REFRESH_TOKEN_INVALID")
			r.whoAmI(beside.AccessToken).must(t)
		}
	}
	if got := c.count(t, "SELECT count(*) FROM outbox WHERE kind = 'security_alert.refresh_token_reused'"); got != n {
		t.Errorf("%d mails are owed, want %d", got, n)
	}
	eventually(t, "every alert arrives", func() bool { return c.arrived(reused) == n })
	t.Logf("%d sessions ended by 24 reuses at once each: every token refused on both replicas, other sessions live, %d mails", n, n)
}

// arrived counts the mails with a subject that were taken.
func (c *cluster) arrived(subject string) (n int) {
	for _, m := range c.post.Taken() {
		if m.Subject == subject {
			n++
		}
	}
	return n
}
