package main

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gatehouse/domain/password/internal/lookalike"
)

//go:embed material/*.txt
var material embed.FS

// shortest is the length, in characters, below which every policy refuses a
// password anyway.
const shortest = 8

// longestDoubled is the length, in bytes, up to which people type a word twice.
const longestDoubled = 8

// habits says what people put behind the words of a file in material/.
var habits = []struct {
	file     string
	suffixes []string
	doubled  bool
}{
	{"verbatim", []string{""}, false},
	{"strong", strongSuffixes(), true},
	{"words", plainSuffixes, true},
	{"names", plainSuffixes, false},
	{"places", slices.Concat(plainSuffixes, decorated(years(2023, 2026), "!")), false},
	{"teams", slices.Concat(plainSuffixes, []string{"10"}, decorated(years(2024, 2026), "!")), false},
	{"times", timeSuffixes(), false},
}

var plainSuffixes = []string{"", "!", "1", "123", "1!", "123!", "@123"}

// compose returns the list: lower case, at least [shortest] characters each, in
// the order of [lookalike.Compare] and without two entries equal by it.
func compose() ([]string, error) {
	list := slices.Concat(digits(), repeats(), walks())
	for _, h := range habits {
		words, err := read(h.file)
		if err != nil {
			return nil, err
		}
		for _, w := range words {
			for _, s := range h.suffixes {
				list = append(list, w+s)
			}
			if h.doubled && len(w) <= longestDoubled {
				list = append(list, w+w)
			}
		}
	}
	return tidy(list), nil
}

// read returns the words of a file in material/, without comments.
func read(file string) ([]string, error) {
	text, err := material.ReadFile("material/" + file + ".txt")
	if err != nil {
		return nil, fmt.Errorf("read material: %w", err)
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		words = append(words, strings.Fields(line)...)
	}
	return words, nil
}

// tidy spells, shortens and orders the list. Of entries that look alike it
// keeps the one that comes first in byte order, whatever order they came in.
func tidy(list []string) []string {
	spelled := make(map[string]bool, len(list))
	for _, s := range list {
		if utf8.RuneCountInString(s) >= shortest {
			spelled[strings.ToLower(s)] = true
		}
	}
	out := slices.Sorted(maps.Keys(spelled))
	slices.SortStableFunc(out, lookalike.Compare)
	return slices.CompactFunc(out, func(a, b string) bool { return lookalike.Compare(a, b) == 0 })
}

// strongSuffixes are also the habits of those who must change a password
// every few weeks.
func strongSuffixes() []string {
	return slices.Concat(plainSuffixes, []string{
		"0", "2", "3", "7", "00", "01", "02", "007", "10", "11", "12", "13", "21", "22", "23", "69", "77", "88", "99", "321", "666", "777",
		"1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "?", ".", "*", "#", "@", "$", "!!", "!!!",
		"01!", "2!", "12!", "1234!", "12345!", "!1", "!12", "!123", "!1234", "#1", "#12", "#123", "#1234", "@1", "@12", "@1234", "@12345", "@123!", "_1", "_123", "-1", "-123", ".1", ".123",
		"1@", "1#", "1$", "1?", "1.", "1*", "12@", "123@", "123#", "123$", "123?", "123.", "123*", "1!!", "1a!", "a1!", "abc123", "!@#", "@!",
	}, years(2000, 2030), decorated(years(2020, 2029), "!", ".", "@", "#", "$"), prefixed(years(2022, 2028), "@", "!", "#"))
}

func timeSuffixes() []string {
	return slices.Concat(plainSuffixes, years(2020, 2030), decorated(years(2020, 2030), "!"), decorated(years(2023, 2027), ".", "#", "$"), prefixed(years(2023, 2027), "@"),
		decorated([]string{"23", "24", "25", "26", "27"}, "", "!"))
}

func years(first, last int) []string {
	var out []string
	for y := first; y <= last; y++ {
		out = append(out, strconv.Itoa(y))
	}
	return out
}

func decorated(stems []string, ends ...string) []string {
	var out []string
	for _, s := range stems {
		for _, e := range ends {
			out = append(out, s+e)
		}
	}
	return out
}

func prefixed(stems []string, starts ...string) []string {
	var out []string
	for _, s := range stems {
		for _, b := range starts {
			out = append(out, b+s)
		}
	}
	return out
}

// digits are runs up and down from every digit, and years written twice.
func digits() []string {
	var out []string
	for first := range 10 {
		up, down := "", ""
		for n := range 24 {
			up += strconv.Itoa((first + n) % 10)
			down += strconv.Itoa((first - n%10 + 10) % 10)
			out = append(out, up, down)
			if n <= 12 {
				out = append(out, up+"a", "a"+up, up+"!", up+"q", up+"abc")
			}
		}
	}
	for _, y := range years(1950, 2030) {
		out = append(out, y+y, y+"1234", "1234"+y)
	}
	return out
}

// repeats are one character, or a short group, over and over.
func repeats() []string {
	var out []string
	for c := '!'; c <= '~'; c++ {
		for n := shortest; n <= 20; n++ {
			out = append(out, strings.Repeat(string(c), n))
		}
	}
	for n := range 100 {
		for times := 4; times <= 8; times++ {
			out = append(out, strings.Repeat(fmt.Sprintf("%02d", n), times))
		}
	}
	for _, group := range []string{
		"123", "321", "147", "159", "258", "369", "456", "789", "007", "911", "420", "666", "777", "101", "112", "1234", "4321", "12345", "54321", "123456", "654321", "121",
		"abc", "abcd", "abc1", "abc123", "qwe", "qwer", "qwerty", "qwertz", "azerty", "asd", "asdf", "zxc", "zxcv", "qaz", "wsx", "aaa1", "lol", "xyz", "test", "pass", "love", "hello", "admin", "blah", "haha", "la", "ha", "ab", "ba", "xo",
	} {
		for times := 2; times <= 8; times++ {
			out = append(out, strings.Repeat(group, times))
		}
	}
	return out
}

// walks follow the rows and columns of three keyboards, both ways.
func walks() []string {
	var out []string
	for _, row := range []string{
		"qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn", "asdfghjklzxcvbnm", "yxcvbnmasdfghjkl", "zxcvbnmasdfghjkl", "zxcvbnm,./", "asdfghjkl;'", "qwertyuiop[]", "abcdefghijklmnopqrstuvwxyz", "aabbccddeeffgghh", "abcabcabcabc",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.", "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "a1b2c3d4e5f6g7h8i9j0", "1a2b3c4d5e6f7g8h9i0j", "q2w3e4r5t6y7u8i9", "1qaz!qaz2wsx@wsx", "!qaz2wsx#edc4rfv", "1qazxsw23edcvfr4", "zaq1xsw2cde3vfr4bgt5", "zaq12wsxcde34rfv", "qweasdzxcrtyfghvbn", "qweasdzxc123", "1q2w3e4r!@#$", "a1s2d3f4g5h6j7k8l9", "z1x2c3v4b5n6m7", "1z2x3c4v5b6n7m", "!@#$%^&*()_+", "1!2@3#4$5%6^", "!1@2#3$4%5^6", "147258369", "963852741", "741852963", "159357258456", "789456123", "123654789",
	} {
		for _, r := range []string{row, reversed(row)} {
			for n := 4; n <= len(r); n++ {
				out = append(out, r[:n])
				if n <= 10 {
					out = append(out, r[:n]+"1", r[:n]+"!", r[:n]+"123", r[:n]+"1!", r[:n]+"123!", r[:n]+"@123", r[:n]+r[:n])
				}
			}
		}
	}
	for _, tail := range []string{"qwer", "qwert", "qwerty", "qwertyui", "qwertyuiop", "asdf", "asdfg", "asdfgh", "asdfghjk", "zxcv", "zxcvb", "zxcvbn", "abc", "abcd", "abcde", "abcdef", "qwe", "asd", "zxc", "qaz", "aa", "a", "q", "qq", "qw"} {
		for n := 3; n <= 10; n++ {
			run := "1234567890"[:n]
			out = append(out, run+tail, tail+run, run+tail+"!", tail+run+"!", tail+"@"+run, tail+"!"+run, tail+run+"@", tail+run+"#")
		}
	}
	return out
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
