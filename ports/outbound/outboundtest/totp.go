package outboundtest

import (
	"encoding/base32"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// TOTP runs the suite of [outbound.TOTP].
func TOTP(t *testing.T, codes outbound.TOTP) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, outbound.TOTP)
	}{
		{"SecretsAreRandom", totpSecretsAreRandom},
		{"ComputesWhatTheStandardDoes", totpComputesWhatTheStandardDoes},
		{"AcceptsTheStepsBesideNow", totpAcceptsTheStepsBesideNow},
		{"AcceptsNoStepTwiceNorAnEarlierOne", totpAcceptsNoStepTwice},
		{"RefusesOtherCodes", totpRefusesOtherCodes},
		{"FailsOnSecretsThatAreNone", totpFailsOnSecretsThatAreNone},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, codes) })
	}
}

// rfcSecret is the key of the vectors, "12345678901234567890" in Base32.
var rfcSecret = secret.New("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")

// rfcVectors are those of SHA-1 (RFC 6238 appendix B), by seconds. They have
// eight digits, of which six digits are the last six (RFC 4226 §5.3).
var rfcVectors = map[int64]string{
	59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
	1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
}

func codeOf(t *testing.T, s string) factor.Code {
	t.Helper()
	c, ok := factor.ParseCode(secret.New(s))
	if !ok {
		t.Fatalf("%q is no code", s)
	}
	return c
}

func totpSecretsAreRandom(t *testing.T, codes outbound.TOTP) {
	first, err := codes.NewSecret()
	must(t, err)
	second, err := codes.NewSecret()
	must(t, err)
	for _, s := range []secret.Text{first, second} {
		bits, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s.Reveal())
		if err != nil || len(bits) != 20 {
			t.Errorf("a secret of %d bytes, %v", len(bits), err)
		}
	}
	if first.Equal(second) {
		t.Error("two secrets are equal")
	}
}

func totpComputesWhatTheStandardDoes(t *testing.T, codes outbound.TOTP) {
	for seconds, want := range rfcVectors {
		step, ok, err := codes.Step(rfcSecret, codeOf(t, want[2:]), time.Unix(seconds, 0), 0)
		if err != nil || !ok || step != seconds/30 {
			t.Errorf("at %d: step %d, %v, %v, want %d", seconds, step, ok, err, seconds/30)
		}
	}
}

func totpAcceptsTheStepsBesideNow(t *testing.T, codes outbound.TOTP) {
	const seconds = 1234567890 // the first second of its step
	code, begun := codeOf(t, rfcVectors[seconds][2:]), time.Unix(seconds, 0)
	for after, want := range map[time.Duration]bool{
		-30*time.Second - 1: false, -30 * time.Second: true, -1: true, 0: true, 30*time.Second - 1: true,
		30 * time.Second: true, time.Minute - 1: true, time.Minute: false, time.Hour: false,
	} {
		step, ok, err := codes.Step(rfcSecret, code, begun.Add(after), 0)
		if err != nil || ok != want || ok && step != seconds/30 {
			t.Errorf("%v after its step began: step %d, %v, %v, want %v", after, step, ok, err, want)
		}
	}
}

func totpAcceptsNoStepTwice(t *testing.T, codes outbound.TOTP) {
	const seconds = 1111111111
	const step = seconds / 30
	code, now := codeOf(t, rfcVectors[seconds][2:]), time.Unix(seconds, 0)
	for _, late := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} { // whatever the clock says now
		for after, want := range map[int64]bool{0: true, step - 2: true, step - 1: true, step: false, step + 1: false, step + 1000: false} {
			if got, ok, err := codes.Step(rfcSecret, code, now.Add(late), after); err != nil || ok != want || ok && got != step {
				t.Errorf("step %d after %d: %d, %v, %v, want %v", int64(step), after, got, ok, err, want)
			}
		}
	}
}

func totpRefusesOtherCodes(t *testing.T, codes outbound.TOTP) {
	const seconds = 2000000000
	right := rfcVectors[seconds][2:]
	for i := range right {
		wrong := right[:i] + string('0'+(right[i]-'0'+1)%10) + right[i+1:]
		if step, ok, err := codes.Step(rfcSecret, codeOf(t, wrong), time.Unix(seconds, 0), 0); ok || step != 0 || err != nil {
			t.Errorf("a code with another digit %d: step %d, %v, %v", i, step, ok, err)
		}
	}
	other, err := codes.NewSecret()
	must(t, err)
	accepted := 0
	for seconds, code := range rfcVectors {
		if _, ok, _ := codes.Step(other, codeOf(t, code[2:]), time.Unix(seconds, 0), 0); ok {
			accepted++
		}
	}
	if accepted > 1 { // one may be chance
		t.Errorf("%d codes of another secret were accepted", accepted)
	}
}

func totpFailsOnSecretsThatAreNone(t *testing.T, codes outbound.TOTP) {
	now, code := time.Unix(59, 0), codeOf(t, "287082")
	for why, s := range map[string]secret.Text{"missing": {}, "odd": secret.New("not base 32 at all")} {
		_, ok, err := codes.Step(s, code, now, 0)
		if ok || fault.CodeOf(err) != fault.TOTPCodeValidationFailure || strings.Contains(err.Error(), "not base 32 at all") {
			t.Errorf("a secret that is %s: %v, %v", why, ok, err)
		}
	}
	if _, ok, err := codes.Step(rfcSecret, factor.Code{}, now, 0); ok || fault.CodeOf(err) != fault.TOTPCodeValidationFailure {
		t.Errorf("no code: %v, %v", ok, err)
	}
}
