package registration_test

import (
	"sync"
	"testing"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/memory"
	"gatehouse/adapters/vault"
	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// everywhere runs a race many times, each time in a new world, in memory and in
// both databases.
func everywhere(t *testing.T, race func(t *testing.T, w *world)) {
	for name, open := range map[string]func(t *testing.T) outbound.UnitOfWork{
		"memory":   func(*testing.T) outbound.UnitOfWork { return memory.New() },
		"sqlite":   func(t *testing.T) outbound.UnitOfWork { return stored(t, "sqlite://"+t.TempDir()+"/test.db") },
		"postgres": func(t *testing.T) outbound.UnitOfWork { return stored(t, pgtest.URL(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			rounds := 50
			if name != "memory" {
				rounds = 2 // a database each
			}
			for range rounds {
				race(t, newWorldIn(open(t)))
			}
		})
	}
}

func stored(t *testing.T, url string) outbound.UnitOfWork {
	t.Helper()
	db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	check(t, db.Migrate(t.Context()))
	opened := func(p key.Purpose, algorithm string) key.Opened {
		return key.Opened{
			Key:      key.Key{ID: string(p), Purpose: p, Algorithm: algorithm, State: key.Current},
			Material: key.NewMaterial(make([]byte, 32)),
		}
	}
	index := opened(key.BlindIndex, "HS256")
	index.Slot = key.FirstSlot
	v, err := vault.New([]key.Opened{opened(key.Encryption, "A256GCM")}, []key.Opened{index}, nil)
	check(t, err)
	return gorm.NewStore(db, v)
}

// together runs all of it at once.
func together(all ...func()) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, fn := range all {
		wg.Go(func() {
			<-start
			fn()
		})
	}
	close(start)
	wg.Wait()
}
