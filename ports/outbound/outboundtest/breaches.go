package outboundtest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

// Breaches runs the suite of [outbound.Breaches]. open returns one that knows
// these passwords and no others.
func Breaches(t *testing.T, open func(t *testing.T, leaked []string) outbound.Breaches) {
	leaked := []string{"password", "Tr0ub4dor&3", "caf\u00e9 au lait", "  blanks  ", "x"}
	for i := range 500 {
		leaked = append(leaked, fmt.Sprintf("leaked %d", i))
	}
	b := open(t, leaked)
	ask := func(t *testing.T, text string) bool {
		t.Helper()
		got, err := b.Breached(t.Context(), password.NewPlain(text))
		if err != nil {
			t.Fatalf("Breached(%q): %v", text, err)
		}
		return got
	}

	t.Run("KnowsWhatLeaked", func(t *testing.T) {
		for _, text := range append(leaked, "cafe\u0301 au lait") {
			if !ask(t, text) {
				t.Errorf("%q is not known", text)
			}
		}
	})
	t.Run("KnowsNothingElse", func(t *testing.T) {
		for _, text := range []string{
			"", "Password", "password ", "password\n", "PASSWORD", "blanks", "passwor", "cafe au lait", "violet kettle under nine bridges",
			strings.Repeat("x", 4096), strings.Repeat("x", 1<<20),
		} {
			if ask(t, text) {
				t.Errorf("%.40q is known", text)
			}
		}
	})
	t.Run("IsSeldomWrong", func(t *testing.T) {
		wrong := 0
		for i := range 50 {
			if ask(t, fmt.Sprintf("never leaked %d", i)) {
				wrong++
			}
		}
		if wrong > 0 {
			t.Errorf("%d passwords are known that did not leak", wrong)
		}
	})
	t.Run("AnswersManyAtOnce", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 20 {
					text := fmt.Sprintf("leaked %d", i*20+j)
					if got, err := b.Breached(t.Context(), password.NewPlain(text)); !got || err != nil {
						t.Errorf("Breached(%q) = %v, %v", text, got, err)
					}
				}
			})
		}
		all.Wait()
	})
}
