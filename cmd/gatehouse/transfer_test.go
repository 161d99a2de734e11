package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	filippo "filippo.io/age"

	"gatehouse/adapters/gorm/pgtest"
	portableadapter "gatehouse/adapters/portable"
)

const (
	bossID   = "01a213b1-ea27-7750-a579-48c9ce9f44e1"
	bossLine = `{"id":"` + bossID + `","email":"boss@example.com","emailVerified":true,"name":"Boss","roles":["USER","ADMIN"],"createdAt":"2020-01-02T03:04:05Z",` +
		`"passwordHash":"$2b$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC."}` + "\n"

	// theirs is the password of all who are imported.
	theirs = "Pässword 1"
)

// strangers are users with hashes that other programs made; see package foreign.
var strangers = map[string]string{
	"argon2i@example.com":  `"passwordHash":"$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$a8qUmg4CUxjD/jpXa+f6afOEMUhRPGUyhCemlf/FHj0"`,
	"bcrypt@example.com":   `"passwordHash":"$2y$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC."`,
	"sha1@example.com":     `"passwordHash":"$pbkdf2$1000$AAECAwQFBgcICQoLDA0ODw$z/T9/Y1inKSn4QwOVSmAOofzyUI"`,
	"sha256@example.com":   `"passwordHash":"$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$Sx1QTFbxj0ocYjNLVJ8P/7U2dyZNAXGdo42vrw61B3o"`,
	"sha512@example.com":   `"passwordHash":"$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$psYlNq4D1lnHr27AirIPJb4Wnphbol1lZORub5jlf129TLnJtDjYz5VTBGWznlHigDl8iTTR4GibtrwqOl.OTw"`,
	"scrypt@example.com":   `"passwordHash":"$scrypt$ln=10,r=8,p=2$AAECAwQFBgcICQoLDA0ODw$iS664JNnzQHI5NaFkX1CvvtAUmuj+KhFPNBVe7P75BM"`,
	"firebase@example.com": `"passwordHash":"xnkfeVYxH2BFfuoiGcgfbRl2Snt9tuejTPTUcFm4tbn2NGFNDPWtmeUHJS27B2UWJpZRuqJyn86ouMZPEiIcEw==","firebaseScrypt":{"salt":"AAECAwQFBgcICQoLDA0ODw==","saltSeparator":"Bw==","signerKey":"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==","rounds":8,"memoryCost":8}`,
}

// more are users who do not sign in before they have moved.
const more = `{"email":"app@example.com","name":"App","emailVerified":true,"passwordHash":"$2b$04$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.","totpSecret":"jbsw y3dp ehpk 3pxp","twoFactorMethods":["totp","email"],"preferredTwoFactorMethod":"email"}
{"email":"hub@example.com","name":"Hub","identities":[{"provider":"github","subject":"17"}],"disabled":true,"createdAt":"2021-05-06T07:08:09.123456Z"}
`

// settle makes a group, as the admin who was imported.
func (p *program) settle() (boss tokens) {
	p.t.Helper()
	boss = p.signIn("boss@example.com", theirs)
	p.works(boss.Access, "", "POST", "/api/groups", `{"key":"staff","translations":{"en":{"name":"Staff"}}}`)
	return boss
}

// lines decrypts what was exported, and leaves out the boss.
func lines(t *testing.T, file string, by filippo.Identity) (all []string) {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	plain, err := filippo.Decrypt(f, by)
	must(t, err)
	text, err := io.ReadAll(plain)
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, bossID) {
			all = append(all, line)
		}
	}
	return all
}

// Users who were hashed elsewhere sign in here with the passwords they have, on
// both databases, and from either move to the other with all that is theirs.
func TestUsersMoveFromSystemToSystem(t *testing.T) {
	key, err := filippo.GenerateX25519Identity()
	must(t, err)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	keyFile := file("key", key.String()+"\n")
	var list strings.Builder
	list.WriteString(bossLine + more)
	for address, hash := range strangers {
		list.WriteString(`{"email":"` + address + `","name":"Somebody",` + hash + "}\n")
	}
	all, alone := file("all", list.String()), file("alone", bossLine)
	onFile := func() drill { return drill{data: filepath.Join(t.TempDir(), "data")} }
	onServer := func() drill {
		d := onFile()
		d.environ = []string{"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}
		return d
	}
	for name, c := range map[string]struct{ here, there drill }{
		"to PostgreSQL": {onFile(), onServer()}, "to SQLite": {onServer(), onFile()},
	} {
		t.Run(name, func(t *testing.T) {
			if said := c.here.command(t, "user", "import", all, "--dry-run"); said != "10 users would be created, 0 are there already, 0 lines refused\n" {
				t.Errorf("a dry run says %s", said)
			}
			for _, want := range []string{"10 users created, 0 are there already", "0 users created, 10 are there already"} {
				if said := c.here.command(t, "user", "import", all); !strings.HasPrefix(said, want) {
					t.Errorf("import says %s, want %s", said, want)
				}
			}
			users := c.here.command(t, "user", "list")
			p := c.here.serve(t, noMail)
			boss := p.settle()
			for address := range strangers {
				p.refuses("INVALID_CREDENTIALS", "", "", "POST", "/api/auth/login", `{"email":"`+address+`","password":"`+theirs+`x"}`)
				p.signIn(address, theirs)
				p.works(boss.Access, "", "POST", "/api/groups/staff/members/"+idOf(users, address), "")
			}
			p.ends()

			first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
			c.here.command(t, "user", "export", first, "--recipient", key.Recipient().String())
			exported := lines(t, first, key)
			for _, line := range exported {
				renewed, member := strings.Contains(line, "$argon2id$v=19$m=64,t=1,p=1$"), strings.Contains(line, `"groups":["staff"]`)
				if somebody := strings.Contains(line, "Somebody"); renewed != somebody || member != somebody {
					t.Errorf("exported %s", line)
				}
			}
			c.there.command(t, "user", "import", alone)
			p = c.there.serve(t, noMail)
			p.settle()
			p.ends()
			if said := c.there.command(t, "user", "import", first, "--identity", keyFile); said != "9 users created, 1 are there already, 0 lines refused\n" {
				t.Errorf("import of the export says %s", said)
			}
			c.there.command(t, "user", "export", second, "--recipient", key.Recipient().String())
			if got := lines(t, second, key); strings.Join(got, "") != strings.Join(exported, "") {
				t.Errorf("exported again\n%s\nwant\n%s", strings.Join(got, ""), strings.Join(exported, ""))
			}
			p = c.there.serve(t, noMail)
			for address := range strangers {
				p.signIn(address, theirs)
			}
			p.refuses("INVALID_CREDENTIALS", "", "", "POST", "/api/auth/login", `{"email":"hub@example.com","password":"`+theirs+`"}`)
			p.signsInByApp("app@example.com", app{Secret: "JBSWY3DPEHPK3PXP"})
			for _, secret := range []string{theirs, "$2b$", "$argon2id$", "JBSWY3DP", "app@example.com"} {
				if strings.Contains(p.log.String(), secret) {
					t.Errorf("the log knows %q", secret)
				}
			}
		})
	}
}

// signsInByApp signs in somebody who is asked for the code of the app that came
// along, and for no other.
func (p *program) signsInByApp(address string, a app) {
	p.t.Helper()
	challenge := p.must("POST", p.public+"/api/auth/login", `{"email":"`+address+`","password":"`+theirs+`"}`, 200)
	if !strings.Contains(challenge, `"twoFactorRequired":true`) || !strings.Contains(challenge, `"accessToken":null`) {
		p.t.Errorf("the password of %s is answered by %s", address, challenge)
	}
	code := a.shown(p.t)
	p.must("GET", p.public+"/api/users/me", "", 401)
	p.must("POST", p.public+"/api/auth/2fa/login", `{"totp":"`+otherThan(code)+`"}`, 401)
	p.must("POST", p.public+"/api/auth/2fa/login", `{"totp":"`+code+`"}`, 200)
	if me := p.must("GET", p.public+"/api/users/me", "", 200); !strings.Contains(me, address) || !strings.Contains(me, `"twoFactorMethods":["totp","email"]`) {
		p.t.Errorf("signed in is %s", me)
	}
}

// otherThan is a code that is another one in every place.
func otherThan(code string) string {
	return strings.Map(func(digit rune) rune { return '0' + (digit-'0'+5)%10 }, code)
}

// idOf is the id in the line of an address.
func idOf(users, address string) string {
	before, _, _ := strings.Cut(users, " "+address)
	fields := strings.Fields(before)
	return fields[len(fields)-1]
}

// A file that is cut off anywhere is known to be, and is no reason to leave
// half an export behind.
func TestAnExportIsWholeOrRefused(t *testing.T) {
	d := drill{data: filepath.Join(t.TempDir(), "data")}
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	must(t, os.WriteFile(list, []byte(bossLine), 0o600))
	d.command(t, "user", "import", list)
	key, err := filippo.GenerateX25519Identity()
	must(t, err)
	file := filepath.Join(dir, "file")
	d.command(t, "user", "export", file, "--recipient", key.Recipient().String())
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	content, err := os.ReadFile(file)
	must(t, err)
	if bytes.Contains(content, []byte("boss")) {
		t.Error("it can be read")
	}
	err = run(t.Context(), []string{"user", "export", file, "--recipient", key.Recipient().String()}, []string{"GATEHOUSE_DATA_DIR=" + d.data}, streams{out: io.Discard, err: io.Discard})
	if again, readErr := os.ReadFile(file); exitCode(err) != 2 || readErr != nil || !bytes.Equal(content, again) {
		t.Errorf("over a file that is there: %v, %v", err, readErr)
	}
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	for _, n := range []int{len(content) - 1, len(content) - 20, 250, 30} {
		keys := portableadapter.Keys{Identities: strings.NewReader(key.String())}
		plain, err := portableadapter.Decrypt(bytes.NewReader(content[:n]), keys)
		if err == nil {
			_, err = io.ReadAll(plain)
		}
		if err == nil {
			t.Errorf("cut off after %d of %d bytes: it is taken for whole", n, len(content))
		}
	}
}
