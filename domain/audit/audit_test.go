package audit_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func entry() audit.Entry {
	return audit.Entry{
		Position: 7, ID: "e7", At: noon, Command: "GrantAdmin", Principal: "ada", Session: "phone",
		Target: audit.Target{Principal: "bob", Thing: "staff"}, Outcome: fault.UserNotFound,
		Origin: audit.Origin{Network: "203.0.113.0/24", Request: "r1"},
	}
}

// Whoever changes anything, or moves a byte to the neighbour, gets another text.
func TestNoTwoLinksHaveTheSameText(t *testing.T) {
	seen := map[string]string{}
	try := func(what string, before audit.Hash, change func(*audit.Link)) {
		l := audit.Link{Entry: entry(), Sealed: []byte("sealed")}
		change(&l)
		text := string(l.Text(before))
		if twin, ok := seen[text]; ok {
			t.Errorf("%s and %s have the same text", what, twin)
		}
		seen[text] = what
	}
	try("as it is", audit.Hash{}, func(*audit.Link) {})
	try("after another", audit.Hash{1}, func(*audit.Link) {})
	for what, change := range map[string]func(*audit.Link){
		"position":  func(l *audit.Link) { l.Position++ },
		"id":        func(l *audit.Link) { l.ID = "e8" },
		"instant":   func(l *audit.Link) { l.At = l.At.Add(time.Microsecond) },
		"command":   func(l *audit.Link) { l.Command = "RevokeAdmin" },
		"principal": func(l *audit.Link) { l.Principal = "eve" },
		"moved":     func(l *audit.Link) { l.Principal, l.Session = "adap", "hone" },
		"session":   func(l *audit.Link) { l.Session = "" },
		"target":    func(l *audit.Link) { l.Target.Principal = "" },
		"swapped":   func(l *audit.Link) { l.Target = audit.Target{Principal: "staff", Thing: "bob"} },
		"thing":     func(l *audit.Link) { l.Target.Thing = "board" },
		"outcome":   func(l *audit.Link) { l.Outcome = "" },
		"request":   func(l *audit.Link) { l.Request = "r2" },
		"sealed":    func(l *audit.Link) { l.Sealed = []byte("sealef") },
		"empty":     func(l *audit.Link) { l.Sealed = []byte{} },
		"unsealed":  func(l *audit.Link) { l.Sealed = nil },
	} {
		try(what, audit.Hash{}, change)
	}
	a, b := audit.Ends{Anchor: audit.Head{Position: 1}}, audit.Ends{Head: audit.Head{Position: 1}}
	if string(a.Text()) == string(b.Text()) {
		t.Error("different ends have the same text")
	}
}

// A zone is no part of an instant.
func TestATextDependsOnTheInstantAlone(t *testing.T) {
	l := audit.Link{Entry: entry()}
	there := l
	there.At = l.At.In(time.FixedZone("", 3600))
	if string(l.Text(audit.Hash{})) != string(there.Text(audit.Hash{})) {
		t.Error("the text depends on the zone")
	}
}

func TestAHeadIsReadAsItWasWritten(t *testing.T) {
	h := audit.Head{Position: 12, Hash: audit.Hash{0xab, 31: 1}}
	if got, ok := audit.ParseHead(h.String()); !ok || got != h {
		t.Errorf("ParseHead(%q) = %v, %t", h, got, ok)
	}
	sum := strings.Repeat("0", 64)
	for _, s := range []string{"", "12", "12:", ":" + sum, "-1:" + sum, "+1:" + sum, "01:" + sum, "1:" + sum + "00", "1:" + strings.Repeat("g", 64), "1:" + sum[2:], "1:" + strings.Repeat("A", 64)} {
		if got, ok := audit.ParseHead(s); ok {
			t.Errorf("ParseHead(%q) = %v", s, got)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add("12:ab" + strings.Repeat("0", 62))
	f.Add("1:")
	f.Fuzz(func(t *testing.T, s string) {
		if h, ok := audit.ParseHead(s); ok && h.String() != s {
			t.Errorf("%q is read as %q", s, h)
		}
	})
}

func TestAnyTextCanBeStored(t *testing.T) {
	e := entry()
	e.Target.Thing, e.Request = "a\x00b\xffc\nd", strings.Repeat("ä", 300)
	got := e.Storable()
	if got.Target.Thing != "a�b�c�d" || utf8.RuneCountInString(got.Request) != 200 || got.Command != e.Command {
		t.Errorf("Storable = %+v", got)
	}
}

func TestAFilterAsksForAllItNames(t *testing.T) {
	before, after := noon.Add(-time.Second), noon.Add(time.Second)
	for name, tc := range map[string]struct {
		f    audit.Filter
		want bool
	}{
		"nothing":          {audit.Filter{}, true},
		"who asked":        {audit.Filter{Principal: "ada"}, true},
		"whom":             {audit.Filter{Principal: "bob"}, true},
		"somebody else":    {audit.Filter{Principal: "eve"}, false},
		"command":          {audit.Filter{Command: "GrantAdmin"}, true},
		"another command":  {audit.Filter{Command: "grantadmin"}, false},
		"outcome":          {audit.Filter{Outcome: new(fault.UserNotFound)}, true},
		"was carried out":  {audit.Filter{Outcome: new(fault.Code(""))}, false},
		"at that instant":  {audit.Filter{From: new(noon), To: new(noon)}, true},
		"later":            {audit.Filter{From: &after}, false},
		"earlier":          {audit.Filter{To: &before}, false},
		"one of two holds": {audit.Filter{Principal: "ada", Command: "SignIn"}, false},
	} {
		if got := tc.f.Matches(entry()); got != tc.want {
			t.Errorf("%s: Matches = %t", name, got)
		}
	}
}

func TestWhatOthersDidDoesNotTellWhoTheyAre(t *testing.T) {
	e := entry()
	if got := e.SeenBy("ada"); got != e {
		t.Errorf("to who did it: %+v", got)
	}
	got := e.SeenBy("bob")
	if got.Principal != "" || got.Session != "" || got.Network != "" || got.Request != "" || got.Target != e.Target || got.Command != e.Command {
		t.Errorf("to whom it was done: %+v", got)
	}
	e.Principal, e.Session = "", ""
	if got := e.SeenBy("bob"); got != e || e.Owner() != "bob" {
		t.Errorf("by nobody known: %+v of %s", got, e.Owner())
	}
}
