package faulttest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// alone is one process on an SQLite file, with somebody who is signed in.
func alone(t *testing.T) (r *replica, address string, p pair) {
	t.Helper()
	r = newReplica(t, []string{
		"GATEHOUSE_PASSWORD_HASH_MEMORY_KIB=64", "GATEHOUSE_PASSWORD_HASH_ITERATIONS=1", "GATEHOUSE_LIMITS_ENABLED=false",
		"GATEHOUSE_TOKENS_REFRESH_REUSE_GRACE=60s",
	})
	t.Cleanup(r.end)
	if !r.start() {
		t.Fatal(r.said())
	}
	address = newAddress()
	r.register(address).must(t)
	return r, address, r.signIn(address, password).must(t).pair()
}

// maySize sets how large the files may grow to which the process writes.
func (r *replica) maySize(t *testing.T, bytes uint64) {
	t.Helper()
	must(t, unix.Prlimit(r.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil))
}

// F29: a disk that takes nothing more fails what writes, whole, and refuses
// nobody. With space everything works, and nothing of what failed is there.
func TestF29AFileThatCannotGrowFailsWritesWholeAndServesReads(t *testing.T) {
	r, address, p := alone(t)
	r.maySize(t, 4096)
	lost := []string{newAddress(), newAddress(), newAddress()}
	for _, to := range lost {
		r.register(to).wants(t, http.StatusInternalServerError, "DATABASE_FAILURE")
		r.signIn(address, password).wants(t, http.StatusInternalServerError, "DATABASE_FAILURE")
		r.refresh(p.RefreshToken).wants(t, http.StatusInternalServerError, "DATABASE_FAILURE")
		r.whoAmI(p.AccessToken).must(t)
	}
	r.maySize(t, unix.RLIM_INFINITY)
	p = r.refresh(p.RefreshToken).must(t).pair()
	for _, to := range lost {
		r.signIn(to, password).wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
		r.register(to).must(t)
		r.signIn(to, password).must(t)
	}
	r.kill()
	if !r.start() {
		t.Fatal(r.said())
	}
	r.whoAmI(p.AccessToken).must(t)
	t.Log("9 writes to an SQLite file that could not grow: each failed and left nothing; 3 reads succeeded; with space everything did, also after a kill")
}

// F29: what cannot be written is found out at the start, and said.
func TestF29AFolderThatCannotBeWrittenStopsTheStart(t *testing.T) {
	r, _, _ := alone(t)
	r.kill()
	if os.Getuid() == 0 { // whom nothing is forbidden
		const nobody = 65534
		r.as = &syscall.Credential{Uid: nobody, Gid: nobody}
		must(t, os.Chmod(scratch, 0o755))
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	must(t, err)
	for _, name := range append(files, r.dir) {
		must(t, os.Chmod(name, 0o555))
	}
	said := len(r.log.String())
	if r.start() {
		t.Fatal("it started")
	}
	if s := r.log.String()[said:]; !strings.Contains(s, "permission denied") && !strings.Contains(s, "readonly") {
		t.Errorf("it said %s", s)
	}
	t.Logf("a folder that cannot be written: no start, and the log says %s", strings.TrimSpace(r.log.String()[said:]))
}
