package faulttest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var strangers = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 25 * time.Second}

// stranger registers over a connection of its own. It returns an error unless
// that was done, or not begun: the door closed, or a word to come back.
func stranger(r *replica, address string) (ok bool, err error) {
	body := object("email", address, "name", "Ada", "password", password)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+r.public+"/api/auth/register", strings.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := strangers.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusOK:
		return true, nil
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		return false, nil
	}
	return false, errors.New(res.Status)
}

// F23, Q8: replicas that are stopped and started in turn, while everybody uses
// both, answer what they have taken. Whoever comes too late is told so, or
// finds the door closed.
func TestF23StoppingReplicasInTurnUnderLoadCutsNoRequest(t *testing.T) {
	c := newCluster(t)
	_, p := c.person(t)
	over := make(chan struct{})
	var busy sync.WaitGroup
	leave := sync.OnceFunc(func() {
		close(over)
		busy.Wait()
	})
	defer leave()
	var served atomic.Int64
	late := make(chan string, 100_000)
	for i := range 4 {
		busy.Go(func() {
			for k := i; ; k++ {
				select {
				case <-over:
					return
				default:
				}
				address := newAddress()
				switch ok, err := stranger(c.of(k), address); {
				case err != nil:
					t.Error(err)
				case ok:
					served.Add(1)
				default:
					late <- address
				}
			}
		})
	}
	stops := rounds(2, 10)
	for i := range stops {
		for goal := served.Load() + 20; served.Load() < goal; {
			time.Sleep(time.Millisecond)
		}
		if code := c.of(i).terminate(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		c.of(i + 1).whoAmI(p.AccessToken).must(t)
		if !c.of(i).start() {
			t.Fatal(c.of(i).said())
		}
	}
	leave()
	close(late)
	n := 0
	for address := range late { // what was cut off was done, and nobody told
		n++
		c.a.signIn(address, password).wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
	}
	t.Logf("%d stops of two replicas in turn: %d requests served, %d told to come back or not let in, none cut", stops, served.Load(), n)
}

// tables are those of the stores.
func (c *cluster) tables(t *testing.T) (all []string) {
	t.Helper()
	rows, err := c.db.QueryContext(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'goose_db_version'")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		all = append(all, name)
	}
	must(t, rows.Err())
	return all
}

// F32, Q8: a release that adds to the schema does so under the feet of the one
// before, whose requests go on without a failure, and which may even start on
// what it does not know.
func TestF32ASchemaThatGrowsUnderLoadFailsNoRequestOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cr := c.begin(t, 2)
	wait := func() {
		for goal := cr.answered.Load() + int64(rounds(20, 200)); cr.answered.Load() < goal; {
			time.Sleep(time.Millisecond)
		}
	}
	wait()
	tables := c.tables(t)
	for _, table := range tables {
		c.exec(t, "ALTER TABLE "+table+" ADD COLUMN of_the_next_release text NOT NULL DEFAULT 'x'")
		c.exec(t, "CREATE INDEX ON "+table+" (of_the_next_release)")
	}
	c.exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, true)")
	wait()
	cr.end()
	if n := cr.failed.Load(); n > 0 {
		t.Errorf("%d requests failed", n)
	}
	for _, w := range cr.wrongs {
		t.Error(w)
	}
	c.a.kill()
	if !c.a.start() {
		t.Fatal(c.a.said())
	}
	changes := cr.verify(t)
	cr.mails(t)
	t.Logf("%d tables got a column and an index under load: %d answers, none failed; %d registrations and %d password changes all there; "+
		"the program starts on the newer schema", len(tables), cr.answered.Load(), len(cr.registered), changes)
}
