package picture_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"testing"

	"gatehouse/adapters/picture"
	"gatehouse/domain/avatar"
	"gatehouse/domain/fault"
)

func FuzzWhateverIsSentIsAPictureOrRefused(f *testing.F) {
	m := corners(5, 3)
	for _, source := range [][]byte{
		nil, []byte("<svg/>"), asPNG(f, m), asGIF(f, m), asJPEG(f, m), jpegWith(asJPEG(f, m), exif(binary.BigEndian, 6)),
		pngWith(asPNG(f, m), exif(binary.LittleEndian, 8)), decoded(f, lossyWebP), decoded(f, transparentWebP),
		riff(chunk("VP8L", lossless(4, 4, true))), riff(extended(4, 4), chunk("VP8L", lossless(4, 4, true)), chunk("EXIF", exif(binary.BigEndian, 3))),
		header(50_000, 50_000), []byte("RIFF\x00\x00\x00\x00WEBP"), []byte("\xff\xd8\xff\xe1\x00\x00"),
	} {
		f.Add(source)
	}
	small := picture.New(picture.Config{MaxPixels: 10_000, Memory: 64 << 20, Parallel: 1, Waiting: 1})
	f.Fuzz(func(t *testing.T, source []byte) {
		p, err := small.Paint(t.Context(), source)
		if code := fault.CodeOf(err); code == fault.UnsupportedMediaType || code == fault.InvalidRequest {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range avatar.Sizes() {
			r := p.Renditions[s]
			c, format, err := image.DecodeConfig(bytes.NewReader(r.Content))
			if err != nil || "image/"+format != string(p.Type) || c.Width != r.Side || c.Height != r.Side || r.Side < 1 || r.Side > s.Longest() {
				t.Errorf("%s is a %s of %d × %d pixels (%v), and said to be a %s of %d", s, format, c.Width, c.Height, err, p.Type, r.Side)
			}
		}
	})
}
