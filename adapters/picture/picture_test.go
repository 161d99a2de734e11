package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	_ "image/jpeg" // to look at what was made
	_ "image/png"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"gatehouse/adapters/picture"
	"gatehouse/domain/avatar"
	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

const maxPixels = 40_000_000

func painter() *picture.Painter {
	return picture.New(picture.Config{MaxPixels: maxPixels, Memory: 1 << 30, Parallel: 2, Waiting: 4})
}

func TestPainter(t *testing.T) {
	outboundtest.Painter(t, func(*testing.T) outbound.Painter { return painter() })
}

func paint(t *testing.T, source []byte) avatar.Picture {
	t.Helper()
	p, err := painter().Paint(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shown(t *testing.T, p avatar.Picture, s avatar.Size) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(p.Renditions[s].Content))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// quarters names the colours above and below, left and right.
func quarters(m image.Image) string {
	var names []string
	side := m.Bounds().Dx()
	for _, y := range []int{side / 4, 3 * side / 4} {
		for _, x := range []int{side / 4, 3 * side / 4} {
			names = append(names, nameOf(m.At(x, y)))
		}
	}
	return strings.Join(names, " ")
}

func nameOf(c color.Color) string {
	const half = 1 << 15
	r, g, b, a := c.RGBA()
	return map[[4]bool]string{
		{true, false, false, true}: "red", {false, true, false, true}: "green", {false, false, true, true}: "blue",
		{true, true, true, true}: "white", {true, true, false, true}: "yellow", {false, false, false, false}: "nothing",
	}[[4]bool{r > half, g > half, b > half, a > half}]
}

func TestPicturesAreTurnedUpright(t *testing.T) {
	const side = 64
	m := corners(side, side)
	for orientation, want := range map[uint16]string{
		0: "red green blue white", 1: "red green blue white", 2: "green red white blue", 3: "white blue green red", 4: "blue white red green",
		5: "red blue green white", 6: "blue red white green", 7: "white green blue red", 8: "green white red blue", 9: "red green blue white",
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for name, source := range map[string][]byte{
				"JPEG": jpegWith(asJPEG(t, m), exif(order, orientation)), "PNG": pngWith(asPNG(t, m), exif(order, orientation)),
			} {
				if got := quarters(shown(t, paint(t, source), avatar.Large)); got != want {
					t.Errorf("%s, orientation %d, %s: %s, want %s", name, orientation, order, got, want)
				}
			}
		}
	}
}

func TestWebPIsTurnedUpright(t *testing.T) {
	const side = 20
	for orientation, want := range map[uint16]string{1: "red yellow red yellow", 2: "yellow red yellow red", 6: "red red yellow yellow"} {
		for name, magic := range map[string]string{"": "", "with the magic of JPEG": "Exif\x00\x00"} {
			source := riff(extended(side, side), chunk("VP8L", lossless(side, side, true)),
				chunk("EXIF", append([]byte(magic), exif(binary.LittleEndian, orientation)...)))
			if got := quarters(shown(t, paint(t, source), avatar.Large)); got != want {
				t.Errorf("orientation %d %s: %s, want %s", orientation, name, got, want)
			}
		}
	}
}

func TestEveryFormatIsRead(t *testing.T) {
	m := corners(300, 300)
	for name, source := range map[string][]byte{"JPEG": asJPEG(t, m), "PNG": asPNG(t, m), "GIF": asGIF(t, m)} {
		if got := quarters(shown(t, paint(t, source), avatar.Small)); got != "red green blue white" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, want := range map[string]avatar.Type{lossyWebP: avatar.JPEG, transparentWebP: avatar.PNG} {
		if p := paint(t, decoded(t, name)); p.Type != want || p.Renditions[avatar.Large].Side != 1 {
			t.Errorf("WebP is a %s of %d pixels", p.Type, p.Renditions[avatar.Large].Side)
		}
	}
}

func TestLargePicturesKeepTheirMiddle(t *testing.T) {
	for _, size := range [][2]int{{2100, 2050}, {1025, 1024}} {
		p := paint(t, asPNG(t, corners(size[0], size[1])))
		for _, s := range avatar.Sizes() {
			if got := quarters(shown(t, p, s)); got != "red green blue white" {
				t.Errorf("%v, %s: %s", size, s, got)
			}
		}
	}
}

func TestTransparencyStays(t *testing.T) {
	m := corners(2100, 2100)
	for y := range 1050 {
		clear(m.Pix[y*m.Stride : y*m.Stride+1050*4])
	}
	p := paint(t, asPNG(t, m))
	for _, s := range avatar.Sizes() {
		if got := quarters(shown(t, p, s)); got != "nothing green blue white" || p.Type != avatar.PNG {
			t.Errorf("%s of %s: %s", s, p.Type, got)
		}
	}
	hole := corners(40, 40)
	clear(hole.Pix[:hole.Stride])
	if p := paint(t, asGIF(t, hole)); p.Type != avatar.PNG {
		t.Errorf("a transparent GIF became a %s", p.Type)
	}
}

func TestNothingIsTakenOverButPixels(t *testing.T) {
	const secret = "somewhere in Zürich"
	m := corners(200, 200)
	note := append(exif(binary.BigEndian, 1), secret...)
	for name, source := range map[string][]byte{
		"JPEG": jpegWith(asJPEG(t, m), note), "PNG": pngWith(asPNG(t, m), note),
		"GIF": append(asGIF(t, m), secret...), "polyglot": append(asJPEG(t, m), "PK\x03\x04 <script>"+secret...),
	} {
		if !bytes.Contains(source, []byte(secret)) {
			t.Fatalf("%s: the secret is not in the source", name)
		}
		for _, r := range paint(t, source).Renditions {
			if bytes.Contains(r.Content, []byte(secret)) || bytes.Contains(r.Content, []byte("Exif")) || bytes.Contains(r.Content, []byte("script")) {
				t.Errorf("%s: metadata is taken over", name)
			}
		}
	}
}

// header is a PNG that says how large it is, and ends.
func header(width, height uint32) []byte { return headerOf(width, height, 8, 2) }

// headerOf is as header, with so many bits a sample, and another type than
// colours.
func headerOf(width, height uint32, depth, colours byte) []byte {
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), 0, 0, 0, 0, 0, 0, 0, 0, depth, colours, 0, 0, 0)
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// allocated returns how many bytes fn takes.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Faults F58: what is refused is refused by its header.
func TestBombsAreRefusedUndecoded(t *testing.T) {
	wide := lossless(16384, 16384, false)
	for name, source := range map[string][]byte{
		"PNG of 2500 megapixels":  header(50_000, 50_000),
		"PNG of a pixel too many": header(maxPixels+1, 1),
		"GIF of 4000 megapixels":  []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"),
		"WebP of 268 megapixels":  riff(chunk("VP8L", wide)),
		"WebP that says it is":    riff(extended(16384, 16384), chunk("VP8L", lossless(1, 1, false))),
		"JPEG of 4000 megapixels": []byte("\xff\xd8" + jfif + "\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"),
	} {
		isRefused(t, name, source, "too many pixels")
	}
	for name, source := range map[string][]byte{
		"PNG whose pixels overflow":       header(math.MaxInt32, math.MaxInt32),
		"PNG without pixels":              header(0, 5),
		"small WebP with a large one in":  riff(extended(1, 1), chunk("VP8L", wide)),
		"JPEG with nothing but its start": []byte("\xff\xd8\xff"),
	} {
		isRefused(t, name, source, "")
	}
}

// inPasses is a grey JPEG that begins so many passes over its square.
func inPasses(side uint16, passes int) []byte {
	b := []byte("\xff\xd8" + jfif + "\xff\xc2\x00\x0b\x08")
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, side), side)
	b = append(b, "\x01\x01\x11\x00"...)
	return append(b, bytes.Repeat([]byte("\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00\x00"), passes)...)
}

// Faults F58: a pass over all pixels takes fifty bytes, so a file of 5 MiB could
// keep a processor busy for half an hour.
func TestPicturesAreNotGoneOverWithoutEnd(t *testing.T) {
	isRefused(t, "101 passes over 40 megapixels", inPasses(6324, 101), "too many passes")
	isRefused(t, "100 000 passes over a megapixel", inPasses(1000, 100_000), "too many passes")
	if _, err := painter().Paint(t.Context(), inPasses(1000, 4000)); err == nil || strings.Contains(err.Error(), "passes") {
		t.Errorf("4000 passes over a megapixel: %v, want it to be for its codes", err)
	}
}

// jfif is a segment without which the reader of headers reads on.
const jfif = "\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"

func isRefused(t *testing.T, name string, source []byte, why string) {
	t.Helper()
	var err error
	if took := allocated(func() { _, err = painter().Paint(t.Context(), source) }); took > 1<<20 {
		t.Errorf("%s: took %d bytes to refuse", name, took)
	}
	isNoImage(t, name, err)
	if !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want %s", name, err, why)
	}
}

func isNoImage(t *testing.T, name string, err error) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	want := []fault.Violation{{Field: "file", Rule: fault.RuleImage}}
	if !ok || f.Code() != fault.InvalidRequest || !slices.Equal(f.Broken(), want) {
		t.Errorf("%s: %v, want rule image on file", name, err)
	}
}

func TestFramesBehindTheFirstCostNothing(t *testing.T) {
	m := corners(64, 64)
	few := asGIF(t, m)
	dot := []byte{0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4c, 1, 0}
	many := slices.Concat(few[:len(few)-1], bytes.Repeat(dot, 100_000), few[len(few)-1:])
	cost := func(source []byte) uint64 {
		return allocated(func() { paint(t, source) })
	}
	cost(few)
	if a, b := cost(few), cost(many); b > 2*a {
		t.Errorf("one frame takes %d bytes, and many take %d", a, b)
	}
}

const (
	// inThree is a frame of 33 megapixels in three colours, which comes in passes.
	inThree = "\xff\xc2\x00\x11\x08\x16\x76\x16\x76\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
	// inGrey is a frame of as many in one, and in one pass.
	inGrey = "\xff\xc0\x00\x0b\x08\x16\x76\x16\x76\x01\x01\x11\x00"
	// transparentGrey makes one shade transparent, and begins the pixels.
	transparentGrey = "\x00\x00\x00\x02tRNS\x00\x01\x01\x94\xfd\xae" + "\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e"
)

func TestWhatNeedsTooMuchMemoryIsRefused(t *testing.T) {
	small := picture.New(picture.Config{MaxPixels: maxPixels, Memory: 96 << 20, Parallel: 1, Waiting: 1})
	for name, source := range map[string][]byte{
		"30 megapixels in PNG":                               header(6000, 5000),
		"36 megapixels in WebP":                              riff(chunk("VP8L", lossless(6000, 6000, false))),
		"33 megapixels in JPEG, in passes":                   []byte("\xff\xd8" + jfif + inThree + "\xff\xd9"),
		"another frame for who counts":                       []byte("\xff\xd8" + jfif + "\xff\x00\x00\x19" + inThree + "\xff\xe1\x00\x0f" + inGrey + "\xff\xd9"),
		"16 megapixels in grey, one of which is transparent": append(headerOf(4000, 4000, 8, 0), transparentGrey...),
		"12 megapixels in finer grey":                        append(headerOf(3500, 3500, 16, 0), transparentGrey...),
		"full codes for every 16 pixels":                     riff(chunk("VP8L", append(lossless(208, 208, false), make([]byte, 1<<20)...))),
	} {
		_, err := small.Paint(t.Context(), source)
		isNoImage(t, name, err)
		if !strings.Contains(err.Error(), "memory") {
			t.Errorf("%s: %v, want it to be for its memory", name, err)
		}
	}
	if _, err := small.Paint(t.Context(), asJPEG(t, corners(400, 400))); err != nil {
		t.Errorf("a small one: %v", err)
	}
}

func TestPicturesWaitForEachOther(t *testing.T) {
	source := asPNG(t, corners(8, 8))
	synctest.Test(t, func(t *testing.T) {
		p := picture.New(picture.Config{MaxPixels: maxPixels, Memory: 64 << 20, Parallel: 1, Waiting: 2})
		release := p.Occupy(64 << 20)
		done := make(chan error)
		for range 2 {
			go func() {
				_, err := p.Paint(t.Context(), source)
				done <- err
			}()
		}
		synctest.Wait()
		if _, err := p.Paint(t.Context(), source); fault.CodeOf(err) != fault.ServiceOverloaded {
			t.Errorf("one too many: %v", err)
		}
		release()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("who has waited: %v", err)
			}
		}
	})
}

func TestWhoIsGoneWaitsNoLonger(t *testing.T) {
	source := asPNG(t, corners(8, 8))
	synctest.Test(t, func(t *testing.T) {
		p := picture.New(picture.Config{MaxPixels: maxPixels, Memory: 64 << 20, Parallel: 1, Waiting: 1})
		defer p.Occupy(64 << 20)()
		for range 3 { // the place is free again each time
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := p.Paint(ctx, source)
				done <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
	})
}
