package main

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestUploadsTakeNoMoreThanAPartOfTheMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for limit, want := range map[int64]int{math.MaxInt64: 64, 460 << 20: 5, 1 << 20: 2} {
		debug.SetMemoryLimit(limit)
		if got := uploadsAtOnce(5 << 20); got != want {
			t.Errorf("%d bytes: %d uploads, want %d", limit, got, want)
		}
	}
}
