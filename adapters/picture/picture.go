// Package picture implements [outbound.Painter] with the decoders of Go. It
// owns which formats there are, how much memory they may take, and how a
// picture is turned, cut and scaled.
package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/image/webp"
	"golang.org/x/sync/semaphore"

	"gatehouse/domain/avatar"
	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
)

var _ outbound.Painter = (*Painter)(nil)

// Config limits what one picture, and all at once, may take.
type Config struct {
	MaxPixels int64
	Memory    int64 // bytes, of all that are made at once; a picture that needs more is refused
	Parallel  int   // pictures at once, at most
	Waiting   int   // callers that may wait for others
}

// Painter makes renditions.
type Painter struct {
	c       Config
	memory  *semaphore.Weighted
	waiting atomic.Int64
}

// New returns a Painter.
func New(c Config) *Painter { return &Painter{c: c, memory: semaphore.NewWeighted(c.Memory)} }

// format is a way to write pictures.
type format struct {
	is     func(source []byte) bool
	header func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	// sizeOf is how many bytes the decoder takes for that many pixels.
	sizeOf func(source []byte, c image.Config, pixels int64) int64
	exif   func(source []byte) []byte
	// passes is how often the decoder goes over all pixels, at most.
	passes func(source []byte) int64
}

// formats are asked by name and not by [image.Decode], for which whatever is
// linked can register.
var formats = []format{
	{begins("\xff\xd8\xff"), jpeg.DecodeConfig, jpeg.Decode, sizeOfJPEG, exifOfJPEG, passesOfJPEG},
	{begins("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode, sizeOfPNG, exifOfPNG, once},
	{begins("GIF8"), gif.DecodeConfig, gif.Decode, sizeOfGIF, nothing, once},
	{isWebP, webp.DecodeConfig, webp.Decode, sizeOfWebP, exifOfWebP, once},
}

func begins(magic string) func([]byte) bool {
	return func(source []byte) bool { return bytes.HasPrefix(source, []byte(magic)) }
}

func isWebP(source []byte) bool {
	return len(source) >= 12 && string(source[:4]) == "RIFF" && string(source[8:12]) == "WEBP"
}

func formatOf(source []byte) (format, error) {
	for _, f := range formats {
		if f.is(source) {
			return f, nil
		}
	}
	return format{}, fault.New(fault.UnsupportedMediaType)
}

func noImage(why error) error { return fault.Invalid("file", fault.RuleImage).Because(why) }

var (
	errPixels = errors.New("too many pixels")
	errPasses = errors.New("too many passes")
	errMemory = errors.New("too much memory")
)

// Paint implements [outbound.Painter].
func (p *Painter) Paint(ctx context.Context, source []byte) (avatar.Picture, error) {
	f, err := formatOf(source)
	if err != nil {
		return avatar.Picture{}, err
	}
	need, err := p.look(f, source)
	if err != nil {
		return avatar.Picture{}, noImage(err)
	}
	need = max(need, p.c.Memory/int64(p.c.Parallel))
	if err := p.wait(ctx, need); err != nil {
		return avatar.Picture{}, err
	}
	defer p.memory.Release(need)
	return paint(f, source)
}

// mostPasses is how often the largest picture may be gone over, and smaller ones
// more often: ten times what cameras and editors make, and some seconds.
const mostPasses = 100

// look reads the header, and returns how many bytes the picture takes.
func (p *Painter) look(f format, source []byte) (need int64, err error) {
	defer rescue(&err)
	c, err := f.header(bytes.NewReader(source))
	if err != nil {
		return 0, err
	}
	pixels := int64(c.Width) * int64(c.Height) // both are below 2^31
	if c.Width <= 0 || c.Height <= 0 || pixels > p.c.MaxPixels {
		return 0, errPixels
	}
	if f.passes(source) > mostPasses*p.c.MaxPixels/pixels {
		return 0, errPasses
	}
	need = f.sizeOf(source, c, pixels) + sizeOfScaling(min(c.Width, c.Height))
	if need > p.c.Memory {
		return 0, errMemory
	}
	return need, nil
}

func (p *Painter) wait(ctx context.Context, need int64) error {
	if p.memory.TryAcquire(need) {
		return nil
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > int64(p.c.Waiting) {
		return fault.New(fault.ServiceOverloaded).Because(errors.New("too many pictures wait"))
	}
	if err := p.memory.Acquire(ctx, need); err != nil {
		return fmt.Errorf("wait to make a picture: %w", err)
	}
	return nil
}

// rescue makes a panic of a decoder an error: what makes one is no picture.
func rescue(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("decoder panicked with a %T\n%s", v, debug.Stack())
	}
}

func paint(f format, source []byte) (avatar.Picture, error) {
	square, opaque, err := read(f, source)
	if err != nil {
		return avatar.Picture{}, noImage(err)
	}
	square = turned(square, orientationOf(f.exif(source)))
	p, encode := avatar.Picture{Type: avatar.PNG}, encodePNG
	if opaque {
		p.Type, encode = avatar.JPEG, encodeJPEG
	}
	sizes := avatar.Sizes()
	for i := len(sizes) - 1; i >= 0; i-- { // each from the one before it, which is small already
		square = scaled(square, sizes[i].Longest())
		var b bytes.Buffer
		if err := encode(&b, square); err != nil {
			return avatar.Picture{}, fmt.Errorf("encode picture: %w", err)
		}
		p.Renditions[sizes[i]] = avatar.Pixels{Side: square.Rect.Dx(), Content: b.Bytes()}
	}
	return p, nil
}

// read decodes a picture and returns its middle, and whether all of it is
// opaque.
func read(f format, source []byte) (square *image.RGBA, opaque bool, err error) {
	defer rescue(&err)
	m, err := f.decode(bytes.NewReader(source))
	if err != nil {
		return nil, false, err
	}
	if m.Bounds().Empty() {
		return nil, false, errors.New("there is nothing in it")
	}
	o, tells := m.(interface{ Opaque() bool })
	return middle(m), tells && o.Opaque(), nil
}

// quality of JPEG, of 100.
const quality = 88

func encodeJPEG(w io.Writer, m image.Image) error {
	return jpeg.Encode(w, m, &jpeg.Options{Quality: quality})
}

func encodePNG(w io.Writer, m image.Image) error { return png.Encode(w, m) }
