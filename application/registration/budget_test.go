package registration_test

import (
	"context"
	"testing"

	app "gatehouse/application/registration"
	"gatehouse/ports/outbound"
)

// counted counts how often the database is asked for something atomic.
type counted struct {
	outbound.UnitOfWork
	units int
}

func (c *counted) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	c.units++
	return c.UnitOfWork.Within(ctx, fn)
}

func (c *counted) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	c.units++
	return c.UnitOfWork.View(ctx, fn)
}

func (c *counted) Single() outbound.Stores {
	c.units++
	return c.UnitOfWork.Single()
}

func TestRegistrationTakesAtMostThreeUnitsOfWork(t *testing.T) {
	for name, tc := range map[string]struct {
		given func(*testing.T, *world)
		lost  bool // the address is taken between the look for it and the write
	}{
		"free":               {},
		"free, cooling":      {given: cooling("grace@example.com")},
		"taken":              {given: taken},
		"taken, told lately": {given: both(taken, toldLately)},
		"taken by a rival":   {lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tc.given != nil {
				tc.given(t, w)
			}
			deps := w.registrarDeps()
			c := &counted{UnitOfWork: w.work}
			if tc.lost {
				taken(t, w)
				c.UnitOfWork = newBlind(w.work, 1)
			}
			deps.Work = c
			_, err := app.NewRegistrar(deps).Do(t.Context(), register("Grace@Example.com"))
			check(t, err)
			if c.units < 1 || c.units > 3 {
				t.Errorf("it took %d units of work", c.units)
			}
		})
	}
}
