// Package page holds lists that are given away part by part.
package page

// Largest is how many things a page holds at most (contract §3).
const Largest = 2000

// Request names a part of a list: of pages of Size things each, the one with
// this Number, from 0 on, when all are in this order. Things that are alike in
// all of it are in the order of what identifies them.
type Request struct {
	Number, Size int
	Sort         []Sort
}

// Sort is a property by which a list is ordered.
type Sort struct {
	By         string
	Descending bool
}

// Offset is how many things are before the page.
func (r Request) Offset() int { return r.Number * r.Size }

// Page is a part of a list, and empty past its end.
type Page[T any] struct {
	Request Request
	Content []T
	Total   int // things in the whole list
}

// Pages is how many pages the whole list has.
func (p Page[T]) Pages() int { return (p.Total + p.Request.Size - 1) / p.Request.Size }
