package memory_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

func TestStores(t *testing.T) {
	outboundtest.Stores(t, func(*testing.T) outbound.UnitOfWork { return memory.New() })
}

func TestStorage(t *testing.T) {
	outboundtest.Storage(t, func(*testing.T) outbound.Storage { return memory.NewStorage() })
}

func TestBuckets(t *testing.T) {
	outboundtest.Buckets(t, func(*testing.T) outboundtest.BucketStore {
		return outboundtest.BucketStore{Replicas: []outbound.Buckets{memory.NewBuckets()}}
	})
}

func TestMarks(t *testing.T) {
	outboundtest.Marks(t, func(*testing.T) outboundtest.MarkStore {
		return outboundtest.MarkStore{Replicas: []outbound.Marks{memory.NoCache{}}}
	})
}

// Who waits for a transaction counts as idle, so a bubble's clock moves on.
func TestTransactionsMaySleepInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, start := memory.New(), time.Now()
		for _, id := range []principal.ID{"g1", "g2"} {
			go func() {
				err := st.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
					time.Sleep(time.Hour)
					return s.Principals.Add(ctx, principal.NewGuest(id, "Guest", time.Now()))
				})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		for _, id := range []principal.ID{"g1", "g2"} {
			p, err := st.Single().Principals.ByID(t.Context(), id)
			if err != nil || !p.CreatedAt().After(start) {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}

func TestWaitingForATransactionEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		go func() {
			_ = st.Within(t.Context(), func(context.Context, outbound.Stores) error {
				time.Sleep(time.Hour)
				return nil
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := st.Within(ctx, func(context.Context, outbound.Stores) error { return nil })
		if err == nil || time.Since(start) != time.Minute {
			t.Errorf("Within = %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Hour)
	})
}
