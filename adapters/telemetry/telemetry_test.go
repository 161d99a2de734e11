package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"gatehouse/adapters/telemetry"
	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

// debugging is a log of everything.
func debugging(to io.Writer) telemetry.Log {
	return telemetry.Log{To: slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: time.Now}
}

func TestObserver(t *testing.T) {
	outboundtest.Observer(t, func(*testing.T) outbound.Observer { return debugging(io.Discard) })
}

func TestAuditLog(t *testing.T) {
	outboundtest.AuditLog(t, func(*testing.T) (outbound.AuditLog, func() int) {
		var out bytes.Buffer
		return debugging(&out), func() int { return bytes.Count(out.Bytes(), []byte(`"msg":"audit"`)) }
	})
}

func TestRecordWritesOneLineThatTellsWhoAskedWhat(t *testing.T) {
	for _, c := range []struct {
		outcome fault.Code
		want    string
	}{{"", "done"}, {fault.InvalidCredentials, "INVALID_CREDENTIALS"}} {
		var out bytes.Buffer
		log := telemetry.Log{To: slog.New(slog.NewJSONHandler(&out, nil)), Now: time.Now}
		log.Record(t.Context(), audit.Entry{Command: "SignIn", Principal: "p1", Session: "s1", Outcome: c.outcome})
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]any{"msg": "audit", "command": "SignIn", "principal": "p1", "session": "s1", "outcome": c.want} {
			if line[key] != want {
				t.Errorf("%s = %v, want %v", key, line[key], want)
			}
		}
	}
}

func TestBeginMeasuresWithTheClockItWasGiven(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	log := telemetry.Log{
		To:  slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { at = at.Add(7 * time.Millisecond); return at },
	}
	_, end := log.Begin(t.Context(), "SignIn")
	end(errors.New("no fault at all"))
	var line struct {
		Name, Outcome string
		MS            int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Name != "SignIn" || line.Outcome != string(fault.InternalError) || line.MS != 7 {
		t.Errorf("line = %+v", line)
	}
}
