package picture_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
)

var (
	red   = color.NRGBA{R: 255, A: 255}
	green = color.NRGBA{G: 255, A: 255}
	blue  = color.NRGBA{B: 255, A: 255}
	white = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
)

// corners has a colour in each quarter: red and green above, blue and white
// below.
func corners(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for half, colours := range [2][2]color.NRGBA{{red, green}, {blue, white}} {
		first := (half*height + 1) / 2
		for x := range width {
			m.SetNRGBA(x, first, colours[2*x/width])
		}
		row := m.Pix[first*m.Stride:][:m.Stride]
		for y := first; 2*y/height == half; y++ {
			copy(m.Pix[y*m.Stride:], row)
		}
	}
	return m
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asGIF(t testing.TB, m image.Image) []byte {
	t.Helper()
	palette := color.Palette{red, green, blue, white, color.Transparent}
	first := image.NewPaletted(m.Bounds(), palette)
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			first.Set(x, y, m.At(x, y))
		}
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{first}, Delay: []int{0}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif says how the camera was held, in either byte order.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II*\x00")
	if order.String() == "BigEndian" {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2) // entries
	b = order.AppendUint16(order.AppendUint16(b, 0x010f), 2)
	b = append(order.AppendUint32(b, 4), "Cam\x00"...)
	b = order.AppendUint16(order.AppendUint16(b, 0x0112), 3)
	b = order.AppendUint32(b, 1)
	return append(order.AppendUint16(b, orientation), 0, 0)
}

func jpegWith(source, exif []byte) []byte {
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+8))
	segment = append(append(segment, "Exif\x00\x00"...), exif...)
	return slices.Insert(slices.Clone(source), 2, segment...)
}

func pngWith(source, exif []byte) []byte {
	const afterIHDR = 33
	chunk := append([]byte("eXIf"), exif...)
	sum := crc32.ChecksumIEEE(chunk)
	chunk = binary.BigEndian.AppendUint32(append(binary.BigEndian.AppendUint32(nil, uint32(len(exif))), chunk...), sum)
	return slices.Insert(slices.Clone(source), afterIHDR, chunk...)
}

// bits are written least significant first.
type bits struct {
	out  []byte
	free int
}

func (b *bits) put(value uint32, n int) {
	for i := range n {
		if b.free == 0 {
			b.out, b.free = append(b.out, 0), 8
		}
		b.out[len(b.out)-1] |= byte(value>>i&1) << (8 - b.free)
		b.free--
	}
}

// lossless is a picture in VP8L: the left of it red, the right yellow, which is
// one bit a pixel. Without pixels it is one colour, whatever its size.
func lossless(width, height int, pixels bool) []byte {
	var b bits
	b.put(0x2f, 8)
	b.put(uint32(width-1), 14)
	b.put(uint32(height-1), 14)
	b.put(0, 4) // no alpha, version 0
	b.put(0, 3) // no transform, no colour cache, one set of codes
	one := func(symbol uint32) {
		b.put(0b101, 3) // simple code, one symbol, of eight bits
		b.put(symbol, 8)
	}
	if pixels {
		b.put(0b111, 3) // simple code, two symbols, of eight bits
		b.put(0, 8)
		b.put(255, 8)
	} else {
		one(0)
	}
	one(255) // red
	one(0)   // blue
	one(255) // alpha
	one(0)   // distance
	for range height {
		for x := range width {
			if pixels {
				b.put(uint32(2*x/width), 1)
			}
		}
	}
	return b.out
}

func riff(chunks ...[]byte) []byte {
	body := append([]byte("WEBP"), slices.Concat(chunks...)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func chunk(name string, data []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data))), data...)
	if len(data)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

// extended is the header of a picture in several chunks.
func extended(width, height int) []byte {
	b := make([]byte, 10)
	b[0] = 1 << 3 // has Exif
	b[4], b[5], b[6] = byte(width-1), byte((width-1)>>8), byte((width-1)>>16)
	b[7], b[8], b[9] = byte(height-1), byte((height-1)>>8), byte((height-1)>>16)
	return chunk("VP8X", b)
}

func decoded(t testing.TB, base string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(base)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// One pixel in lossy WebP, without and with alpha.
const (
	lossyWebP       = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
	transparentWebP = "UklGRkoAAABXRUJQVlA4WAoAAAAQAAAAAAAAAAAAQUxQSAwAAAARBxAR/Q9ERP8DAABWUDggGAAAABQBAJ0BKgEAAQAAAP4AAA3AAP7mtQAAAA=="
)
