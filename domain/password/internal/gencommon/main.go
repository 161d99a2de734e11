// Command gencommon writes the list of common passwords that package password
// embeds. It is run by go generate and linked into nothing.
//
// The list is composed, not collected: material/ holds words written down for
// this purpose, and the functions of compose.go say what people do with them.
// See ../../common.md for method and licence.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gencommon:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the name of the file to write, got %d arguments", len(args))
	}
	list, err := compose()
	if err != nil {
		return err
	}
	//nolint:gosec // a public file of the source tree
	return os.WriteFile(args[0], []byte(strings.Join(list, "\n")+"\n"), 0o644)
}
