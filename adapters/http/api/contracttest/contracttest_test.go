package contracttest_test

import (
	"os"
	"path/filepath"
	"testing"

	"gatehouse/adapters/http/api/contracttest"
)

const given = `{"errorSchema": "Problem",
 "endpoints": [{"id": "A1", "errors": {"401": ["B"]}}], "codes": {"B": {"status": 401}}, "schemas": {"S": {"a": "string"}}}`

func read(t *testing.T, additions string) (c struct {
	ErrorSchema string
	Endpoints   []struct {
		ID     string
		Errors map[string][]string
	}
	Codes   map[string]struct{ Status int }
	Schemas map[string]map[string]string
}, err error,
) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"endpoints.json": given, "additions.json": additions} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err = contracttest.Read(dir, &c)
	return c, err
}

func TestWhatIsAddedStandsBesideWhatIsGiven(t *testing.T) {
	c, err := read(t, `{"endpoints": [{"id": "X1"}, {"id": "A1", "errors": {"401": ["A"], "404": ["C"]}}],
		"codes": {"C": {"status": 404}}, "schemas": {"S": {"b": "string"}, "T": {}}}`)
	if err != nil {
		t.Fatal(err)
	}
	a1 := c.Endpoints[0].Errors
	switch {
	case c.ErrorSchema != "Problem", len(c.Endpoints) != 2, c.Endpoints[1].ID != "X1":
		t.Errorf("lost or not added: %+v", c)
	case len(a1["401"]) != 2 || a1["401"][0] != "A", len(a1["404"]) != 1:
		t.Errorf("codes of an endpoint: %v", a1)
	case c.Codes["C"].Status != 404 || c.Codes["B"].Status != 401, len(c.Schemas["S"]) != 2, c.Schemas["T"] == nil:
		t.Errorf("codes or schemas: %+v", c)
	}
}

func TestNothingThatIsGivenCanBeReplaced(t *testing.T) {
	for name, additions := range map[string]string{
		"code":              `{"codes": {"B": {"status": 400}}}`,
		"member":            `{"schemas": {"S": {"a": "integer"}}}`,
		"code of endpoint":  `{"endpoints": [{"id": "A1", "errors": {"401": ["B"]}}]}`,
		"path of endpoint":  `{"endpoints": [{"id": "A1", "path": "/", "errors": {"404": ["B"]}}]}`,
		"nothing to add to": `{"endpoints": [{"id": "A1", "errors": []}]}`,
		"no JSON":           `{`,
	} {
		if _, err := read(t, additions); err == nil {
			t.Errorf("%s: replaced", name)
		}
	}
}
