package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/transit/transittest"
)

const (
	rotateKeys     = "/api/security/secrets/rotate-keys"
	rotationStatus = rotateKeys + "/status"
)

// withAdmin makes an admin at start.
func withAdmin(environ ...string) []string {
	return append([]string{"GATEHOUSE_BOOTSTRAP_ADMIN_EMAIL=ada@example.com", "GATEHOUSE_BOOTSTRAP_ADMIN_PASSWORD=" + first}, environ...)
}

// isAdmin signs in and steps up, with cookies.
func (p *program) isAdmin() {
	p.t.Helper()
	p.must("POST", p.public+"/api/auth/login", credentialsOf("ada@example.com", ""), 200)
	p.must("POST", p.public+"/api/auth/step-up", `{"password":"`+first+`"}`, 200)
}

type rotationShown struct {
	Running bool
	Steps   []struct {
		Name                     string
		Processed, Total, Failed int
	}
}

func (p *program) rotation() (r rotationShown) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.must("GET", p.public+rotationStatus, "", 200)), &r); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// published counts the keys of the key set.
func (p *program) published() int {
	p.t.Helper()
	return strings.Count(p.must("GET", p.public+"/.well-known/jwks.json", "", 200), `"kid"`)
}

func TestAnAdminRotatesKeysAndNobodyNoticesIt(t *testing.T) {
	p := start(t, withAdmin()...)
	p.isAdmin()
	if got := p.published(); got != 2 {
		t.Errorf("%d keys are published at first, want the current and the next one", got)
	}
	p.must("POST", p.public+rotateKeys, "", 200)
	for p.rotation().Running {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the rotation does not end")
		}
	}
	names := ""
	for _, s := range p.rotation().Steps {
		names += " " + s.Name
		if s.Failed != 0 || s.Processed != s.Total || s.Total != 1 {
			t.Errorf("step %+v", s)
		}
	}
	if names != " signing_keys encryption_keys blind_index_keys reencrypt reindex" {
		t.Errorf("steps%s", names)
	}
	if got := p.published(); got != 3 {
		t.Errorf("%d keys are published afterwards, want the one before as well", got)
	}
	p.must("GET", p.public+"/api/users/me", "", 200)
	p.must("POST", p.public+"/api/auth/refresh", "", 200)
	p.must("POST", p.public+"/api/auth/logout", "", 200)
	p.isAdmin()
	if !strings.Contains(p.log.String(), `"command":"RotateKeys"`) {
		t.Error("the rotation is not on record")
	}
}

// The rotation of one replica is that of all (F94).
func TestARotationIsOneForAllReplicas(t *testing.T) {
	pair := newPair(t, withAdmin()...)
	for _, p := range pair.of {
		p.isAdmin()
	}
	pair.of[0].must("POST", pair.of[0].public+rotateKeys, "", 200)
	for _, p := range pair.of {
		if answer := p.must("POST", p.public+rotateKeys, "", 409); !strings.Contains(answer, "SECRET_ROTATION_ONGOING") {
			t.Errorf("a second one: %s", answer)
		}
		if r := p.rotation(); !r.Running || len(r.Steps) != 5 {
			t.Errorf("status %+v", r)
		}
	}
}

// A warm process needs its key service for new keys alone, and a cold one says
// what is missing (F68).
func TestAProcessOutlivesItsKeyService(t *testing.T) {
	service := transittest.Start(t)
	service.Add("gatehouse", "aes256-gcm96")
	data := t.TempDir() + "/data"
	environ := withAdmin(
		"GATEHOUSE_KEYS_MASTER=transit:"+service.URL+"/transit/keys/gatehouse", "GATEHOUSE_KEYS_TRANSIT_TOKEN="+transittest.Token,
		"GATEHOUSE_KEYS_TRANSIT_NAMESPACE="+transittest.Namespace, "GATEHOUSE_DATA_DIR="+data)
	p := start(t, environ...)
	p.isAdmin()
	service.Seal(true)
	p.must("POST", p.public+"/api/auth/refresh", "", 200)
	p.must("POST", p.public+rotateKeys, "", 200)
	<-p.log.says("keys not looked after")
	if r := p.rotation(); !r.Running || r.Steps[0].Processed != 0 {
		t.Errorf("without the key service: %+v", r)
	}
	p.must("POST", p.public+"/api/auth/logout", "", 200)
	p.must("POST", p.public+"/api/auth/register", credentialsOf("bob@example.com", `,"name":"Bob"`), 200)
	p.isAdmin()
	p.must("GET", p.internal+"/readyz", "", 200)
	must(t, p.stop())
	refused := &strings.Builder{}
	cold := streams{in: strings.NewReader(""), out: refused, err: refused}
	err := run(t.Context(), []string{"keys", "list"}, environ, cold)
	if err == nil || !strings.Contains(err.Error(), "key service") || strings.Contains(err.Error()+refused.String(), transittest.Token) {
		t.Errorf("a cold process without its key service: %v", err)
	}
	service.Seal(false)
	out := &strings.Builder{}
	must(t, run(t.Context(), []string{"keys", "rotate"}, environ, streams{in: strings.NewReader(""), out: out, err: refused}))
	if !strings.Contains(out.String(), "a rotation runs already") || !strings.Contains(out.String(), "reencrypt 2/2") {
		t.Errorf("the rotation went on as %s", out)
	}
}
