package picture

import (
	"image"
	"image/draw"

	xdraw "golang.org/x/image/draw"

	"gatehouse/domain/avatar"
)

// roughly is how many pixels of a side are made one before the fine scaling,
// whose memory grows with the side: it gets less than twice of what it needs.
func roughly(side int) int { return max(1, side/avatar.Large.Longest()) }

// sizeOfScaling is how many bytes scaling takes: four floats for every pixel of
// a row of the result and row of the source, and the pictures themselves.
func sizeOfScaling(side int) int64 {
	large, rough := int64(avatar.Large.Longest()), int64(side/roughly(side))
	return large*rough*32 + rough*rough*4 + 4*large*large*4
}

// middle returns the square in the middle of m, or the average of every so many
// of its pixels where there are far too many.
func middle(m image.Image) *image.RGBA {
	b := m.Bounds()
	cut := min(b.Dx(), b.Dy())
	by := roughly(cut)
	side := cut / by
	from := b.Min.Add(image.Pt((b.Dx()-side*by)/2, (b.Dy()-side*by)/2))
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	if by == 1 {
		draw.Draw(out, out.Rect, m, from, draw.Src)
		return out
	}
	strip := image.NewRGBA(image.Rect(0, 0, side*by, by))
	for y := range side {
		draw.Draw(strip, strip.Rect, m, from.Add(image.Pt(0, y*by)), draw.Src)
		average(out.Pix[y*out.Stride:(y+1)*out.Stride], strip, by)
	}
	return out
}

// average makes each square of a strip one pixel of row.
func average(row []byte, strip *image.RGBA, by int) {
	all := by * by
	for x := range len(row) / 4 {
		var sum [4]int
		for y := range by {
			for pix := strip.Pix[y*strip.Stride+x*by*4:][:by*4]; len(pix) > 0; pix = pix[4:] {
				for c := range sum {
					sum[c] += int(pix[c])
				}
			}
		}
		for c, v := range sum {
			row[x*4+c] = byte((v + all/2) / all) //nolint:gosec // the average of bytes is one
		}
	}
}

// scaled returns a square with sides no longer than that.
func scaled(m *image.RGBA, longest int) *image.RGBA {
	if m.Rect.Dx() <= longest {
		return m
	}
	out := image.NewRGBA(image.Rect(0, 0, longest, longest))
	xdraw.CatmullRom.Scale(out, out.Rect, m, m.Rect, xdraw.Src, nil)
	return out
}

// turned returns a square as a camera says it was held (Exif 2.3, tag 0x0112).
func turned(m *image.RGBA, orientation int) *image.RGBA {
	last := m.Rect.Dx() - 1
	var from func(x, y int) (int, int)
	switch orientation {
	case 2:
		from = func(x, y int) (int, int) { return last - x, y }
	case 3:
		from = func(x, y int) (int, int) { return last - x, last - y }
	case 4:
		from = func(x, y int) (int, int) { return x, last - y }
	case 5:
		from = func(x, y int) (int, int) { return y, x }
	case 6:
		from = func(x, y int) (int, int) { return y, last - x }
	case 7:
		from = func(x, y int) (int, int) { return last - y, last - x }
	case 8:
		from = func(x, y int) (int, int) { return last - y, x }
	default:
		return m
	}
	out := image.NewRGBA(m.Rect)
	for y := range last + 1 {
		for x := range last + 1 {
			copy(out.Pix[y*out.Stride+x*4:][:4], m.Pix[m.PixOffset(from(x, y)):])
		}
	}
	return out
}
