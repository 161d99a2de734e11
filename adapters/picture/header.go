package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
)

// segments calls each with the segments of a JPEG up to its picture, until that
// returns false.
func segments(source []byte, each func(marker byte, data []byte) bool) {
	rest := source[2:]
	for len(rest) >= 4 && rest[0] == 0xff {
		marker := rest[1]
		if marker == 0xff { // padding
			rest = rest[1:]
			continue
		}
		if marker == 0xda || marker == 0xd9 || marker == 0 { // the picture, the end, what decoders skip in ways of their own
			return
		}
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd7 { // have no length
			rest = rest[2:]
			continue
		}
		length := int(binary.BigEndian.Uint16(rest[2:]))
		if length < 2 || length > len(rest)-2 || !each(marker, rest[4:2+length]) {
			return
		}
		rest = rest[2+length:]
	}
}

// startsFrame are the markers SOF0 to SOF15; three in between are others.
func startsFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// sizeOfJPEG counts a byte for each sample; four more if the picture comes in
// several passes, over which the coefficients are kept; and the picture in other
// colours, if those have to be converted. It assumes the worst of what it cannot
// find.
func sizeOfJPEG(source []byte, c image.Config, pixels int64) int64 {
	const onePass, passes = 1, 5
	perSample, samples := int64(passes), int64(most)
	segments(source, func(marker byte, data []byte) bool {
		if !startsFrame(marker) {
			return true
		}
		if samples = samplesOf(data); marker != 0xc2 {
			perSample = onePass
		}
		return false
	})
	size := pixels * perSample * samples / 100
	if c.ColorModel != color.YCbCrModel && c.ColorModel != color.GrayModel {
		size += 4 * pixels
	}
	return size
}

// most is how many samples a hundred pixels have at most.
const most = 400

// samplesOf returns how many samples a hundred pixels have.
func samplesOf(frame []byte) int64 {
	if len(frame) < 6 || len(frame) < 6+3*int(frame[5]) {
		return most
	}
	var sum, h, v int64
	for i := range int(frame[5]) {
		factors := frame[6+3*i+1]
		sum += int64(factors>>4) * int64(factors&0xf)
		h, v = max(h, int64(factors>>4)), max(v, int64(factors&0xf))
	}
	if h*v == 0 {
		return most
	}
	return 100 * sum / (h * v)
}

// passesOfJPEG returns how often a decoder may go over the whole picture: some
// fifty bytes are enough for one more time. Whatever looks like the start of a
// pass counts, because metadata that does by chance is rare.
func passesOfJPEG(source []byte) int64 {
	return int64(bytes.Count(source, []byte("\xff\xda")))
}

func exifOfJPEG(source []byte) (exif []byte) {
	const app1 = 0xe1
	segments(source, func(marker byte, data []byte) bool {
		found, ok := bytes.CutPrefix(data, []byte(exifMagic))
		if ok && marker == app1 {
			exif = found
		}
		return exif == nil
	})
	return exif
}

// sizeOfPNG counts an interlaced picture twice, because it is put together from
// smaller ones.
func sizeOfPNG(source []byte, c image.Config, pixels int64) int64 {
	const interlace = 28 // where the byte is
	size := pixels * int64(bytesOf(c.ColorModel))
	if hasTransparentColour(source) {
		size = pixels * int64(bytesWithAlpha(c.ColorModel))
	}
	if len(source) > interlace && source[interlace] != 0 {
		size *= 2
	}
	return size
}

func bytesOf(m color.Model) int {
	switch m {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	}
	if _, indexed := m.(color.Palette); indexed {
		return 1
	}
	return 4
}

// bytesWithAlpha is as bytesOf if a colour stands for transparency, for which the
// header has no model: shades of grey are then decoded in full colour.
func bytesWithAlpha(m color.Model) int {
	switch m {
	case color.GrayModel:
		return 4
	case color.Gray16Model:
		return 8
	}
	return bytesOf(m)
}

func hasTransparentColour(source []byte) (has bool) {
	chunks(source, func(name string, _ []byte) bool {
		has = name == "tRNS"
		return !has && name != "IDAT"
	})
	return has
}

// chunks calls each with the chunks of a PNG, until that returns false.
func chunks(source []byte, each func(name string, data []byte) bool) {
	const header, sum = 8, 4
	for rest := source[8:]; len(rest) >= header+sum; {
		length := int64(binary.BigEndian.Uint32(rest))
		if length > int64(len(rest)-header-sum) || !each(string(rest[4:8]), rest[header:header+length]) {
			return
		}
		rest = rest[header+length+sum:]
	}
}

func exifOfPNG(source []byte) (exif []byte) {
	chunks(source, func(name string, data []byte) bool {
		if name == "eXIf" {
			exif = data
		}
		return exif == nil
	})
	return exif
}

func sizeOfGIF(_ []byte, _ image.Config, pixels int64) int64 { return pixels }

// sizeOfWebP is generous: pictures without loss are decoded in two steps of four
// bytes a pixel, and so is the alpha of others.
func sizeOfWebP(source []byte, _ image.Config, pixels int64) int64 {
	const first = 12 // chunk, and here its name
	if bytes.HasPrefix(source[first:], []byte("VP8 ")) {
		return 10 * pixels
	}
	return 10*pixels + sizeOfCodes(pixels, int64(len(source)))
}

// sizeOfCodes is how many bytes the codes take of a picture without loss, which
// has a set of them for every so many pixels: a full one takes some 54 KB, which
// 230 bytes are enough to describe, and the decoder refuses more than 2600.
func sizeOfCodes(pixels, length int64) int64 {
	const set, perByte, most = 54 << 10, 256, 2600
	return min(set*min(pixels, most), perByte*length)
}

func exifOfWebP(source []byte) []byte {
	const header = 8
	for rest := source[12:]; len(rest) >= header; {
		length := int64(binary.LittleEndian.Uint32(rest[4:]))
		if length > int64(len(rest)-header) {
			return nil
		}
		data := rest[header : header+length]
		if string(rest[:4]) == "EXIF" {
			return bytes.TrimPrefix(data, []byte(exifMagic)) // some write it here too
		}
		rest = rest[header+length:]
		if length%2 == 1 && len(rest) > 0 {
			rest = rest[1:] // chunks begin at even offsets
		}
	}
	return nil
}

func nothing([]byte) []byte { return nil }

func once([]byte) int64 { return 1 }

const exifMagic = "Exif\x00\x00"

// orientationOf finds how the camera was held, 0 if that is not told. Only the
// first directory is read, and only once.
func orientationOf(exif []byte) int {
	const tag, entry, short = 0x0112, 12, 3
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(exif, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(exif, []byte("MM\x00*")):
		order = binary.BigEndian
	}
	if order == nil || len(exif) < 8 {
		return 0
	}
	at := int64(order.Uint32(exif[4:]))
	if at > int64(len(exif)-2) {
		return 0
	}
	entries := exif[at+2:]
	for range int(order.Uint16(exif[at:])) {
		if len(entries) < entry {
			return 0
		}
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[entry:]
	}
	return 0
}
