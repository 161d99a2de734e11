package gorm_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
)

// listening calls Listen until the test ends, and returns what it hears.
func listening(t *testing.T, db *gorm.DB) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(ended)
		db.Listen(ctx, func() { heard <- struct{}{} }, func(err error) { t.Error(err) })
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	<-heard // because it may have missed some before
	return heard
}

func TestOtherProcessesHearOfNotices(t *testing.T) {
	url := pgtest.URL(t)
	db := open(t, gorm.Config{URL: url})
	heard := listening(t, openEmpty(t, gorm.Config{URL: url}))
	must(t, db.Announce(t.Context()))
	<-heard

	st := gorm.NewStore(db, newVault(t))
	must(t, st.Single().Outbox.Add(t.Context(), mail("n1", "")))
	claims, err := st.Single().Outbox.Claim(t.Context(), "me", now, now.Add(time.Minute), 9)
	must(t, err)
	must(t, st.Single().Outbox.Release(t.Context(), "nobody", now))
	must(t, db.Announce(t.Context()))
	<-heard
	select { // whoever announced before would be heard before
	case <-heard:
		t.Error("heard of a notice that was stored, or of none that was released")
	default:
	}
	must(t, st.Single().Outbox.Release(t.Context(), "me", now))
	if <-heard; len(claims) != 1 {
		t.Errorf("%d claims", len(claims))
	}
}

func TestAListenerComesBackAfterItsConnectionDied(t *testing.T) {
	url := pgtest.URL(t)
	db := open(t, gorm.Config{URL: url + "&application_name=victim"})
	heard := listening(t, db)
	raw(t, url, func(ctx context.Context, sql execer) {
		_, err := sql.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"+
			" WHERE application_name = 'victim' AND query LIKE 'LISTEN%'")
		must(t, err)
	})
	<-heard // because it may have missed some meanwhile
	must(t, db.Announce(t.Context()))
	<-heard
}

func TestAListenerThatCannotConnectKeepsTryingAndSaysSoOnce(t *testing.T) {
	db := openEmpty(t, gorm.Config{URL: pgtest.URL(t), Direct: "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		lost := 0
		db.Listen(ctx, func() { t.Error("heard something") }, func(err error) {
			if lost++; err == nil {
				t.Error("lost for no reason")
			}
		})
		if lost != 1 {
			t.Errorf("told %d times", lost)
		}
	})
}

func TestAloneThereIsNothingToListenTo(t *testing.T) {
	db := open(t, gorm.Config{URL: sqliteURL(t)})
	db.Listen(t.Context(), nil, nil)
	must(t, db.Announce(t.Context()))
}
