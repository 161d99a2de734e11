package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	prometheusadapter "gatehouse/adapters/prometheus"
)

func TestSuperviseWaitsLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{foundation: &foundation{log: quiet}, metrics: prometheusadapter.New("", "", time.Now)}
		var at []time.Duration
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		s.supervise(ctx, "test", func(context.Context) {
			at = append(at, time.Since(began))
			if len(at) == 4 {
				cancel()
			}
			panic("no")
		})
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}
		for i := range want {
			if i >= len(at) || at[i] != want[i] {
				t.Fatalf("ran at %v, want %v", at, want)
			}
		}
	})
}

func TestOneFailedCheckIsNoFailureTwoAreAndOneSuccessHeals(t *testing.T) {
	down := errors.New("down")
	var now error
	check := steady(func(context.Context) error { return now })
	for i, step := range []struct{ is, want error }{{nil, nil}, {down, nil}, {down, down}, {down, down}, {nil, nil}, {down, nil}} {
		now = step.is
		if got := check(t.Context()); !errors.Is(got, step.want) {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

func TestTheWelcomeNamesEveryPlaceAndAWalkToCopy(t *testing.T) {
	var b strings.Builder
	welcome(&b, "http://localhost:8080", "127.0.0.1:8081", true)
	for _, want := range []string{
		"http://localhost:8080/dev/api", "http://localhost:8080/dev/mailbox", "http://127.0.0.1:8081/readyz",
		"/api/auth/register", "/api/auth/login", "/api/auth/step-up", "/api/users/me/password", "/dev/mailbox/messages",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no word of %s", want)
		}
	}
	b.Reset()
	if welcome(&b, "http://localhost:8080", "127.0.0.1:8081", false); strings.Contains(b.String(), "mailbox") {
		t.Error("it names a mailbox that is not there")
	}
}
