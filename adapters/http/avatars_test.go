package http_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	_ "image/jpeg" // to look at what is served
	"image/png"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appavatar "gatehouse/application/avatar"
	"gatehouse/domain/fault"
)

// square is a picture.
func square() []byte { return pictureOf(200, 200, color.NRGBA{R: 200, G: 100, B: 50, A: 255}) }

func pictureOf(width, height int, c color.Color) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// part is one of a form.
type part struct{ name, contentType, content string }

func form(r request, parts ...part) request {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="`+p.name+`"; filename="../../`+p.name+`.svg"`)
		h.Set("Content-Type", p.contentType)
		to, err := w.CreatePart(h)
		if err != nil {
			panic(err)
		}
		if _, err := to.Write([]byte(p.content)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return r.but(body(b.String()), set("Content-Type", w.FormDataContentType()))
}

func uploadBy(a account, picture []byte) request {
	return form(req("PUT /api/users/me/avatar", "", bearer(a.access)), part{"file", "image/png", string(picture)})
}

func file(key string) request { return req("GET /api/files/"+key, "") }

// renditions of an answer that shows a principal.
func renditions(a answer) map[string]any {
	shown, _ := a.json["avatar"].(map[string]any)
	all, _ := shown["renditions"].(map[string]any)
	return all
}

func keyOf(a answer, size string) string {
	r, _ := renditions(a)[size].(map[string]any)
	key, _ := r["key"].(string)
	return key
}

func avatarSubjects() map[string]subject {
	all := map[string]subject{
		"P6": {fine: func(w *world) request { return uploadBy(w.member("ada@example.com"), square()) }, op: "principals.byID"},
		"P7": {
			fine: func(w *world) request {
				in := w.member("ada@example.com")
				w.ok(uploadBy(in, square()))
				return req("DELETE /api/users/me/avatar", "", bearer(in.access))
			}, op: "principals.byID",
		},
		"F3": {fine: func(w *world) request {
			return file(keyOf(w.ok(uploadBy(w.member("ada@example.com"), square())), "small"))
		}},
	}
	byGuest := func(id string) row {
		return func(w *world) answer { return w.send(all[id].fine(w).but(bearer(w.guest().access))) }
	}
	for id, rows := range map[string]map[string]row{
		"P6": {
			"REQUEST_TOO_LARGE": func(w *world) answer {
				return w.send(uploadBy(w.member("ada@example.com"), make([]byte, 5<<20+1)))
			},
			"USER_NOT_FOUND": byGuest("P6"), "FILE_FAILURE": all["P6"].fails("storage.put", fault.InternalError),
		},
		"P7": {"USER_NOT_FOUND": byGuest("P7"), "FILE_FAILURE": all["P7"].fails("files.swap", fault.DatabaseFailure)},
		"F3": {
			"BAD_FILE_REQUEST":      all["F3"].but(to("/api/files/A")),
			"FILE_NOT_FOUND":        all["F3"].but(to("/api/files/a")),
			"FILE_METADATA_FAILURE": all["F3"].fails("files.byKey", fault.DatabaseFailure),
			"FILE_METADATA_OUT_OF_SYNC": all["F3"].after(func(w *world) {
				for _, key := range w.files.Keys() {
					if err := w.files.Remove(w.t.Context(), key); err != nil {
						w.t.Fatal(err)
					}
				}
			}),
			"FILE_OPERATION_FAILURE": all["F3"].fails("storage.open", fault.InternalError),
		},
	} {
		s := all[id]
		s.rows = rows
		all[id] = s
	}
	return all
}

func TestAnAvatarIsShownWhereverItsUserIs(t *testing.T) {
	w := newWorld(t, withBase("https://auth.example.com/id"))
	in := w.member("ada@example.com")
	admin := w.adminAt("root@example.com")
	w.clock.advance(time.Minute)
	set := w.ok(uploadBy(in, pictureOf(900, 600, color.NRGBA{R: 90, A: 255})))
	shown, _ := set.json["avatar"].(map[string]any)
	if len(shown) != 5 || len(renditions(set)) != 3 || shown["createdAt"] != "2026-07-27T10:16:30.123456Z" || shown["updatedAt"] != shown["createdAt"] {
		t.Errorf("got %v", shown)
	}
	for size, side := range map[string]float64{"small": 128, "medium": 512, "large": 600} {
		r, _ := renditions(set)[size].(map[string]any)
		key := keyOf(set, size)
		a := w.ok(file(key))
		want := map[string]any{
			"key": key, "size": float64(len(a.body)), "contentType": "image/jpeg", "url": "https://auth.example.com/id/api/files/" + key,
			"width": side, "height": side,
		}
		if len(r) != len(want) {
			t.Errorf("%s: %v", size, r)
		}
		for member, value := range want {
			if r[member] != value {
				t.Errorf("%s: %s is %v, want %v", size, member, r[member], value)
			}
		}
		if c, format, err := image.DecodeConfig(bytes.NewReader(a.body)); err != nil || format != "jpeg" || float64(c.Width) != side {
			t.Errorf("%s is a %s of %d pixels (%v)", size, format, c.Width, err)
		}
	}
	small := keyOf(set, "small")
	for name, a := range map[string]answer{
		"P1": w.ok(req("GET /api/users/me", "", bearer(in.access))), "U2": w.ok(of(in, viewing, in.id)),
		"U4": w.ok(of(admin, disabling, in.id)), "U5": w.ok(of(admin, enabling, in.id)),
	} {
		if keyOf(a, "small") != small {
			t.Errorf("%s shows %v", name, a.json["avatar"])
		}
	}
	if list := w.ok(req("GET /api/users", "", bearer(admin.access))); !strings.Contains(string(list.body), small) {
		t.Errorf("U1 shows %s", list.body)
	}
	user, _ := w.ok(loginOf("ada@example.com", goodPassword)).json["user"].(map[string]any)
	if keyOf(answer{json: user}, "small") != small {
		t.Errorf("A2 shows %v", user["avatar"])
	}
}

func TestAnotherPictureReplacesTheAvatar(t *testing.T) {
	w := newWorld(t)
	in := w.member("ada@example.com")
	first := w.ok(uploadBy(in, square()))
	w.clock.advance(time.Minute)
	second := w.ok(uploadBy(in, pictureOf(50, 60, color.NRGBA{G: 200, A: 100})))
	before, after := first.json["avatar"].(map[string]any), second.json["avatar"].(map[string]any)
	if before["id"] != after["id"] || before["createdAt"] != after["createdAt"] || before["updatedAt"] == after["updatedAt"] || before["key"] == after["key"] {
		t.Errorf("from %v to %v", before, after)
	}
	if r := renditions(second)["large"].(map[string]any); r["contentType"] != "image/png" || r["width"] != 50.0 {
		t.Errorf("got %v", r)
	}
	w.want(404, "FILE_NOT_FOUND", file(keyOf(first, "small")))
	w.ok(file(keyOf(second, "small")))
	if gone := w.ok(req("DELETE /api/users/me/avatar", "", bearer(in.access))); gone.json["avatar"] != nil {
		t.Errorf("shows %v", gone.json["avatar"])
	}
	w.want(404, "FILE_NOT_FOUND", file(keyOf(second, "small")))
	w.ok(req("DELETE /api/users/me/avatar", "", bearer(in.access))) // there is none, which is no error
}

// Faults F33, and contract P6: a refused upload leaves the old avatar.
func TestWhateverGoesWrongLeavesTheOldAvatar(t *testing.T) {
	w := newWorld(t)
	in := w.member("ada@example.com")
	old := w.ok(uploadBy(in, square()))
	for _, key := range []string{"storage.put", "files.swap", "commit"} {
		w.faults.planAfter(key, map[string]int{"storage.put": 2}[key], broken(fault.DatabaseFailure))
		if a := w.send(uploadBy(in, square())); a.status != http.StatusInternalServerError {
			t.Errorf("%s: %d %s", key, a.status, a.code())
		}
		w.faults.clear()
		if now := w.ok(req("GET /api/users/me", "", bearer(in.access))); keyOf(now, "large") != keyOf(old, "large") {
			t.Errorf("%s: the avatar is another one", key)
		}
		w.ok(file(keyOf(old, "large")))
	}
	w.clock.advance(2 * time.Hour)
	if left := w.cleaned(); len(left) != 3 {
		t.Errorf("left are %v, want what is shown alone", left)
	}
	w.ok(file(keyOf(old, "large")))
}

// cleaned returns the keys of the files that a cleaner leaves.
func (w *world) cleaned() []string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	c := appavatar.NewCleaner(appavatar.CleanerDeps{Work: w.store, Storage: w.files, Every: time.Hour, Now: w.clock.now, Log: w.deps.Log})
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	for {
		some, err := w.store.Single().Files.Unwanted(w.t.Context(), w.clock.now(), "", 1)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
	}
	cancel()
	<-done
	return w.files.Keys()
}

func TestFilesGoWithTheirUser(t *testing.T) {
	w := newWorld(t)
	root, ada, eve := w.adminAt("root@example.com"), w.proven(w.member("ada@example.com")), w.member("eve@example.com")
	mine, theirs := w.ok(uploadBy(ada, square())), w.ok(uploadBy(eve, square()))
	w.ok(leaving(ada))
	w.want(404, "FILE_NOT_FOUND", file(keyOf(mine, "small")))
	w.ok(file(keyOf(theirs, "small")))
	if left := w.cleaned(); len(left) != 3 || !slices.Contains(left, keyOf(theirs, "small")) {
		t.Errorf("left are %v", left)
	}
	w.ok(of(root, deleting, eve.id))
	if left := w.cleaned(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestWhatIsNoUploadIsRefused(t *testing.T) {
	w := newWorld(t)
	in := w.member("ada@example.com")
	fine := uploadBy(in, square())
	boundary := fine.header.Get("Content-Type")
	big := strings.Repeat("x", 5<<20)
	for _, row := range []struct {
		name   string
		r      request
		status int
		code   string
		rules  string
	}{
		{"JSON", fine.but(set("Content-Type", "application/json")), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"another form", fine.but(set("Content-Type", "application/x-www-form-urlencoded")), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"no boundary", fine.but(set("Content-Type", "multipart/form-data")), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"another multipart", fine.but(set("Content-Type", strings.Replace(boundary, "form-data", "mixed", 1))), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"compressed", fine.but(set("Content-Encoding", "gzip")), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"two types", fine.but(add("Content-Type", "text/plain")), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"nothing", fine.but(body("")), 400, "INVALID_REQUEST", "file:required"},
		{"no parts", form(fine), 400, "INVALID_REQUEST", "file:required"},
		{"another part", form(fine, part{"picture", "image/png", string(square())}), 400, "INVALID_REQUEST", "file:required"},
		{"another boundary", fine.but(set("Content-Type", "multipart/form-data; boundary=other")), 400, "INVALID_REQUEST", "file:required"},
		{"cut off", fine.but(body(fine.body[:len(fine.body)/2])), 400, "INVALID_REQUEST", "file:required"},
		{"a byte too many", form(fine, part{"file", "image/png", big + "x"}), 413, "REQUEST_TOO_LARGE", ""},
		{"declared too large", form(fine, part{"other", "a/b", big + strings.Repeat("x", 65<<10)}), 413, "REQUEST_TOO_LARGE", ""},
		{"undeclared too large", form(fine, part{"other", "a/b", big + strings.Repeat("x", 65<<10)}).but(func(r *request) { r.chunked = true }), 413, "REQUEST_TOO_LARGE", ""},
		{"as large as may be", form(fine, part{"file", "image/png", big}), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"SVG that says it is PNG", form(fine, part{"file", "image/png", "<svg/>"}), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"empty", form(fine, part{"file", "image/png", ""}), 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"torn", form(fine, part{"file", "image/png", string(square()[:100])}), 400, "INVALID_REQUEST", "file:image"},
		{"PNG that says it is SVG", form(fine, part{"file", "image/svg+xml", string(square())}), 200, "", ""},
		{"behind others", form(fine, part{"a", "a/b", "c"}, part{"file", "", string(square())}, part{"file", "a/b", "torn"}), 200, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := w.send(row.r)
			if a.status != row.status || a.code() != row.code || strings.Join(a.rules(), " ") != row.rules {
				t.Errorf("%d %s %v, want %d %s %s", a.status, a.code(), a.rules(), row.status, row.code, row.rules)
			}
		})
	}
}

func TestAGuestsPictureIsNotEvenLookedAt(t *testing.T) {
	w := newWorld(t)
	w.want(404, "USER_NOT_FOUND", uploadBy(w.guest(), []byte("<svg/>")))
	w.want(404, "USER_NOT_FOUND", req("DELETE /api/users/me/avatar", "", bearer(w.guest().access)))
}

func TestFilesAreServedToBeKept(t *testing.T) {
	w := newWorld(t)
	r := file(keyOf(w.ok(uploadBy(w.member("ada@example.com"), square())), "small"))
	a := w.ok(r)
	tag := a.header.Get("Etag")
	for name, want := range map[string]string{
		"Content-Type": "image/jpeg", "Content-Length": strconv.Itoa(len(a.body)), "Etag": `"` + strings.TrimPrefix(r.path, "/api/files/") + `"`,
	} {
		if got := a.header.Get(name); got != want || tag == "" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	head := w.ok(r.but(by("HEAD")))
	for _, name := range []string{"Content-Type", "Content-Length", "Etag", "Cache-Control"} {
		if got := head.header.Get(name); got != a.header.Get(name) || len(head.body) != 0 {
			t.Errorf("HEAD: %s is %q, want %q", name, got, a.header.Get(name))
		}
	}
	for sent, known := range map[string]bool{
		tag: true, "W/" + tag: true, `"a", ` + tag: true, "*": true, `"a"`: false, strings.Trim(tag, `"`): false, "": false,
	} {
		got := w.send(r.but(set("If-None-Match", sent)))
		if (got.status == http.StatusNotModified) != known || known && (len(got.body) != 0 || got.header.Get("Etag") != tag) {
			t.Errorf("If-None-Match %s: %d", sent, got.status)
		}
	}
	w.faults.plan("storage.open", errStorage)
	w.want(304, "", r.but(set("If-None-Match", tag))) // nothing has to be read for it
	w.want(404, "FILE_NOT_FOUND", file("unknown").but(set("If-None-Match", "*")))
}

// Contract §1.3: F3 takes from no bucket, and looks at no token.
func TestFilesCostNoBucketAndTakeNoToken(t *testing.T) {
	w := newWorld(t)
	r := file(keyOf(w.ok(uploadBy(w.member("ada@example.com"), square())), "small"))
	w.faults.plan("bucket address", errStorage)
	w.faults.plan("bucket user", errStorage)
	w.faults.plan("sessions.access", errStorage)
	w.ok(r.but(bearer("nonsense"), cookie("access_token", "nonsense")))
}

func TestWhatIsNoKeyIsABadRequest(t *testing.T) {
	w := newWorld(t)
	for path, code := range map[string]string{
		"%2e%2e": "BAD_FILE_REQUEST", "..%2f..%2fkeys": "ROUTE_NOT_FOUND", "a%00": "BAD_FILE_REQUEST", "A": "BAD_FILE_REQUEST", "a b": "BAD_FILE_REQUEST",
		".hidden": "BAD_FILE_REQUEST", strings.Repeat("a", 129): "BAD_FILE_REQUEST", "a/b": "ROUTE_NOT_FOUND", "": "ROUTE_NOT_FOUND", "a..b": "FILE_NOT_FOUND",
	} {
		if a := w.send(file(strings.ReplaceAll(path, " ", "%20"))); a.code() != code {
			t.Errorf("%q: %d %s, want %s", path, a.status, a.code(), code)
		}
	}
}

func TestAFileThatIsNotWholeIsOutOfSync(t *testing.T) {
	w := newWorld(t)
	key := keyOf(w.ok(uploadBy(w.member("ada@example.com"), square())), "small")
	if err := w.files.Put(t.Context(), key, "image/jpeg", []byte("half")); err != nil {
		t.Fatal(err)
	}
	w.want(500, "FILE_METADATA_OUT_OF_SYNC", file(key))
}
