package http_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

const (
	rotateLine = "POST /api/security/secrets/rotate-keys"
	statusLine = "GET /api/security/secrets/rotate-keys/status"
)

// The whole life of a rotation, as an admin sees it (contract §6, K2).
func TestAnAdminWatchesARotation(t *testing.T) {
	w := newWorld(t)
	a := w.admin()
	status := func() map[string]any { return w.ok(req(statusLine, "", bearer(a.access))).json }
	never := map[string]any{"running": false, "startedAt": nil, "finishedAt": nil, "steps": []any{}}
	if diff := cmp.Diff(never, status()); diff != "" {
		t.Errorf("before the first one: %s", diff)
	}
	if got := w.ok(req(rotateLine, "", bearer(a.access), steppedUp(a.stepUp))).json["success"]; got != true {
		t.Errorf("success is %v", got)
	}
	none := func(name string) any {
		return map[string]any{"name": name, "processed": 0.0, "total": 0.0, "failed": 0.0}
	}
	running := map[string]any{
		"running": true, "startedAt": "2026-07-27T10:15:30.123456Z", "finishedAt": nil, "steps": []any{
			none("signing_keys"), none("encryption_keys"), none("blind_index_keys"), none("reencrypt"), none("reindex"),
		},
	}
	if diff := cmp.Diff(running, status()); diff != "" {
		t.Errorf("while it runs: %s", diff)
	}
	w.want(409, "SECRET_ROTATION_ONGOING", req(rotateLine, "", bearer(a.access), steppedUp(a.stepUp)))
	w.finishRotation()
	done := status()
	steps, _ := done["steps"].([]any)
	if done["running"] != false || done["finishedAt"] == nil || len(steps) != 5 {
		t.Errorf("after it: %v", done)
	}
	w.ok(req(rotateLine, "", bearer(a.access), steppedUp(a.stepUp)))
}

// finishRotation does nothing, and says that it did.
func (w *world) finishRotation() {
	w.t.Helper()
	now := w.clock.now()
	err := w.store.Within(w.t.Context(), func(ctx context.Context, s outbound.Stores) error {
		c, err := s.Rotations.Claim(ctx, "test", now, now)
		if err != nil {
			return err
		}
		for step, left := c.Rotation.Step(); left; step, left = c.Rotation.Step() {
			c.Rotation = c.Rotation.With(step.Once(), now)
		}
		return s.Rotations.Save(ctx, c, now)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if r, err := w.store.Single().Rotations.Latest(w.t.Context()); err != nil || r.Running() || r.Steps[0].Name != key.SigningKeys {
		w.t.Fatalf("%+v, %v", r, err)
	}
}

// The role comes from the token and is asked before the step-up (contract §1.2).
func TestWhoIsNoAdminIsTurnedAwayBeforeTheStepUp(t *testing.T) {
	w := newWorld(t)
	in, guest := w.member("ada@example.com"), w.guest()
	for _, line := range []string{rotateLine, statusLine} {
		for _, token := range []string{in.access, guest.access} {
			w.want(403, "ROLE_REQUIRED", req(line, "", bearer(token)))
			w.want(403, "ROLE_REQUIRED", req(line, "", bearer(token), steppedUp("nonsense")))
		}
	}
	a := w.adminAt("eve@example.com")
	w.want(401, "STEP_UP_TOKEN_MISSING", req(rotateLine, "", bearer(a.access)))
	w.ok(req(statusLine, "", bearer(a.access)))
}
