package factor_test

import (
	"strings"
	"testing"

	"gatehouse/domain/factor"
	"gatehouse/domain/secret"
)

func TestSecretsOfAppsAreReadAsTheyAreWritten(t *testing.T) {
	const plain = "JBSWY3DPEHPK3PXP"
	for typed, want := range map[string]string{
		plain: plain, strings.ToLower(plain): plain, "jbsw y3dp ehpk 3pxp": plain, "JBSW-Y3DP-EHPK-3PXP": plain,
		"JBSWY3DPEHPK3PXPAA======": "JBSWY3DPEHPK3PXPAA",
		"":                         "", "JBSWY3DPEHPK3PX": "", "JBSWY3DPEHPK3PX1": "", "JBSWY3DPEHPK3PXP\n": "", "JBSWY3DPEHPK3PX\u0130": "",
		strings.Repeat("A", 205): strings.Repeat("A", 205), strings.Repeat("A", 208): "", "JBSWY3DP": "",
	} {
		if got, ok := factor.ParseSecret(secret.New(typed)); got.Reveal() != want || ok != (want != "") {
			t.Errorf("ParseSecret(%q) = %q, %v", typed, got.Reveal(), ok)
		}
	}
	if _, ok := factor.ParseSecret(secret.Text{}); ok {
		t.Error("a secret that was not sent is one")
	}
}
