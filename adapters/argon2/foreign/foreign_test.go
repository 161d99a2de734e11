package foreign_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"gatehouse/adapters/argon2/foreign"
)

// known are hashes with the password each is of. Those of "Pässword 1" were made
// by libxcrypt, passlib and, for Firebase, Python's scrypt and OpenSSL's AES;
// the others are published, in RFC 7914 and by Firebase.
var known = map[string]string{
	"$2a$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.":                                                                                                          "Pässword 1",
	"$2b$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.":                                                                                                          "Pässword 1",
	"$2y$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.":                                                                                                          "Pässword 1",
	"$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i":                                                                                                          strings.Repeat("x", 72),
	"$pbkdf2$1000$AAECAwQFBgcICQoLDA0ODw$z/T9/Y1inKSn4QwOVSmAOofzyUI":                                                                                                       "Pässword 1",
	"$pbkdf2-sha1$1000$AAECAwQFBgcICQoLDA0ODw$z/T9/Y1inKSn4QwOVSmAOofzyUI":                                                                                                  "Pässword 1",
	"$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$Sx1QTFbxj0ocYjNLVJ8P/7U2dyZNAXGdo42vrw61B3o":                                                                                "Pässword 1",
	"$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$psYlNq4D1lnHr27AirIPJb4Wnphbol1lZORub5jlf129TLnJtDjYz5VTBGWznlHigDl8iTTR4GibtrwqOl.OTw":                                     "Pässword 1",
	"$scrypt$ln=10,r=8,p=2$AAECAwQFBgcICQoLDA0ODw$iS664JNnzQHI5NaFkX1CvvtAUmuj+KhFPNBVe7P75BM":                                                                              "Pässword 1",
	"$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw":                                      "pleaseletmein",
	"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=" + signer + "$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==":        "user1password",
	"$fbscrypt$v=1,n=8,r=8,p=1,ss=Bw==,sk=" + signer + "$AAECAwQFBgcICQoLDA0ODw==$xnkfeVYxH2BFfuoiGcgfbRl2Snt9tuejTPTUcFm4tbn2NGFNDPWtmeUHJS27B2UWJpZRuqJyn86ouMZPEiIcEw==": "Pässword 1",
}

const emptyOutput = "byCG3zY1GIXMyxfivm.ClDiInHzxjiq" // by libxcrypt

const signer = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="

func TestMatchesHashesOfOthers(t *testing.T) {
	for encoded, text := range known {
		d, err := foreign.Parse(encoded)
		if err != nil {
			t.Errorf("%s: %v", encoded, err)
			continue
		}
		for try, want := range map[string]bool{text: true, text + "x": false} {
			if ok, err := d.MatchAdvanced(try); ok != want || err != nil {
				t.Errorf("%s matches %q: %v, %v", encoded, try, ok, err)
			}
		}
	}
}

func TestReadsOneSpelling(t *testing.T) {
	const (
		bcrypt   = "$2b$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC."
		scrypt   = "$scrypt$ln=10,r=8,p=2$AAECAwQFBgcICQoLDA0ODw$iS664JNnzQHI5NaFkX1CvvtAUmuj+KhFPNBVe7P75BM"
		pbkdf2   = "$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$Sx1QTFbxj0ocYjNLVJ8P/7U2dyZNAXGdo42vrw61B3o"
		firebase = "$fbscrypt$v=1,n=8,r=8,p=1,ss=Bw==,sk=" + signer + "$AAECAwQFBgcICQoLDA0ODw==$xnkfeVYxH2BFfuoiGcgfbRl2Snt9tuejTPTUcFm4tbn2NGFNDPWtmeUHJS27B2UWJpZRuqJyn86ouMZPEiIcEw=="
	)
	for _, r := range [][3]string{
		{bcrypt, "$2b", "$2x"},
		{bcrypt, "$2b", "$2"},
		{bcrypt, "$2b", "2b"},
		{bcrypt, "$2b", "$2b$2b"},
		{bcrypt, "$04", "$4"},
		{bcrypt, "$04", "$004"},
		{bcrypt, "$04", "$+4"},
		{bcrypt, "uuR5", "uvR5"},
		{bcrypt, "QrC.", "QrC."[:3]},
		{bcrypt, "QrC.", "QrC.."},
		{bcrypt, "QrC.", "QrC."[:3] + "\n"},
		{bcrypt, "R5uy", "R5u$"},
		{scrypt, "ln=10,r=8", "r=8,ln=10"},
		{scrypt, "ln=10", "ln=010"},
		{scrypt, "ln=10", "n=10"},
		{scrypt, ",p=2", ""},
		{scrypt, ",p=2", ",p=2,p=2"},
		{scrypt, "ODw$", "ODw==$"},
		{scrypt, "ODw$", "ODx$"},
		{scrypt, "75BM", "75BN"},
		{scrypt, "75BM", "75BM$"},
		{scrypt, "$scrypt", "$7"},
		{pbkdf2, "$1000", "$01000"},
		{pbkdf2, "$1000", "$"},
		{pbkdf2, "sha256", "sha224"},
		{pbkdf2, "sha256", "md5"},
		{pbkdf2, "1B3o", "1B3p"},
		{pbkdf2, "VJ8P/7U", "VJ8P+7U"},
		{firebase, "v=1,", ""},
		{firebase, "v=1,", "v=2,"},
		{firebase, "ss=Bw==,", ""},
		{firebase, "ss=Bw==", "ss=Bw"},
		{firebase, "ss=Bw==", "ss=Bx=="},
		{firebase, "sk=" + signer, "sk=" + signer + ",x=1"},
		{firebase, "sk=" + signer, "sk="},
		{firebase, "ODw==$", "ODw$"},
		{firebase, "EiIcEw==", "EiIc"},
		{firebase, "EiIcEw==", "EiIcEw=="[:7] + "\n="},
	} {
		s := strings.Replace(r[0], r[1], r[2], 1)
		if s == r[0] {
			t.Errorf("%s is not in %s", r[1], r[0])
		}
		if d, err := foreign.Parse(s); d != nil || err == nil {
			t.Errorf("Parse(%q) = %v, %v", s, d, err)
		}
	}
}

func TestBoundsTheCostBeforeComputing(t *testing.T) {
	b64 := func(n int) string { return strings.Repeat("AAAA", n/3) + []string{"", "AA", "AAA"}[n%3] }
	scrypt := func(parameters string, salt, output int) string {
		return "$scrypt$" + parameters + "$" + b64(salt) + "$" + b64(output)
	}
	pbkdf2 := func(hash string, iterations, salt, output int) string {
		return "$" + hash + "$" + strconv.Itoa(iterations) + "$" + b64(salt) + "$" + b64(output)
	}
	for _, s := range []string{
		scrypt("ln=1,r=1,p=1", 8, 16), scrypt("ln=18,r=8,p=4", 64, 64), scrypt("ln=15,r=64,p=4", 16, 32), scrypt("ln=10,r=8,p=16", 16, 32),
		pbkdf2("pbkdf2", 1, 8, 16), pbkdf2("pbkdf2-sha512", 2_000_000, 64, 64), pbkdf2("pbkdf2-sha1", 500_000, 16, 64),
		"$2b$15$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.",
	} {
		if _, err := foreign.Parse(s); err != nil {
			t.Errorf("Parse(%s): %v", s, err)
		}
	}
	firebase := func(cost string) string {
		return "$fbscrypt$v=1," + cost + ",ss=Bw==,sk=" + signer + "$42xEC+ixf3L2lw==$" + signer
	}
	for _, s := range []string{
		scrypt("ln=19,r=8,p=1", 16, 32), scrypt("ln=18,r=9,p=1", 16, 32), scrypt("ln=18,r=8,p=5", 16, 32), scrypt("ln=0,r=8,p=1", 16, 32),
		scrypt("ln=63,r=8,p=1", 16, 32), scrypt("ln=2147483647,r=1,p=1", 16, 32), scrypt("ln=1,r=2147483647,p=1", 16, 32),
		scrypt("ln=1,r=65,p=1", 16, 32), scrypt("ln=1,r=1,p=17", 16, 32), scrypt("ln=1,r=0,p=1", 16, 32), scrypt("ln=1,r=1,p=0", 16, 32),
		scrypt("ln=10,r=8,p=1", 7, 32), scrypt("ln=10,r=8,p=1", 65, 32), scrypt("ln=10,r=8,p=1", 16, 15), scrypt("ln=10,r=8,p=1", 16, 65),
		pbkdf2("pbkdf2-sha256", 0, 16, 32), pbkdf2("pbkdf2-sha256", 2_000_001, 16, 32), pbkdf2("pbkdf2-sha256", 2_147_483_647, 16, 32),
		pbkdf2("pbkdf2-sha1", 500_001, 16, 64), pbkdf2("pbkdf2", 1000, 7, 20), pbkdf2("pbkdf2", 1000, 16, 15), pbkdf2("pbkdf2", 1000, 16, 65),
		"$2b$03$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.", "$2b$16$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.",
		"$2b$31$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.",
		firebase("n=19,r=8,p=1"), firebase("n=14,r=65,p=1"), firebase("n=14,r=8,p=0"), firebase("n=0,r=8,p=1"),
	} {
		if d, err := foreign.Parse(s); d != nil || !errors.Is(err, foreign.ErrTooCostly) {
			t.Errorf("Parse(%s) = %v, %v", s, d, err)
		}
	}
	if d, err := foreign.Parse("$2b$04$" + strings.Repeat("a", 1<<20)); d != nil || !errors.Is(err, foreign.ErrUnknown) {
		t.Errorf("Parse of a megabyte = %v, %v", d, err)
	}
}

// A longer password is refused and not cut off: else everything that begins as
// it does would be right (F84).
func TestBcryptDoesNotCutPasswordsOff(t *testing.T) {
	d, err := foreign.Parse("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i") // libxcrypt has the same one for 73
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{71: false, 72: true, 73: false, 200: false} {
		if ok, err := d.MatchAdvanced(strings.Repeat("x", n)); ok != want || err != nil {
			t.Errorf("%d bytes: %v, %v", n, ok, err)
		}
	}
	// Nor is it taken for an empty one.
	empty, err := foreign.Parse("$2b$04$abcdefghijklmnopqrstuu" + emptyOutput)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := empty.MatchAdvanced(""); !ok || err != nil {
		t.Errorf("the empty password: %v, %v", ok, err)
	}
	if ok, err := empty.MatchAdvanced(strings.Repeat("x", 73)); ok || err != nil {
		t.Errorf("a long one: %v, %v", ok, err)
	}
}

// Whatever is taken for a hash can be compared with, without harm.
func FuzzParse(f *testing.F) {
	for s := range known {
		f.Add(s)
	}
	f.Add("$scrypt$ln=99,r=8,p=1$$")
	f.Add("$pbkdf2-sha512$4294967296$c2FsdHNhbHQ$a2V5")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := foreign.Parse(s)
		if (d == nil) == (err == nil) {
			t.Fatalf("Parse(%q) = %v, %v", s, d, err)
		}
		if err != nil && !errors.Is(err, foreign.ErrUnknown) && !errors.Is(err, foreign.ErrTooCostly) {
			t.Errorf("Parse(%q): %v", s, err)
		}
		if err == nil && (len(s) > 1024 || strings.ContainsAny(s, "\r\n \x00") || !strings.HasPrefix(s, "$")) {
			t.Errorf("Parse(%q) takes another spelling", s)
		}
	})
}
