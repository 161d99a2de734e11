package main

import (
	"context"
	"fmt"
	"io"
	"os"

	fuseadapter "gatehouse/adapters/fuse"
)

type passwordsCmd struct {
	BuildFilter buildFilterCmd `cmd:"" help:"Make a file for password.breached_file of a list of passwords that have leaked."`
}

type buildFilterCmd struct {
	List  string `arg:"" help:"A line for each password: its SHA-1 in hexadecimal digits, with :COUNT or without. - is standard input."`
	File  string `arg:"" help:"Where the filter goes. What is there stays in use where it is, until the next start." type:"path"`
	Plain bool   `help:"The lines of the list are the passwords themselves."`
}

// Run implements the command.
func (c buildFilterCmd) Run(ctx context.Context, p *process) error {
	list := p.in
	if c.List != "-" {
		f, err := os.Open(c.List)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = f.Close() }() // it was only read
		list = f
	}
	return c.build(ctx, p, list)
}

func (c buildFilterCmd) build(ctx context.Context, p *process, list io.Reader) error {
	form := fuseadapter.Hashes
	if c.Plain {
		form = fuseadapter.Plain
	}
	built, err := fuseadapter.Build(ctx, list, form, c.File)
	if err != nil {
		return fmt.Errorf("build filter: %s: %w", c.List, err)
	}
	_, err = fmt.Fprintf(p.out, "%d passwords in %d bytes, %d lines passed over\n", built.Passwords, built.Bytes, built.Skipped)
	return err
}
