package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	argon2adapter "gatehouse/adapters/argon2"
)

// Where the memory limit of a control group stands: version 2, version 1.
var memoryLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// limitMemory keeps the garbage collector below nine tenths of the container's
// memory, unless GOMEMLIMIT says what to do.
func limitMemory(environ []string) {
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, "GOMEMLIMIT="); ok && value != "" {
			return
		}
	}
	if limit := containerMemory(); limit > 0 {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// containerMemory returns the limit of the control group in bytes, 0 if there
// is none.
func containerMemory() int64 {
	for _, path := range memoryLimits {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err == nil && n > 0 && n < math.MaxInt64/2 { // version 1 writes a huge number for no limit
			return n
		}
	}
	return 0
}

// hashBudget is what all hashes at once may take (faults §7): a quarter of the
// memory.
func hashBudget() int64 { return debug.SetMemoryLimit(-1) / 4 }

// giveMemoryBack returns to the system what hashes took, once nobody has
// hashed for a while: each takes many megabytes, and the collector by itself
// keeps them for minutes.
func giveMemoryBack(ctx context.Context, h *argon2adapter.Hasher) {
	const quiet = 5 * time.Second
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for seen, owed := h.Stats().Admitted, true; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch admitted := h.Stats().Admitted; {
		case admitted != seen:
			seen, owed = admitted, true
		case owed:
			debug.FreeOSMemory()
			owed = false
		}
	}
}
