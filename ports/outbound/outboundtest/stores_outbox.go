package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var outboxChecks = []storeCheck{
	{"NoticeRoundTrip", noticeRoundTrip},
	{"ClaimIsOrderedAndLimited", claimIsOrderedAndLimited},
	{"ClaimLeases", claimLeases},
	{"ClaimHasOneWinnerEach", claimHasOneWinnerEach},
	{"SettleDelivered", settleDelivered},
	{"SettleDead", settleDead},
	{"SettleRetries", settleRetries},
	{"SettleStale", settleStale},
	{"ReleaseFreesLeases", releaseFreesLeases},
	{"BacklogTellsTheOldest", backlogTellsTheOldest},
	{"DropGivesUpKinds", dropGivesUpKinds},
	{"OutboxPurge", outboxPurge},
}

// letter is a notice that was promised a minute before [at], with nothing left
// out.
func letter(id string, of principal.ID) notice.Notice {
	return notice.Notice{
		ID: id, Kind: notice.EmailVerification, Principal: of, To: address("Ada@Example.com"), Name: "Ådá", Locale: "pt-BR",
		CreatedAt: at.Add(-time.Minute), ExpiresAt: at.Add(time.Hour),
		Token: secret.New("token of " + id), Code: secret.New("code of " + id), Valid: 90 * time.Minute, From: from("2001:db8::1"),
		Provider: "Gøøgle, Ädfs", Factor: notice.TOTP,
	}
}

func addNotices(t *testing.T, w work, of ...notice.Notice) {
	t.Helper()
	within(t, w, func(ctx context.Context, s stores) error {
		for _, n := range of {
			if err := s.Outbox.Add(ctx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// claim leases up to limit notices for twenty seconds.
func claim(t *testing.T, w work, owner string, now time.Time, limit int) []outbound.Claim {
	t.Helper()
	all, err := w.Single().Outbox.Claim(t.Context(), owner, now, now.Add(20*time.Second), limit)
	must(t, err)
	for _, c := range all {
		if c.Broken != nil || c.Owner != owner {
			t.Errorf("claim of %s: owner %q, broken: %v", c.Notice.ID, c.Owner, c.Broken)
		}
	}
	return all
}

func idsOf(all []outbound.Claim) string {
	ids := ""
	for _, c := range all {
		ids += c.Notice.ID + " "
	}
	return ids
}

func claims(t *testing.T, w work, now time.Time, want string) {
	t.Helper()
	if got := idsOf(claim(t, w, "me", now, 9)); got != want {
		t.Errorf("claimed %q, want %q", got, want)
	}
}

func settle(t *testing.T, w work, c outbound.Claim, o outbound.Outcome) {
	t.Helper()
	must(t, w.Single().Outbox.Settle(t.Context(), c, o))
}

func noticeRoundTrip(t *testing.T, w work) {
	add(t, w, user("u1"))
	nobodys := letter("n2", "")
	bare := notice.Notice{
		ID: "n3", Kind: notice.LoginAlert, To: address("b@example.com"), Locale: "en", CreatedAt: at, ExpiresAt: at,
	}
	for _, want := range []notice.Notice{letter("n1", "u1"), nobodys, bare} {
		addNotices(t, w, want)
		all := claim(t, w, "me", at, 9)
		if len(all) != 1 || all[0].Fence != 1 || all[0].Attempts != 1 {
			t.Fatalf("claimed %+v, want one notice, for the first time", all)
		}
		got := all[0].Notice
		if !got.Token.Equal(want.Token) || !got.Code.Equal(want.Code) {
			t.Errorf("notice %s: other token or code", want.ID)
		}
		inUTC(&got.CreatedAt, &got.ExpiresAt, &want.CreatedAt, &want.ExpiresAt)
		same(t, "notice", got, want)
	}
}

func claimIsOrderedAndLimited(t *testing.T, w work) {
	for i, id := range []string{"d", "c", "b", "a"} {
		n := letter(id, "")
		n.CreatedAt = at.Add(time.Duration(min(i, 2)) * time.Microsecond)
		addNotices(t, w, n)
	}
	claims(t, w, at.Add(-time.Microsecond), "")
	for _, tc := range []struct {
		now   time.Time
		limit int
		want  string
	}{
		{at, 9, "d "},
		{at.Add(time.Second), 0, ""},
		{at.Add(time.Second), 2, "c a "}, // b and a are due at the same time
		{at.Add(time.Second), 9, "b "},
		{at.Add(time.Second), 9, ""},
	} {
		if got := idsOf(claim(t, w, "me", tc.now, tc.limit)); got != tc.want {
			t.Errorf("claimed %q, want %q", got, tc.want)
		}
	}
}

func claimLeases(t *testing.T, w work) {
	addNotices(t, w, letter("n1", ""), letter("n2", ""))
	first := claim(t, w, "me", at, 1)
	if got := idsOf(claim(t, w, "you", at.Add(20*time.Second-time.Microsecond), 9)); got != "n2 " {
		t.Errorf("while n1 is leased, claimed %q", got)
	}
	again := claim(t, w, "you", at.Add(20*time.Second), 9)
	if len(again) != 1 || again[0].Notice.ID != "n1" || again[0].Attempts != 2 || again[0].Fence <= first[0].Fence {
		t.Errorf("when the lease of n1 has run out, claimed %+v", again)
	}
}

func claimHasOneWinnerEach(t *testing.T, w work) {
	const n = 30
	for i := range n {
		addNotices(t, w, letter(fmt.Sprintf("n%02d", i), ""))
	}
	var mu sync.Mutex
	times := map[string]int{}
	race(10, func(i int) {
		for {
			all, err := w.Single().Outbox.Claim(t.Context(), fmt.Sprint("relay ", i), at, at.Add(time.Minute), 4)
			if err != nil {
				t.Errorf("Claim = %v", err)
			}
			if len(all) == 0 {
				return
			}
			mu.Lock()
			for _, c := range all {
				times[c.Notice.ID]++
			}
			mu.Unlock()
		}
	})
	for id, k := range times {
		if k != 1 {
			t.Errorf("%s was claimed %d times", id, k)
		}
	}
	if len(times) != n {
		t.Errorf("%d of %d notices were claimed", len(times), n)
	}
}

func settleDelivered(t *testing.T, w work) {
	addNotices(t, w, letter("n1", ""))
	settle(t, w, claim(t, w, "me", at, 9)[0], outbound.Outcome{At: at})
	claims(t, w, at.Add(time.Hour), "")
	backlog(t, w, outbound.Backlog{})
}

func settleDead(t *testing.T, w work) {
	addNotices(t, w, letter("n1", ""))
	settle(t, w, claim(t, w, "me", at, 9)[0], outbound.Outcome{At: at, Dead: true, Error: "smtp_550"})
	claims(t, w, at.Add(time.Hour), "")
	backlog(t, w, outbound.Backlog{Dead: 1})
}

func settleRetries(t *testing.T, w work) {
	addNotices(t, w, letter("n1", ""), letter("n2", ""))
	retry := at.Add(30 * time.Second)
	settle(t, w, claim(t, w, "me", at, 1)[0], outbound.Outcome{At: at, RetryAt: retry, Error: "smtp_451"})
	claims(t, w, retry.Add(-time.Microsecond), "n2 ")
	again := claim(t, w, "me", retry, 9)
	if len(again) != 1 || again[0].Attempts != 2 || again[0].Fence != 2 {
		t.Fatalf("claimed %+v, want n1 for the second time", again)
	}
	if got, want := again[0].Notice.Token, letter("n1", "").Token; !got.Equal(want) {
		t.Error("a notice to be tried again has lost its token")
	}
}

func settleStale(t *testing.T, w work) {
	addNotices(t, w, letter("n1", ""))
	mine := claim(t, w, "me", at, 9)[0]
	stranger := mine
	stranger.Owner = "you"
	yours := claim(t, w, "you", at.Add(time.Minute), 9)[0]
	unknown := mine
	unknown.Notice.ID = "n9"
	for name, c := range map[string]outbound.Claim{"overtaken": mine, "a stranger's": stranger, "unknown": unknown} {
		if err := w.Single().Outbox.Settle(t.Context(), c, outbound.Outcome{At: at}); !errors.Is(err, outbound.ErrStale) {
			t.Errorf("Settle of %s claim = %v, want ErrStale", name, err)
		}
	}
	settle(t, w, yours, outbound.Outcome{At: at})
	if err := w.Single().Outbox.Settle(t.Context(), yours, outbound.Outcome{At: at}); !errors.Is(err, outbound.ErrStale) {
		t.Errorf("Settle of a settled claim = %v, want ErrStale", err)
	}
}

func releaseFreesLeases(t *testing.T, w work) {
	addNotices(t, w, letter("n1", ""), letter("n2", ""), letter("n3", ""))
	mine := claim(t, w, "me", at, 1)[0]
	claim(t, w, "you", at, 1)
	must(t, w.Single().Outbox.Release(t.Context(), "me", at))
	if err := w.Single().Outbox.Settle(t.Context(), mine, outbound.Outcome{At: at}); !errors.Is(err, outbound.ErrStale) {
		t.Errorf("Settle of a released claim = %v, want ErrStale", err)
	}
	claims(t, w, at, "n1 n3 ")
	must(t, w.Single().Outbox.Release(t.Context(), "", at.Add(-time.Second)))
	claims(t, w, at.Add(-time.Second), "n1 n2 n3 ")
	must(t, w.Single().Outbox.Release(t.Context(), "", at.Add(-time.Hour))) // a clock that went back
	claims(t, w, at.Add(-time.Hour), "n1 n2 n3 ")
}

func backlog(t *testing.T, w work, want outbound.Backlog) {
	t.Helper()
	got, err := w.Single().Outbox.Backlog(t.Context())
	must(t, err)
	inUTC(&got.Oldest, &want.Oldest)
	same(t, "backlog", got, want)
}

func backlogTellsTheOldest(t *testing.T, w work) {
	backlog(t, w, outbound.Backlog{})
	for i, id := range []string{"n1", "n2", "n3", "n4"} {
		n := letter(id, "")
		n.CreatedAt = at.Add(time.Duration(i) * time.Second)
		addNotices(t, w, n)
	}
	backlog(t, w, outbound.Backlog{Queued: 4, Oldest: at})
	all := claim(t, w, "me", at.Add(2*time.Second), 9)
	backlog(t, w, outbound.Backlog{Queued: 4, Oldest: at})
	settle(t, w, all[0], outbound.Outcome{At: at})
	settle(t, w, all[1], outbound.Outcome{At: at, Dead: true})
	backlog(t, w, outbound.Backlog{Queued: 2, Dead: 1, Oldest: at.Add(2 * time.Second)})
	settle(t, w, all[2], outbound.Outcome{At: at, RetryAt: at.Add(time.Hour)})
	backlog(t, w, outbound.Backlog{Queued: 2, Dead: 1, Oldest: at.Add(2 * time.Second)})
}

func dropGivesUpKinds(t *testing.T, w work) {
	alert := letter("n4", "")
	alert.Kind = notice.LoginAlert
	addNotices(t, w, letter("n1", ""), letter("n2", ""), letter("n3", ""), alert)
	settle(t, w, claim(t, w, "me", at, 1)[0], outbound.Outcome{At: at}) // n1
	leased := claim(t, w, "me", at, 1)[0]                               // n2
	for _, want := range []int{2, 0} {
		n, err := w.Single().Outbox.Drop(t.Context(), []notice.Kind{notice.EmailVerification, notice.PasswordChanged}, "restored", at)
		if err != nil || n != want {
			t.Errorf("Drop = %d, %v, want %d", n, err, want)
		}
	}
	if err := w.Single().Outbox.Settle(t.Context(), leased, outbound.Outcome{At: at}); !errors.Is(err, outbound.ErrStale) {
		t.Errorf("Settle of a dropped notice = %v, want ErrStale", err)
	}
	backlog(t, w, outbound.Backlog{Queued: 1, Dead: 2, Oldest: alert.CreatedAt})
	claims(t, w, at.Add(time.Hour), "n4 ")
	purged(t, "Outbox", 9, []int{2}, func(limit int) (int, error) { // dropped when it was said to be
		return w.Single().Outbox.Purge(t.Context(), at, at.Add(time.Microsecond), limit)
	})
}

func outboxPurge(t *testing.T, w work) {
	for _, id := range []string{"n1", "n2", "n3", "n4", "n5", "n6"} {
		addNotices(t, w, letter(id, ""))
	}
	before := at.Add(-time.Microsecond)
	for i, c := range claim(t, w, "me", at, 5) { // n6 stays queued
		o := outbound.Outcome{At: before, Dead: i%2 == 1}
		if i == 4 {
			o.At = at
		}
		settle(t, w, c, o)
	}
	purge := w.Single().Outbox.Purge
	purged(t, "Outbox", 9, []int{2, 0}, func(limit int) (int, error) { // n1 and n3
		return purge(t.Context(), at, before, limit)
	})
	backlog(t, w, outbound.Backlog{Queued: 1, Dead: 2, Oldest: letter("n6", "").CreatedAt})
	purged(t, "Outbox", 1, []int{1, 1, 0}, func(limit int) (int, error) { return purge(t.Context(), at, at, limit) })
	purged(t, "Outbox", 9, []int{1}, func(limit int) (int, error) {
		return purge(t.Context(), at.Add(time.Second), at, limit)
	})
	backlog(t, w, outbound.Backlog{Queued: 1, Oldest: letter("n6", "").CreatedAt})
}
