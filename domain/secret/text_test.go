package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gatehouse/domain/secret"
)

func TestTextNeverPrints(t *testing.T) {
	const text = "correct horse battery"
	type command struct {
		Next   secret.Text
		hidden secret.Text
	}
	c := command{secret.New(text), secret.New(text)}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "cmd", c, "text", c.Next, "p", &c, "list", []secret.Text{c.Next})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", &c)
		fmt.Fprintf(&out, verb+"\n", c.hidden)
		fmt.Fprintf(&out, verb+"\n", c.Next)
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, text) || strings.Contains(s, fmt.Sprintf("%x", text)) {
		t.Fatalf("secret leaked:\n%s", s)
	}
}

func TestTextTellsMissingFromEmpty(t *testing.T) {
	if !(secret.Text{}).Missing() || secret.New("").Missing() {
		t.Error("an empty secret is not a missing one")
	}
	if (secret.Text{}).Equal(secret.New("")) || !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("ab")) {
		t.Error("Equal is wrong")
	}
}
