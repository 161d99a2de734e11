package principal_test

import (
	"testing"

	"gatehouse/domain/principal"
)

func TestParseID(t *testing.T) {
	for s, want := range map[string]principal.ID{
		"01a213b1-ea27-7750-a579-48c9ce9f44e1":   "01a213b1-ea27-7750-a579-48c9ce9f44e1",
		"F47AC10B-58CC-4372-A567-0E02B2C3D479":   "f47ac10b-58cc-4372-a567-0e02b2c3d479",
		"00000000-0000-0000-0000-000000000000":   "",
		"FFFFFFFF-ffff-ffff-ffff-ffffffffffff":   "",
		"01a213b1ea277750a57948c9ce9f44e1":       "",
		"{01a213b1-ea27-7750-a579-48c9ce9f44e1}": "",
		"01a213b1-ea27-7750-a579-48c9ce9f44e":    "",
		"01a213b1-ea27-7750-a579-48c9ce9f44e1\n": "",
		"01a213b1-ea27-7750-a57948-c9ce9f44e1":   "",
		"01a213b1-ea27-7750-a579-48c9ce9f44g1":   "",
		"01a213b1_ea27_7750_a579_48c9ce9f44e1":   "",
		"":                                       "",
	} {
		if id, ok := principal.ParseID(s); id != want || ok != (want != "") {
			t.Errorf("ParseID(%q) = %q, %v", s, id, ok)
		}
	}
}
