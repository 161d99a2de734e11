package http

import (
	"context"
	"testing"
	"testing/synctest"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/fault"
)

// Uploads are in memory as a whole, so their number has to have a limit whatever
// that of requests is.
func TestOnlySoManyUploadsAreReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := avatars{room: make(room, 1)}
		leave, err := h.room.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		upload := func(ctx context.Context) error {
			_, err := h.SetAvatar(ctx, api.SetAvatarRequestObject{}) // there is nothing to read
			return err
		}
		if err := upload(t.Context()); fault.CodeOf(err) != fault.ServiceOverloaded {
			t.Errorf("one too many: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := upload(gone); fault.CodeOf(err) != fault.ServiceOverloaded {
			t.Errorf("one that is gone: %v", err)
		}
		waited := make(chan error)
		go func() {
			next, err := h.room.enter(t.Context())
			if err == nil {
				next()
			}
			waited <- err
		}()
		synctest.Wait()
		leave()
		if err := <-waited; err != nil {
			t.Errorf("who has waited: %v", err)
		}
		if len(h.room) != 0 {
			t.Error("a place is not given back")
		}
	})
}
