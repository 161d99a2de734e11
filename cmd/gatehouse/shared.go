package main

import (
	"context"

	gormadapter "gatehouse/adapters/gorm"
	memoryadapter "gatehouse/adapters/memory"
	"gatehouse/ports/outbound"
)

// shared is the state that replicas hold in common outside of any transaction,
// and what keeps it up.
type shared struct {
	buckets outbound.Buckets
	loops   map[string]func(context.Context)
}

// newShared lets a process that is alone keep to itself, and others meet in
// their database.
func newShared(f *foundation) shared {
	if f.alone() {
		return shared{buckets: memoryadapter.NewBuckets()}
	}
	b := gormadapter.NewBuckets(f.db, gormadapter.BucketsConfig{
		Index: func(key string) []byte { return f.vault.Index("bucket", key) },
		Now:   now, Log: f.log,
	})
	return shared{buckets: b, loops: map[string]func(context.Context){"limits": b.Run}}
}
