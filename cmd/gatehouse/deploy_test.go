package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// composition is as much of docker-compose.yml as promises are made of.
type composition struct {
	Services map[string]container `yaml:"services"`
	Networks map[string]struct {
		Internal bool `yaml:"internal"`
	} `yaml:"networks"`
}

type container struct {
	Image       string            `yaml:"image"`
	Build       string            `yaml:"build"`
	Restart     string            `yaml:"restart"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	SecurityOpt []string          `yaml:"security_opt"`
	Ports       []string          `yaml:"ports"`
	Environment map[string]string `yaml:"environment"`
	Networks    yaml.Node         `yaml:"networks"`
	Volumes     []string          `yaml:"volumes"`
	GracePeriod string            `yaml:"stop_grace_period"`
	Healthcheck *struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
}

const replicaNames = "gatehouse-"

func readMap(t *testing.T) composition {
	t.Helper()
	var c composition
	if err := yaml.Unmarshal(readFile(t, "../../docker-compose.yml"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var substitution = regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`)

// environ returns the variables of a container as they are without an .env file.
func (c container) environ() (out []string) {
	for name, value := range c.Environment {
		out = append(out, name+"="+substitution.ReplaceAllString(value, "$1"))
	}
	return out
}

func TestTheMapStartsNothingBeforeItsNeedsAreHealthy(t *testing.T) {
	m := readMap(t)
	for name, s := range m.Services {
		ends := s.Restart == "no"
		if (s.Healthcheck == nil) != ends {
			t.Errorf("%s: what serves has a health check, and only that", name)
		}
		for need, how := range s.DependsOn {
			want := "service_healthy"
			if m.Services[need].Restart == "no" {
				want = "service_completed_successfully"
			}
			if how.Condition != want {
				t.Errorf("%s waits for %s with %q, not %q", name, need, how.Condition, want)
			}
		}
	}
}

func TestTheMapGivesNoServiceMoreThanItNeeds(t *testing.T) {
	pinned := regexp.MustCompile(`:v?\d+\.\d+(\.\d+)?$`)
	for name, s := range readMap(t).Services {
		if s.Build == "" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q has no exact version", name, s.Image)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not hardened", name)
		}
	}
}

func TestTheMapPublishesProxyAndMailPageOnLoopbackAndNothingElse(t *testing.T) {
	m := readMap(t)
	got := map[string][]string{}
	for name, s := range m.Services {
		if len(s.Ports) > 0 {
			got[name] = s.Ports
		}
	}
	if diff := cmp.Diff(map[string][]string{"proxy": {"127.0.0.1:8080:8080"}, "mail": {"127.0.0.1:8025:8025"}}, got); diff != "" {
		t.Error(diff)
	}
	if !m.Networks["back"].Internal {
		t.Error("the network of the database leads outside")
	}
}

func TestTheReplicasOfTheMapDifferInNameOnly(t *testing.T) {
	var doc struct {
		Services map[string]map[string]any `yaml:"services"`
	}
	if err := yaml.Unmarshal(readFile(t, "../../docker-compose.yml"), &doc); err != nil {
		t.Fatal(err)
	}
	one, two := doc.Services[replicaNames+"1"], doc.Services[replicaNames+"2"]
	if len(one) == 0 {
		t.Fatal("there is no replica")
	}
	if diff := cmp.Diff(one, two); diff != "" {
		t.Error(diff)
	}
}

func TestTheMapSetsOnlyWhatThereIsAndTrustsOnlyTheProxy(t *testing.T) {
	m := readMap(t)
	known := environmentNames(defaultKeys(t))
	replica := m.Services[replicaNames+"1"]
	for name := range replica.Environment {
		if strings.HasPrefix(name, prefix) && known[name] == "" {
			t.Errorf("%s is no setting", name)
		}
	}
	cfg, err := loadConfig("", nil, replica.environ(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	var proxy struct {
		Front struct {
			Address string `yaml:"ipv4_address"`
		} `yaml:"front"`
	}
	node := m.Services["proxy"].Networks
	if err := node.Decode(&proxy); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{proxy.Front.Address}, cfg.HTTP.TrustedProxies); diff != "" {
		t.Error("address of the proxy (-) and those trusted (+) differ:\n", diff)
	}
	if grace, err := time.ParseDuration(replica.GracePeriod); err != nil || grace <= patience {
		t.Errorf("replicas are killed after %s, while requests in flight have %s", replica.GracePeriod, patience)
	}
}

// A picture that one replica stores is served by the other one.
func TestTheReplicasOfTheMapShareThePictures(t *testing.T) {
	const shared = "avatars:/data/avatars"
	m := readMap(t)
	for _, name := range []string{replicaNames + "1", replicaNames + "2"} {
		if !slices.Contains(m.Services[name].Volumes, shared) {
			t.Errorf("%s has the volumes %v, and not %s", name, m.Services[name].Volumes, shared)
		}
	}
	if !strings.Contains(string(readFile(t, "../../Dockerfile")), "-o 65532 -g 65532 /data /data/avatars") {
		t.Error("the folder of the image, from which a volume has its owner, is not ours")
	}
}

func TestProductionRefusesEverySampleOfTheMap(t *testing.T) {
	environ := readMap(t).Services[replicaNames+"1"].environ()
	_, err := loadConfig("", []string{"app.mode=production", "app.base_url=https://id.example.com"}, environ, quiet)
	for _, key := range []string{"keys.master: is a sample", "database.url: has a sample", "cache.url: has a sample"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not refused: %v", key, err)
		}
	}
}

func TestTheProxyAsksForReadinessWhereItIsAndForwardsElsewhere(t *testing.T) {
	file := string(readFile(t, "../../deploy/Caddyfile"))
	replica := readMap(t).Services[replicaNames+"1"]
	if !strings.Contains(file, "health_port "+strings.TrimPrefix(replica.Environment["GATEHOUSE_INTERNAL_ADDRESS"], ":")+"\n") {
		t.Error("the proxy does not ask at the internal address")
	}
	dialed := regexp.MustCompile(`(?m)^\s*reverse_proxy (.*) \{$`).FindAllStringSubmatch(file, -1)
	if len(dialed) != 1 || dialed[0][1] != "gatehouse-1:8080 gatehouse-2:8080" {
		t.Errorf("the proxy forwards to %q", dialed)
	}
}

// resource is as much of a Kubernetes object as promises are made of.
type resource struct {
	Kind string `yaml:"kind"`
	Spec struct {
		Replicas int `yaml:"replicas"`
		Ports    []struct {
			TargetPort string `yaml:"targetPort"`
		} `yaml:"ports"`
		Template struct {
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
					Env []struct {
						Name  string `yaml:"name"`
						Value string `yaml:"value"`
					} `yaml:"env"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

func TestTheKubernetesExampleKeepsTheInternalAddressInside(t *testing.T) {
	kinds := map[string]resource{}
	file := readFile(t, "../../deploy/kubernetes/gatehouse.yaml")
	for d := yaml.NewDecoder(bytes.NewReader(file)); ; {
		var r resource
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds[r.Kind] = r
	}
	want := []string{"Deployment", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget", "Service"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(kinds))); diff != "" {
		t.Fatal(diff)
	}
	if ports := kinds["Service"].Spec.Ports; len(ports) != 1 || ports[0].TargetPort != "http" {
		t.Errorf("the service leads to %v", ports)
	}
	pod := kinds["Deployment"].Spec.Template.Spec
	if grace := time.Duration(pod.Grace) * time.Second; grace <= patience || kinds["Deployment"].Spec.Replicas < 2 {
		t.Errorf("%d replicas with a grace period of %s", kinds["Deployment"].Spec.Replicas, grace)
	}
	environ := []string{ // what its secret holds
		"GATEHOUSE_KEYS_MASTER=L3rVqVv0m1o2ZqyQm2Yw3u4d5e6f7A8B9C0D1E2F3G4=",
		"GATEHOUSE_DATABASE_URL=postgres://gatehouse:of-its-own@database/gatehouse", "GATEHOUSE_MAIL_URL=smtps://mail.example.com",
	}
	for _, v := range pod.Containers[0].Env {
		if environmentNames(defaultKeys(t))[v.Name] == "" {
			t.Errorf("%s is no setting", v.Name)
		}
		environ = append(environ, v.Name+"="+v.Value)
	}
	if _, err := loadConfig("", nil, environ, quiet); err != nil {
		t.Errorf("production refuses the example: %v", err)
	}
}

func TestTheImageIsBuiltFromAllTheBinaryNeedsAndNothingElse(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]bool{"go.mod": true, "go.sum": true}
	for path := range strings.Lines(string(out)) {
		if inside, ok := strings.CutPrefix(strings.TrimSpace(path), module); ok {
			top, _, _ := strings.Cut(inside, "/")
			needs[top] = true
		}
	}
	lets := map[string]bool{}
	lines := strings.Split(string(readFile(t, "../../.dockerignore")), "\n")
	for _, line := range lines {
		if name, ok := strings.CutPrefix(line, "!"); ok {
			lets[name] = true
		}
	}
	if !slices.Contains(lines, "*") {
		t.Error("what is not named gets in")
	}
	if diff := cmp.Diff(needs, lets); diff != "" {
		t.Error("needed (-) and let in (+) differ:\n", diff)
	}
}
