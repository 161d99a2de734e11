package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	argon2adapter "gatehouse/adapters/argon2"
)

// Where the memory limit of a control group stands: version 2, version 1.
var memoryLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// garbage is how many percent of the memory in use may become garbage before it
// is collected. Requests leave nothing behind, so little is in use, and with Go's
// 100 the collector takes an eighth of the time that a refresh takes.
const garbage = 200

// limitMemory keeps the garbage collector below nine tenths of the container's
// memory, and from collecting all the time. GOMEMLIMIT and GOGC count more.
func limitMemory(environ []string) {
	set := func(name string) bool {
		return slices.ContainsFunc(environ, func(v string) bool {
			value, ok := strings.CutPrefix(v, name+"=")
			return ok && value != ""
		})
	}
	if limit := containerMemory(); limit > 0 && !set("GOMEMLIMIT") {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
	if !set("GOGC") {
		debug.SetGCPercent(garbage)
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

// pictureBudget is what all pictures that are made at once may take: half of the
// memory, and no more than one large picture needs.
func pictureBudget() int64 {
	const plenty = 1 << 30
	return min(debug.SetMemoryLimit(-1)/2, plenty)
}

// uploadsAtOnce is how many pictures of so many bytes may be on their way here at
// once: they may take an eighth of the memory, each twice its size while it is
// read.
func uploadsAtOnce(size int64) int {
	const fewest, most = 2, 64
	return int(min(max(debug.SetMemoryLimit(-1)/8/(2*size), fewest), most))
}

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
