package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	argon2adapter "gatehouse/adapters/argon2"
	gormadapter "gatehouse/adapters/gorm"
	httpadapter "gatehouse/adapters/http"
	oteladapter "gatehouse/adapters/otel"
	prometheusadapter "gatehouse/adapters/prometheus"
	telemetryadapter "gatehouse/adapters/telemetry"
	appaccount "gatehouse/application/account"
	apphousekeeping "gatehouse/application/housekeeping"
	appkeys "gatehouse/application/keys"
	appoutbox "gatehouse/application/outbox"
	apptrail "gatehouse/application/trail"
	"gatehouse/domain/password"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

type serveCmd struct{}

// Run implements the command. To be told to stop while it starts is no failure.
func (c serveCmd) Run(ctx context.Context, p *process) error {
	err := c.serve(ctx, p)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		p.log.InfoContext(ctx, "stopped while starting")
		return nil
	}
	return err
}

// serve stops what it starts, in reverse.
func (serveCmd) serve(ctx context.Context, p *process) (err error) {
	cfg, err := p.settings()
	if err != nil {
		return err
	}
	limitMemory(p.environ)
	hasher := later(func() (*argon2adapter.Hasher, error) { return newHasher(cfg) })
	defer func() { _, _ = hasher() }() // it must not outlive us
	f, err := lay(ctx, cfg, p.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.afterRestore(ctx); err != nil {
		return err
	}
	again, err := f.reconcileErasures(ctx)
	if err != nil {
		return err
	}
	if again.Erased > 0 {
		f.log.WarnContext(ctx, "accounts deleted again that an older database had brought back", "accounts", again.Erased)
	}
	d, err := bind(ctx, cfg.config)
	if err != nil {
		return err
	}
	s, err := build(ctx, f, d, hasher)
	if err != nil {
		d.close()
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.run(ctx, p)
}

// service is everything that serves, built and not yet at work.
type service struct {
	*foundation
	doors
	base             string
	flights          *flights
	public, internal http.Handler
	mailing          mailing
	atlas            atlas
	breaches         breaches
	pictures         pictures
	relay            *appoutbox.Relay // nil when mail is off
	sweeper          *apphousekeeping.Sweeper
	worker           *appkeys.Worker
	metrics          *prometheusadapter.Metrics
	hasher           *argon2adapter.Hasher
	tracer           *oteladapter.Tracer // nil unless traces are wanted
}

// build makes a service that answers at d.
func build(ctx context.Context, f *foundation, d doors, hasher func() (*argon2adapter.Hasher, error)) (*service, error) {
	s := &service{
		foundation: f, doors: d, base: f.cfg.baseURL(d.public.Addr().String()),
		flights: &flights{}, metrics: prometheusadapter.New(thisBuild().Version, thisBuild().Commit, now),
	}
	words, err := newWords(f.cfg)
	if err != nil {
		return nil, err
	}
	if s.mailing, err = newMailing(f.cfg, s.base, words); err != nil {
		return nil, err
	}
	if s.atlas, err = newAtlas(f.cfg); err != nil {
		return nil, errors.Join(err, s.mailing.close())
	}
	if s.breaches, err = newBreaches(f.cfg); err != nil {
		return nil, errors.Join(err, s.mailing.close(), s.atlas.close())
	}
	if s.pictures, err = newPictures(f); err != nil {
		return nil, errors.Join(err, s.mailing.close(), s.atlas.close(), s.breaches.close())
	}
	if err := s.assemble(ctx, words, hasher); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *service) assemble(ctx context.Context, words httpadapter.Words, hasher func() (*argon2adapter.Hasher, error)) error {
	h, err := hasher()
	if err != nil {
		return err
	}
	watchHashes(s.metrics, h)
	watchOutbox(s.metrics, s.work)
	watchDatabase(s.metrics, s.db)
	watchCache(s.metrics, s.shared.cache)
	watchAudit(s.metrics, s.journal)
	s.hasher = h
	s.sweeper = apphousekeeping.NewSweeper(apphousekeeping.SweeperDeps{Work: s.work, Every: 10 * time.Minute, Idle: s.cfg.Guests.IdleTTL, Audit: s.cfg.Audit.Retention, Now: now, Log: s.log})
	s.worker = newWorker(s.foundation)
	watchKeys(s.metrics, s.ring)
	work := s.work
	if s.mailing.mailer != nil {
		s.relay = newRelay(s.foundation, s.mailing.mailer, s.metrics.Tried)
		work = appoutbox.Waking(work, s.relay.Wake)
	}
	parts, err := newParts(s.foundation, s.base, work, h)
	if err != nil {
		return err
	}
	if err := bootstrap(ctx, s.foundation, h, s.leaks(s.breaches, s.around().watch)); err != nil {
		return err
	}
	lines := telemetryadapter.Log{To: s.log, Now: now}
	watch := watchers{lines, s.metrics}
	if s.tracer, err = newTracer(ctx, s.foundation); err != nil {
		return err
	}
	if s.tracer != nil {
		watch = append(watch, s.tracer)
	}
	deps, err := s.deps(words, parts, s.recorded(watch, lines))
	if err != nil {
		return err
	}
	if s.public, err = httpadapter.New(deps); err != nil {
		return err
	}
	if s.tracer != nil {
		s.public = s.tracer.Handler(s.public)
	}
	s.internal, err = httpadapter.NewInternal(httpadapter.InternalDeps{
		Deps: deps, Metrics: s.metrics.Handler(), Profile: s.cfg.Internal.Profiling, Ready: func() bool { return !s.flights.stopping.Load() },
		Checks: map[string]httpadapter.Check{
			"database":   steady(s.db.Ping),
			"migrations": steady(s.db.SchemaCurrent),
			"keys":       func(ctx context.Context) error { return errors.Join(parts.selfTest(), s.currentKeys(ctx)) },
		},
		Helps: s.shared.checks(),
	})
	return err
}

// recorded is what goes around use cases while others wait for answers.
func (s *service) recorded(watch outbound.Observer, lines outbound.AuditLog) around {
	return around{
		watch: watch, audit: apptrail.Logs(lines, s.journal), grave: apptrail.Logs(lines, s.journal.AtOnce()),
		usual: apptrail.Logs(lines, apptrail.Refusals(s.journal)),
	}
}

// bootstrap makes sure that there is the admin the configuration asks for.
func bootstrap(ctx context.Context, f *foundation, h outbound.Hasher, leaks appaccount.Leaks) error {
	b := f.cfg.Bootstrap
	if b.AdminEmail == "" {
		return nil
	}
	cmd := inbound.EnsureAdmin{CreateUser: inbound.CreateUser{Email: b.AdminEmail, Name: "Administrator", Admin: true}}
	if text := b.AdminPassword.Reveal(); text != "" {
		cmd.Password = password.NewPlain(text)
	}
	if _, err := command(f.around(), newAdminEnsurer(f, h, leaks)).Do(ctx, cmd); err != nil {
		return fmt.Errorf("bootstrap admin: %w", inWords(err))
	}
	return nil
}

// run serves until ctx ends or a server fails.
func (s *service) run(ctx context.Context, p *process) error {
	loops := s.loops(ctx)
	defer loops.stop()
	at := serve(ctx, s.doors, s.public, s.internal, s.flights, s.log)
	s.log.InfoContext(ctx, "ready", "baseUrl", s.base, "mode", s.cfg.App.Mode)
	if s.fresh && s.cfg.App.Mode == development && isTerminal(p.err) {
		welcome(p.err, s.base, s.doors.internal.Addr().String(), s.mailing.mailbox != nil)
	}
	var failed error
	select {
	case <-ctx.Done():
		s.log.InfoContext(ctx, "stopping")
	case failed = <-at.failed:
	}
	at.stop(ctx)
	return failed
}

func watchKeys(m *prometheusadapter.Metrics, r *appkeys.Ring) {
	m.Gauge("gatehouse_keys_unseen_seconds", "Time since the keys in use were last known to be the stored ones.", func() float64 { return r.Age().Seconds() })
}

// staleAfter is how long a replica may go on with keys that may not be the
// stored ones any more, before it is not ready and answers nothing: less than
// others wait for it before they use new ones.
const staleAfter = 5 * time.Second

// currentKeys refuses keys of which is not known whether they are the stored ones.
func (s *service) currentKeys(ctx context.Context) error { return s.ring.Fresh(ctx, staleAfter) }

func watchAudit(m *prometheusadapter.Metrics, j *apptrail.Journal) {
	m.Gauge("gatehouse_audit_waiting", "Audit entries that wait to be stored.", func() float64 { return float64(j.Stats().Waiting) })
	m.Counter("gatehouse_audit_stored_total", "Audit entries that were stored.", func() float64 { return float64(j.Stats().Stored) })
	m.Counter("gatehouse_audit_dropped_total", "Audit entries that found no room and are in the log alone.", func() float64 { return float64(j.Stats().Dropped) })
}

func watchHashes(m *prometheusadapter.Metrics, h *argon2adapter.Hasher) {
	m.Gauge("gatehouse_hash_slots_in_use", "Passwords being hashed.", func() float64 { return float64(h.Stats().InUse) })
	m.Gauge("gatehouse_hash_queue_length", "Requests that wait for a hash.", func() float64 { return float64(h.Stats().Waiting) })
	m.Gauge("gatehouse_hash_seconds", "Time a hash takes, lately.", func() float64 { return h.Stats().HashTime.Seconds() })
	m.Counter("gatehouse_hash_admitted_total", "Requests that got to hash.", func() float64 { return float64(h.Stats().Admitted) })
	m.Counter("gatehouse_hash_refused_total", "Requests that were refused, because too many waited.", func() float64 { return float64(h.Stats().Refused) })
	m.Counter("gatehouse_hash_wait_seconds_total", "Time spent waiting for a hash.", func() float64 { return h.Stats().Waited.Seconds() })
}

func watchDatabase(m *prometheusadapter.Metrics, db *gormadapter.DB) {
	m.Gauge("gatehouse_database_connections_max", "Connections there may be.", func() float64 { return float64(db.Stats().MaxOpenConnections) })
	m.Gauge("gatehouse_database_connections_open", "Connections there are.", func() float64 { return float64(db.Stats().OpenConnections) })
	m.Gauge("gatehouse_database_connections_in_use", "Connections that are at work.", func() float64 { return float64(db.Stats().InUse) })
	m.Counter("gatehouse_database_waits_total", "How often one had to wait for a connection.", func() float64 { return float64(db.Stats().WaitCount) })
	m.Counter("gatehouse_database_wait_seconds_total", "Time spent waiting for a connection.", func() float64 { return db.Stats().WaitDuration.Seconds() })
}

// watchOutbox shows how much the outbox owes, read once for all three gauges.
func watchOutbox(m *prometheusadapter.Metrics, work outbound.UnitOfWork) {
	const fresh, patience = time.Second, 2 * time.Second
	var mu sync.Mutex
	var at time.Time
	var owed outbound.Backlog
	backlog := func() outbound.Backlog {
		mu.Lock()
		defer mu.Unlock()
		if now().Sub(at) < fresh {
			return owed
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if b, err := work.Single().Outbox.Backlog(ctx); err == nil { // else the last known: readiness tells of the failure
			owed, at = b, now()
		}
		return owed
	}
	m.Gauge("gatehouse_outbox_queued", "Mails that wait to be delivered.", func() float64 { return float64(backlog().Queued) })
	m.Gauge("gatehouse_outbox_dead", "Mails that were given up.", func() float64 { return float64(backlog().Dead) })
	m.Gauge("gatehouse_outbox_oldest_seconds", "Age of the oldest mail that waits.", func() float64 {
		if oldest := backlog().Oldest; !oldest.IsZero() {
			return now().Sub(oldest).Seconds()
		}
		return 0
	})
}

// newTracer returns nil when no traces are wanted.
func newTracer(ctx context.Context, f *foundation) (*oteladapter.Tracer, error) {
	if f.cfg.Internal.TraceURL == "" {
		return nil, nil //nolint:nilnil // no tracer and no failure
	}
	return oteladapter.New(ctx, oteladapter.Config{
		URL: f.cfg.Internal.TraceURL, Version: thisBuild().Version, RequestID: httpadapter.RequestID, Log: f.log,
	})
}

func (s *service) close() error {
	err := errors.Join(s.mailing.close(), s.atlas.close(), s.breaches.close(), s.pictures.close())
	if s.tracer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if lost := s.tracer.Close(ctx); lost != nil { // a collector that is down is no failure of ours
			s.log.WarnContext(ctx, "last traces not exported", "err", lost)
		}
	}
	return err
}

// loops are what goes on in the background, and how it ends.
type loops struct {
	cancel context.CancelFunc
	ends   sync.WaitGroup
}

func (l *loops) stop() {
	l.cancel()
	l.ends.Wait()
}

// loops begins the background work. It begins to end with ctx, beside the
// requests in flight: the mails those still cause are left for the next start.
func (s *service) loops(ctx context.Context) *loops {
	ctx, cancel := context.WithCancel(ctx)
	l := &loops{cancel: cancel}
	l.ends.Go(debug.FreeOSMemory) // a start takes twice the memory of what follows
	l.ends.Go(func() { s.supervise(ctx, "housekeeping", s.sweeper.Run) })
	l.ends.Go(func() { s.supervise(ctx, "avatars", s.pictures.cleaner.Run) })
	l.ends.Go(func() { s.supervise(ctx, "ring", s.ring.Run) })
	l.ends.Go(func() { s.supervise(ctx, "audit", s.journal.Run) })
	l.ends.Go(func() { s.supervise(ctx, "keys", s.worker.Run) })
	l.ends.Go(func() { s.supervise(ctx, "memory", func(ctx context.Context) { giveMemoryBack(ctx, s.hasher) }) })
	for name, loop := range s.shared.loops {
		l.ends.Go(func() { s.supervise(ctx, name, loop) })
	}
	if s.relay != nil {
		l.ends.Go(func() { s.supervise(ctx, "outbox", s.relay.Run) })
		l.ends.Go(func() { s.supervise(ctx, "listener", s.listen) })
	}
	return l
}

// listen wakes the relay when another replica has stored a mail, and is too
// busy to deliver it or stops.
func (s *service) listen(ctx context.Context) {
	s.db.Listen(ctx, s.relay.Hear, func(err error) {
		s.log.WarnContext(ctx, "not listening for mails of other replicas, will look every second", "err", err)
	})
}

// supervise runs a loop again when it panics, a little later each time.
func (s *service) supervise(ctx context.Context, name string, loop func(context.Context)) {
	const most = time.Minute
	s.metrics.Started(name)
	for wait := time.Second; !finished(ctx, s.log, name, loop); wait = min(2*wait, most) {
		s.metrics.Restarted(name)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// finished reports whether loop ended by itself. It logs the type of what it
// panicked with, and never the value, which may be anybody's.
func finished(ctx context.Context, log *slog.Logger, name string, loop func(context.Context)) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			log.ErrorContext(ctx, "background loop panicked", "loop", name, "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
		}
	}()
	loop(ctx)
	return true
}

// steady makes a check need two failures in a row before it fails, so that one
// slow answer takes no replica out of service.
func steady(check httpadapter.Check) httpadapter.Check {
	var mu sync.Mutex
	failures := 0
	return func(ctx context.Context) error {
		err := check(ctx)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			failures = 0
			return nil
		}
		if failures++; failures < 2 {
			return nil
		}
		return err
	}
}
