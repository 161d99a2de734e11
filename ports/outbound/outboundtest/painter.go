package outboundtest

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"gatehouse/domain/avatar"
	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
)

// Painter runs the suite of [outbound.Painter]. open returns one that takes at
// least a megapixel, fresh for each check.
func Painter(t *testing.T, open func(*testing.T) outbound.Painter) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, outbound.Painter)
	}{
		{"RenditionsAreSquareAndNeverEnlarged", renditionsFit},
		{"OnlyTheTransparentIsPNG", onlyTransparentIsPNG},
		{"ContentDecidesWhatIsAPicture", contentDecides},
		{"WhatIsBrokenIsRefused", brokenIsRefused},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// grey is a picture of one colour.
func grey(width, height int, alpha uint8) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range len(m.Pix) / 4 {
		copy(m.Pix[4*i:], []byte{90, 90, 90, alpha})
	}
	return m
}

func inPNG(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, m))
	return b.Bytes()
}

func renditionsFit(t *testing.T, p outbound.Painter) {
	for _, c := range []struct{ width, height, small, medium, large int }{
		{1100, 900, 128, 512, 900}, {600, 1000, 128, 512, 600}, {300, 301, 128, 300, 300}, {100, 200, 100, 100, 100}, {1, 1, 1, 1, 1}, {1, 1000, 1, 1, 1},
	} {
		got, err := p.Paint(t.Context(), inPNG(t, grey(c.width, c.height, 255)))
		must(t, err)
		for s, side := range map[avatar.Size]int{avatar.Small: c.small, avatar.Medium: c.medium, avatar.Large: c.large} {
			r := got.Renditions[s]
			shown, err := jpeg.Decode(bytes.NewReader(r.Content))
			must(t, err)
			if size := shown.Bounds().Size(); size != image.Pt(side, side) || r.Side != side {
				t.Errorf("%d × %d, %s: %v, said to be %d, want %d", c.width, c.height, s, size, r.Side, side)
			}
			if y := color.GrayModel.Convert(shown.At(side/2, side/2)).(color.Gray).Y; y < 85 || y > 95 {
				t.Errorf("%d × %d, %s: has become another colour (%d)", c.width, c.height, s, y)
			}
		}
	}
}

func onlyTransparentIsPNG(t *testing.T, p outbound.Painter) {
	hole := grey(300, 200, 255)
	hole.Set(0, 0, color.Transparent) // which is not even in the middle
	for name, c := range map[string]struct {
		source *image.NRGBA
		want   avatar.Type
	}{"opaque": {grey(300, 200, 255), avatar.JPEG}, "half": {grey(300, 200, 128), avatar.PNG}, "a hole": {hole, avatar.PNG}} {
		got, err := p.Paint(t.Context(), inPNG(t, c.source))
		must(t, err)
		if got.Type != c.want {
			t.Errorf("%s: %s, want %s", name, got.Type, c.want)
		}
		for _, r := range got.Renditions {
			if _, format, err := image.DecodeConfig(bytes.NewReader(r.Content)); err != nil || "image/"+format != string(c.want) {
				t.Errorf("%s: holds %s (%v)", name, format, err)
			}
		}
	}
}

func contentDecides(t *testing.T, p outbound.Painter) {
	for _, source := range []string{
		"", "hello", `<svg xmlns="http://www.w3.org/2000/svg"/>`, "%PDF-1.7", "BM\x00\x00", "\x00\x00\x00\x20ftypavif", "II*\x00", "GIF", "RIFF\x00\x00\x00\x00WAVE",
	} {
		if _, err := p.Paint(t.Context(), []byte(source)); fault.CodeOf(err) != fault.UnsupportedMediaType {
			t.Errorf("%q: %v, want UNSUPPORTED_MEDIA_TYPE", source, err)
		}
	}
}

func brokenIsRefused(t *testing.T, p outbound.Painter) {
	whole := inPNG(t, grey(400, 400, 255))
	torn := bytes.Clone(whole)
	torn[len(torn)/2] ^= 0xff
	for name, source := range map[string][]byte{
		"cut off": whole[:len(whole)/2], "torn": torn, "a header": whole[:33], "JPEG": []byte("\xff\xd8\xff\xe0 and no more"),
		"GIF": []byte("GIF89a and no more"), "WebP": []byte("RIFF\x10\x00\x00\x00WEBPVP8 none"),
	} {
		_, err := p.Paint(t.Context(), source)
		if fault.CodeOf(err) != fault.InvalidRequest {
			t.Errorf("%s: %v, want INVALID_REQUEST", name, err)
		}
	}
}
