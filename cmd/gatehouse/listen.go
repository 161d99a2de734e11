package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// patience is how long requests in flight may take once the service stops.
const patience = 20 * time.Second

// doors are the two addresses, bound before anything is served, because the
// public URL may depend on the port.
type doors struct {
	public, internal net.Listener
}

func bind(ctx context.Context, c config) (d doors, err error) {
	trusted, err := networks(c.HTTP.TrustedProxies)
	if err != nil {
		return d, err
	}
	var lc net.ListenConfig
	if d.public, err = lc.Listen(ctx, "tcp", c.HTTP.Address); err != nil {
		return d, fmt.Errorf("http.address: %w", err)
	}
	if d.internal, err = lc.Listen(ctx, "tcp", c.Internal.Address); err != nil {
		return d, errors.Join(fmt.Errorf("internal.address: %w", err), d.public.Close())
	}
	d.public = netutil.LimitListener(newFair(d.public, c.HTTP.MaxConnections/2, trusted), c.HTTP.MaxConnections)
	d.internal = netutil.LimitListener(d.internal, 256)
	return d, nil
}

// close is for doors that were never served.
func (d doors) close() { _, _ = d.public.Close(), d.internal.Close() }

// flights counts the requests that came before the stop.
type flights struct {
	mu       sync.RWMutex // between the last one that counts and the stop
	stopping atomic.Bool
	under    sync.WaitGroup
}

func (f *flights) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.RLock()
		counts := !f.stopping.Load()
		if counts {
			f.under.Add(1)
		}
		f.mu.RUnlock()
		if counts {
			defer f.under.Done()
		}
		next.ServeHTTP(w, r)
	})
}

func (f *flights) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopping.Store(true)
}

// land waits for what was under way when the service stopped.
func (f *flights) land(ctx context.Context) error {
	landed := make(chan struct{})
	go func() {
		f.under.Wait()
		close(landed)
	}()
	select {
	case <-landed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serving is both servers at work.
type serving struct {
	public, internal *http.Server
	flights          *flights
	log              *slog.Logger
	failed           chan error // of a server that ends by itself
	ends             sync.WaitGroup
}

// serve answers at both doors from now on.
func serve(ctx context.Context, d doors, public, internal http.Handler, f *flights, log *slog.Logger) *serving {
	s := &serving{
		public: newServer(ctx, f.count(public), log), internal: newServer(ctx, internal, log),
		flights: f, log: log, failed: make(chan error, 2),
	}
	for _, side := range []struct {
		name   string
		server *http.Server
		door   net.Listener
	}{{"public", s.public, d.public}, {"internal", s.internal, d.internal}} {
		s.ends.Go(func() {
			if err := side.server.Serve(side.door); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- fmt.Errorf("serve %s address: %w", side.name, err)
			}
		})
		log.InfoContext(ctx, "listening", "side", side.name, "address", side.door.Addr().String())
	}
	return s
}

func newServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, DisableGeneralOptionsHandler: true, MaxHeaderBytes: 16 << 10, ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
}

// stop refuses new requests at once, while the doors stay open for whoever
// still needs to be told, lets those in flight finish, and closes. Health is
// served to the end.
func (s *serving) stop(ctx context.Context) {
	s.flights.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := errors.Join(s.flights.land(ctx), s.public.Shutdown(ctx), s.internal.Shutdown(ctx))
	if err != nil {
		s.log.WarnContext(ctx, "requests in flight were cut off", "err", err)
		_, _ = s.public.Close(), s.internal.Close()
	}
	s.ends.Wait()
}
