package throttle_test

import (
	"testing"
	"time"

	"gatehouse/domain/throttle"
)

var (
	noon   = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	policy = throttle.Policy{Attempts: 5, TotalAttempts: 50, MaxDelay: 15 * time.Minute}
)

func counter(failures int, ago time.Duration) throttle.Counter {
	return throttle.Counter{Failures: failures, Last: noon.Add(-ago)}
}

func TestWait(t *testing.T) {
	for name, tc := range map[string]struct {
		network, account throttle.Counter
		off              bool
		want             time.Duration
	}{
		"a stranger":               {},
		"free attempts":            {network: counter(4, 0), account: counter(49, 0)},
		"the fifth wrong one":      {network: counter(5, 0), want: time.Second},
		"one more":                 {network: counter(6, 0), want: 2 * time.Second},
		"the last below the limit": {network: counter(14, 0), want: 512 * time.Second},
		"never longer than this":   {network: counter(15, 0), want: 15 * time.Minute},
		"not even after millions":  {network: counter(10_000_000, 0), want: 15 * time.Minute},
		"partly waited":            {network: counter(7, time.Second), want: 3 * time.Second},
		"almost waited":            {network: counter(7, 4*time.Second-1), want: 1},
		"waited":                   {network: counter(7, 4*time.Second)},
		"long waited":              {network: counter(7, time.Hour)},
		"from everywhere":          {network: counter(1, time.Hour), account: counter(50, 0), want: time.Second},
		"the longer of the two":    {network: counter(6, 0), account: counter(53, 0), want: 8 * time.Second},
		"the other way round":      {network: counter(9, 0), account: counter(50, 0), want: 16 * time.Second},
		"forgiven":                 {network: counter(99, 24*time.Hour), account: counter(99, 24*time.Hour)},
		"switched off":             {network: counter(99, 0), account: counter(99, 0), off: true},
	} {
		p := policy
		p.Off = tc.off
		if got := p.Wait(throttle.State{Network: tc.network, Account: tc.account}, noon); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestAShortMaximumIsTheFirstDelayToo(t *testing.T) {
	p := throttle.Policy{Attempts: 1, TotalAttempts: 9, MaxDelay: 100 * time.Millisecond}
	if got := p.Wait(throttle.State{Network: counter(1, 0)}, noon); got != 100*time.Millisecond {
		t.Errorf("Wait = %v", got)
	}
}

func TestCounting(t *testing.T) {
	s := throttle.State{Network: counter(2, time.Hour), Account: counter(7, 24*time.Hour)}
	got := s.Count(noon)
	if want := (throttle.State{Network: counter(3, 0), Account: counter(1, 0)}); got != want {
		t.Errorf("Count = %+v, want %+v", got, want)
	}
	if got := policy.Forgive(got); got.Network.Failures != 2 || got.Account.Failures != 0 {
		t.Errorf("Forgive = %+v", got)
	}
	if got := policy.Forgive(throttle.State{}); got != (throttle.State{}) {
		t.Errorf("Forgive of nothing = %+v", got)
	}
	if first := (throttle.State{}).Count(noon); first.Network != counter(1, 0) || first.Account != counter(1, 0) {
		t.Errorf("first = %+v", first)
	}
}

// A right secret that achieves nothing yet neither resets the count nor makes
// its owner wait again: the next step of a sign-in may follow at once.
func TestWhatIsForgivenMakesNobodyWait(t *testing.T) {
	for _, failures := range []int{0, 4, 5, 9, 60} {
		before := throttle.State{Network: counter(failures, 16*time.Minute), Account: counter(failures, 16*time.Minute)}
		if policy.Wait(before, noon) != 0 {
			t.Fatalf("after %d failures a guess has to wait", failures)
		}
		after := policy.Forgive(before.Count(noon))
		if after.Network.Failures != failures || after.Account.Failures != failures || policy.Wait(after, noon) != 0 {
			t.Errorf("after %d failures and a right secret: %+v, wait %v", failures, after, policy.Wait(after, noon))
		}
		if again := after.Count(noon); failures >= 5 && policy.Wait(again, noon) == 0 {
			t.Errorf("after %d failures, a right secret and a wrong one nobody waits", failures)
		}
	}
}

// Whoever tries as often as allowed gets few guesses a day.
func TestGuessesPerDay(t *testing.T) {
	guesses, s := 0, throttle.State{}
	for now := noon; now.Before(noon.Add(23 * time.Hour)); now = now.Add(time.Second) {
		for policy.Wait(s, now) == 0 {
			s = s.Count(now)
			guesses++
		}
	}
	if guesses < 90 || guesses > 110 {
		t.Errorf("%d guesses in 23 hours, want about 100", guesses)
	}
}
