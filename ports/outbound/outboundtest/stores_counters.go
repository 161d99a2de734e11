package outboundtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/throttle"
)

var counterChecks = []storeCheck{
	{"AttemptsRoundTrip", attemptsRoundTrip},
	{"AttemptsAllCount", attemptsAllCount},
	{"AttemptsPurge", attemptsPurge},
	{"CooldownKeepsApart", cooldownKeepsApart},
	{"CooldownIsRead", cooldownIsRead},
	{"CooldownHasOneStarter", cooldownHasOneStarter},
	{"CooldownsPurge", cooldownsPurge},
	{"DevicesAreRemembered", devicesAreRemembered},
	{"DeviceNeedsItsPrincipal", deviceNeedsItsPrincipal},
	{"DevicesPurge", devicesPurge},
	{"OneDeviceIsNeverPurged", oneDeviceIsNeverPurged},
}

func counters(t *testing.T, w work, of throttle.Subject, want throttle.State) {
	t.Helper()
	got, err := w.Single().Attempts.State(t.Context(), of)
	must(t, err)
	inUTC(&got.Network.Last, &got.Account.Last, &want.Network.Last, &want.Account.Last)
	same(t, fmt.Sprint("counters of ", of), got, want)
}

// The counter of an account is one for all networks.
func attemptsRoundTrip(t *testing.T, w work) {
	here := throttle.Subject{Account: "ada@example.com", Network: "192.0.2.0/24"}
	there := throttle.Subject{Account: "ada@example.com", Network: "2001:db8::/64"}
	nowhere := throttle.Subject{Account: "ada@example.com"}
	other := throttle.Subject{Account: "bob@example.com", Network: "192.0.2.0/24"}
	for _, of := range []throttle.Subject{here, there, nowhere, other} {
		counters(t, w, of, throttle.State{})
	}
	first := throttle.State{Network: throttle.Counter{Failures: 3, Last: at}, Account: throttle.Counter{Failures: 7, Last: at.Add(time.Second)}}
	forgiven := throttle.State{Network: throttle.Counter{Last: at.Add(time.Minute)}, Account: throttle.Counter{Failures: 6, Last: at.Add(time.Hour)}}
	for _, want := range []throttle.State{first, forgiven} {
		within(t, w, func(ctx context.Context, s stores) error { return s.Attempts.Save(ctx, here, want) })
		counters(t, w, here, want)
		for _, of := range []throttle.Subject{there, nowhere} {
			counters(t, w, of, throttle.State{Account: want.Account})
		}
		counters(t, w, other, throttle.State{})
	}
	view(t, w, func(ctx context.Context, s stores) error {
		got, err := s.Attempts.State(ctx, here)
		if got.Account.Failures != 6 {
			t.Errorf("a view sees %+v", got)
		}
		return err
	})
}

// Guesses made at the same time all count, the very first ones too.
func attemptsAllCount(t *testing.T, w work) {
	var failed atomic.Int32
	race(crowd, func(i int) {
		of := throttle.Subject{Account: "ada@example.com", Network: fmt.Sprintf("192.0.%d.0/24", i%2)}
		err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
			st, err := s.Attempts.State(ctx, of)
			if err != nil {
				return err
			}
			return s.Attempts.Save(ctx, of, st.Count(at))
		})
		if err != nil {
			failed.Add(1)
			t.Logf("Within = %v", err)
		}
	})
	if failed.Load() != 0 {
		t.Fatalf("%d of %d guesses failed", failed.Load(), crowd)
	}
	for i := range 2 {
		of := throttle.Subject{Account: "ada@example.com", Network: fmt.Sprintf("192.0.%d.0/24", i)}
		counters(t, w, of, throttle.State{
			Network: throttle.Counter{Failures: crowd / 2, Last: at}, Account: throttle.Counter{Failures: crowd, Last: at},
		})
	}
}

func attemptsPurge(t *testing.T, w work) {
	old := throttle.Subject{Account: "ada@example.com", Network: "192.0.2.0/24"}
	fresh := throttle.Subject{Account: "bob@example.com", Network: "192.0.2.0/24"}
	must(t, w.Single().Attempts.Save(t.Context(), old, throttle.State{}.Count(at.Add(-time.Microsecond))))
	must(t, w.Single().Attempts.Save(t.Context(), fresh, throttle.State{}.Count(at)))
	purged(t, "Attempts", 1, []int{1, 1, 0}, func(limit int) (int, error) {
		return w.Single().Attempts.Purge(t.Context(), at, limit)
	})
	counters(t, w, old, throttle.State{})
	counters(t, w, fresh, throttle.State{}.Count(at))
}

func cooldownKeepsApart(t *testing.T, w work) {
	const minute = time.Minute
	for _, tc := range []struct {
		kind   notice.Kind
		normal string
		after  time.Duration
		want   time.Duration
	}{
		{notice.EmailVerification, "ada@example.com", 0, 0},
		{notice.EmailVerification, "ada@example.com", 0, minute},
		{notice.EmailVerification, "ada@example.com", 20 * time.Second, 40 * time.Second},
		{notice.EmailVerification, "ada@example.com", minute - time.Microsecond, time.Microsecond},
		{notice.RegistrationAlert, "ada@example.com", 0, 0},
		{notice.EmailVerification, "bob@example.com", 0, 0},
		{notice.EmailVerification, "ada@example.com", minute, 0},
		{notice.EmailVerification, "ada@example.com", minute, minute},
	} {
		got, err := w.Single().Cooldowns.Start(t.Context(), tc.kind, tc.normal, at.Add(tc.after), minute)
		if err != nil || got != tc.want {
			t.Errorf("Start(%s, %s) after %v = %v, %v, want %v", tc.kind, tc.normal, tc.after, got, err, tc.want)
		}
	}
}

func cooldownIsRead(t *testing.T, w work) {
	const minute = time.Minute
	_, err := w.Single().Cooldowns.Start(t.Context(), notice.PasswordReset, "ada@example.com", at, minute)
	must(t, err)
	for _, tc := range []struct {
		kind   notice.Kind
		normal string
		after  time.Duration
		want   time.Duration
	}{
		{notice.PasswordReset, "ada@example.com", 0, minute},
		{notice.PasswordReset, "ada@example.com", 20 * time.Second, 40 * time.Second},
		{notice.PasswordReset, "ada@example.com", minute - time.Microsecond, time.Microsecond},
		{notice.PasswordReset, "ada@example.com", minute, 0},
		{notice.PasswordReset, "ada@example.com", time.Hour, 0},
		{notice.EmailVerification, "ada@example.com", 0, 0},
		{notice.PasswordReset, "bob@example.com", 0, 0},
	} {
		read := func(ctx context.Context, s stores) error {
			got, err := s.Cooldowns.Left(ctx, tc.kind, tc.normal, at.Add(tc.after))
			if got != tc.want {
				t.Errorf("Left(%s, %s) after %v = %v, want %v", tc.kind, tc.normal, tc.after, got, tc.want)
			}
			return err
		}
		must(t, read(t.Context(), w.Single()))
		must(t, w.View(t.Context(), read))
		within(t, w, read)
	}
}

func cooldownHasOneStarter(t *testing.T, w work) {
	for round, now := range []time.Time{at, at.Add(time.Minute)} { // a new one, and one that is over
		var started atomic.Int32
		race(crowd, func(i int) {
			var left time.Duration
			start := func(ctx context.Context, s stores) (err error) {
				left, err = s.Cooldowns.Start(ctx, notice.EmailVerification, "ada@example.com", now, time.Minute)
				return err
			}
			var err error
			if i%2 == 0 {
				err = w.Within(t.Context(), start)
			} else {
				err = start(t.Context(), w.Single())
			}
			if err != nil || (left != 0 && left != time.Minute) {
				t.Errorf("Start = %v, %v", left, err)
			}
			if left == 0 {
				started.Add(1)
			}
		})
		if started.Load() != 1 {
			t.Errorf("round %d: %d of %d callers started the cooldown", round, started.Load(), crowd)
		}
	}
}

func cooldownsPurge(t *testing.T, w work) {
	start := func(normal string, ttl time.Duration) time.Duration {
		left, err := w.Single().Cooldowns.Start(t.Context(), notice.EmailVerification, normal, at, ttl)
		must(t, err)
		return left
	}
	start("a@example.com", time.Minute)
	start("b@example.com", time.Minute)
	start("c@example.com", time.Hour)
	purged(t, "Cooldowns", 1, []int{1, 1, 0}, func(limit int) (int, error) {
		return w.Single().Cooldowns.Purge(t.Context(), at.Add(2*time.Minute), limit)
	})
	if left := start("c@example.com", time.Minute); left != time.Hour {
		t.Errorf("a cooldown that runs was purged: %v left", left)
	}
}

func devicesAreRemembered(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	const day = 24 * time.Hour
	for i, tc := range []struct {
		of          string
		device      string
		day         int
		known, ever bool
	}{
		{"u1", "firefox linux", 0, false, false},
		{"u2", "firefox linux", 0, false, false},
		{"u1", "firefox linux", 1, true, true},
		{"u1", "safari macos", 1, false, true},
		{"u1", "firefox linux", 31, true, true}, // seen exactly thirty days ago
		{"u1", "safari macos", 32, false, true}, // too long ago
		{"u1", "safari macos", 33, true, true},
	} {
		now := at.Add(time.Duration(tc.day) * day)
		within(t, w, func(ctx context.Context, s stores) error {
			known, ever, err := s.Devices.Mark(ctx, restore(user(tc.of)).ID(), tc.device, now, now.Add(-30*day))
			if known != tc.known || ever != tc.ever {
				t.Errorf("step %d: Mark = %t, %t, want %t, %t", i+1, known, ever, tc.known, tc.ever)
			}
			return err
		})
	}
}

func deviceNeedsItsPrincipal(t *testing.T, w work) {
	_, _, err := w.Single().Devices.Mark(t.Context(), "nobody", "firefox linux", at, at)
	if fault.CodeOf(err) != fault.DatabaseFailure {
		t.Errorf("Mark for nobody = %v, want DATABASE_FAILURE", err)
	}
}

func mark(t *testing.T, w work, of, device string, now time.Time) (known, ever bool) {
	t.Helper()
	known, ever, err := w.Single().Devices.Mark(t.Context(), restore(user(of)).ID(), device, now, time.Time{})
	must(t, err)
	return known, ever
}

func devicesPurge(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	for device, seen := range map[string]time.Duration{
		"oldest": -time.Hour, "older": -time.Minute, "old": -time.Microsecond, "seen at the instant": 0, "latest": time.Hour,
	} {
		mark(t, w, "u1", device, at.Add(seen))
	}
	mark(t, w, "u2", "an only one", at.Add(-time.Hour))
	purged(t, "Devices", 2, []int{2, 1, 0}, func(limit int) (int, error) {
		return w.Single().Devices.Purge(t.Context(), at, limit)
	})
	for device, want := range map[string]bool{"oldest": false, "older": false, "old": false, "seen at the instant": true, "latest": true} {
		if known, ever := mark(t, w, "u1", device, at); known != want || !ever {
			t.Errorf("%s: Mark = %t, %t, want %t, true", device, known, ever, want)
		}
	}
}

// Who comes back after years, from somewhere else, has signed in before. Which
// of two devices used at the same instant stays is nobody's business.
func oneDeviceIsNeverPurged(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	mark(t, w, "u1", "older", at.Add(-time.Minute))
	mark(t, w, "u1", "latest", at)
	mark(t, w, "u2", "one of two", at)
	mark(t, w, "u2", "two of two", at)
	purged(t, "Devices", 9, []int{2, 0}, func(limit int) (int, error) {
		return w.Single().Devices.Purge(t.Context(), at.Add(24000*time.Hour), limit)
	})
	for _, of := range []string{"u1", "u2"} {
		if known, ever := mark(t, w, of, "another", at.Add(24000*time.Hour)); known || !ever {
			t.Errorf("%s: Mark = %t, %t, want false, true", of, known, ever)
		}
	}
	if known, _ := mark(t, w, "u1", "latest", at.Add(24000*time.Hour)); !known {
		t.Error("the device used last was purged")
	}
}
