package avatar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/adapters/memory"
	appavatar "gatehouse/application/avatar"
	"gatehouse/domain/avatar"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var start = time.Date(2026, 7, 27, 10, 15, 30, 0, time.UTC)

// painter makes of every picture what was sent, three times.
type painter struct{}

func (painter) Paint(_ context.Context, source []byte) (avatar.Picture, error) {
	p := avatar.Picture{Type: avatar.PNG}
	for i := range p.Renditions {
		p.Renditions[i] = avatar.Pixels{Side: 1, Content: source}
	}
	return p, nil
}

// fragile is a storage that can be broken.
type fragile struct {
	*memory.Storage
	broken atomic.Bool
}

var errBroken = errors.New("broken")

func (s *fragile) Put(ctx context.Context, key, contentType string, content []byte) error {
	if s.broken.Load() && strings.Contains(key, "large") {
		return errBroken
	}
	return s.Storage.Put(ctx, key, contentType, content)
}

func (s *fragile) Remove(ctx context.Context, key string) error {
	if s.broken.Load() {
		return errBroken
	}
	return s.Storage.Remove(ctx, key)
}

type world struct {
	store   *memory.Store
	storage *fragile
	now     time.Time
	keys    atomic.Int32
	log     bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: memory.New(), storage: &fragile{Storage: memory.NewStorage()}, now: start}
	address, _ := email.Parse("ada@example.com")
	for _, p := range []*principal.Principal{
		principal.NewUser("ada", "Ada", address, password.NewHash("hash"), start), principal.NewGuest("gus", "Gus", start),
	} {
		if err := w.store.Single().Principals.Add(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) clock() time.Time { return w.now }

func by(id principal.ID) inbound.Context {
	return inbound.Context{Caller: session.Caller{PrincipalID: id}}
}

func (w *world) setter() appavatar.SetterDeps {
	return appavatar.SetterDeps{
		Work: w.store, Storage: w.storage, Painter: painter{}, Now: w.clock, NewID: func() string { return "id" },
		NewKey: func() string { return fmt.Sprint("k", w.keys.Add(1)) }, Wake: func() {},
	}
}

func (w *world) set(ctx context.Context, id principal.ID, picture string) (inbound.Self, error) {
	return appavatar.NewSetter(w.setter()).Do(ctx, inbound.SetAvatar{Context: by(id), Picture: []byte(picture)})
}

func (w *world) read(ctx context.Context, key string) (string, error) {
	f, err := appavatar.NewFinder(appavatar.FinderDeps{Work: w.store, Storage: w.storage}).Do(ctx, inbound.FindFile{Key: key})
	if err != nil {
		return "", err
	}
	c, err := f.Open(ctx)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), errors.Join(err, c.Close())
}

func (w *world) cleaner() *appavatar.Cleaner {
	return appavatar.NewCleaner(appavatar.CleanerDeps{
		Work: w.store, Storage: w.storage, Every: time.Minute, Now: w.clock, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
}

// clean runs a cleaner for so long.
func (w *world) clean(t *testing.T, during time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	w.cleaner().Run(ctx)
}

func (w *world) mustSet(t *testing.T, picture string) avatar.Avatar {
	t.Helper()
	p, err := w.set(t.Context(), "ada", picture)
	if err != nil {
		t.Fatal(err)
	}
	return p.Avatar()
}

func TestWhatWasReplacedIsRemovedAndWhatIsShownStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		old := w.mustSet(t, "one")
		shown := w.mustSet(t, "two")
		w.clean(t, time.Second)
		if got := w.storage.Keys(); len(got) != 3 || !slices.Contains(got, shown.FileKey(avatar.Small)) {
			t.Errorf("there are %v", got)
		}
		if _, err := w.read(t.Context(), old.FileKey(avatar.Small)); fault.CodeOf(err) != fault.FileNotFound {
			t.Errorf("the old one: %v", err)
		}
		if got, err := w.read(t.Context(), shown.FileKey(avatar.Large)); got != "two" || err != nil {
			t.Errorf("got %q (%v)", got, err)
		}
	})
}

// A process that dies between the files and the swap leaves them staged.
func TestFilesOfAChangeThatWasNeverFinishedAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		shown := w.mustSet(t, "one")
		w.storage.broken.Store(true)
		if _, err := w.set(t.Context(), "ada", "two"); fault.CodeOf(err) != fault.FileFailure || !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		w.storage.broken.Store(false)
		w.clean(t, time.Second)
		if got := w.storage.Keys(); len(got) != 5 {
			t.Errorf("too early there are %v", got)
		}
		w.now = w.now.Add(time.Hour)
		w.clean(t, time.Second)
		if got := w.storage.Keys(); len(got) != 3 {
			t.Errorf("there are %v", got)
		}
		if got, err := w.read(t.Context(), shown.FileKey(avatar.Medium)); got != "one" || err != nil {
			t.Errorf("got %q (%v)", got, err)
		}
	})
}

func TestACleanerTriesAgainWhatItCouldNotRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 60 { // more than a batch of files
			w.mustSet(t, fmt.Sprint(i))
		}
		w.storage.broken.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		c := w.cleaner()
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		synctest.Wait()
		if got := len(w.storage.Keys()); got != 180 || !strings.Contains(w.log.String(), "will keep trying") {
			t.Errorf("%d files are left, and the log says %s", got, w.log.String())
		}
		w.storage.broken.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := len(w.storage.Keys()); got != 3 {
			t.Errorf("%d files are left", got)
		}
		w.mustSet(t, "another")
		c.Wake()
		synctest.Wait()
		if got := len(w.storage.Keys()); got != 3 {
			t.Errorf("%d files are left after it was woken", got)
		}
		cancel()
		<-done
	})
}

func TestUploadsAtOnceLeaveOnePicture(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := w.set(t.Context(), "ada", fmt.Sprint("picture ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	p, err := w.store.Single().Principals.ByID(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	small, err := w.read(t.Context(), p.Avatar().FileKey(avatar.Small))
	large, largeErr := w.read(t.Context(), p.Avatar().FileKey(avatar.Large))
	if err != nil || largeErr != nil || small != large {
		t.Errorf("shows %q and %q (%v, %v)", small, large, err, largeErr)
	}
	unwanted, err := w.store.Single().Files.Unwanted(t.Context(), w.now, "", 100)
	if err != nil || len(unwanted) != 7*3 {
		t.Errorf("%d files are unwanted (%v)", len(unwanted), err)
	}
}

// overtaken lets something happen before it stores the first file.
type overtaken struct {
	*fragile
	by func()
}

func (s *overtaken) Put(ctx context.Context, key, contentType string, content []byte) error {
	if by := s.by; by != nil {
		s.by = nil
		by()
	}
	return s.fragile.Put(ctx, key, contentType, content)
}

func TestAnUploadThatIsOvertakenBreaksNothing(t *testing.T) {
	w := newWorld(t)
	slow := &overtaken{w.storage, func() {
		w.now = w.now.Add(time.Minute)
		w.mustSet(t, "two")
	}}
	d := w.setter()
	d.Storage = slow
	if _, err := appavatar.NewSetter(d).Do(t.Context(), inbound.SetAvatar{Context: by("ada"), Picture: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	p, err := w.store.Single().Principals.ByID(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if a := p.Avatar(); a.Check() != nil || !a.UpdatedAt.Equal(w.now) {
		t.Errorf("got %+v (%v)", a, a.Check())
	}
	if got, err := w.read(t.Context(), p.Avatar().FileKey(avatar.Small)); got != "one" || err != nil {
		t.Errorf("shows %q (%v)", got, err)
	}
}

// gone lets go of the files just before they are opened.
type gone struct {
	*fragile
	let func()
}

func (s gone) Open(ctx context.Context, key string) (outbound.Content, error) {
	s.let()
	return s.fragile.Open(ctx, key)
}

func TestAFileThatGoesWhileItIsAskedForIsNotFound(t *testing.T) {
	w := newWorld(t)
	shown := w.mustSet(t, "one")
	storage := gone{w.storage, func() {
		if err := w.store.Single().Files.Swap(t.Context(), "ada", w.now); err != nil {
			t.Error(err)
		}
		if err := w.storage.Remove(t.Context(), shown.FileKey(avatar.Small)); err != nil {
			t.Error(err)
		}
	}}
	f, err := appavatar.NewFinder(appavatar.FinderDeps{Work: w.store, Storage: storage}).Do(t.Context(), inbound.FindFile{Key: shown.FileKey(avatar.Small)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context()); fault.CodeOf(err) != fault.FileNotFound {
		t.Errorf("got %v", err)
	}
}

func TestGuestsHaveNoPicture(t *testing.T) {
	w := newWorld(t)
	if _, err := w.set(t.Context(), "gus", "one"); fault.CodeOf(err) != fault.UserNotFound {
		t.Errorf("set: %v", err)
	}
	_, err := appavatar.NewRemover(appavatar.RemoverDeps{Work: w.store, Now: w.clock, Wake: func() {}}).Do(t.Context(), inbound.RemoveAvatar{Context: by("gus")})
	if fault.CodeOf(err) != fault.UserNotFound || len(w.storage.Keys()) != 0 {
		t.Errorf("remove: %v", err)
	}
}
