// Command keys reads the configuration types of CNI plugins, Multus and Terway, release by release, and writes the
// table of their keys. See README.md.
//
// The files, each using only those before it: text.go, module.go, load.go, walk.go, calls.go, uses.go, spec.go,
// merge.go, review.go, write.go.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
)

const table = "../../harness/core/src/keys/table.txt"

func main() {
	out := flag.String("out", table, "file to write")
	check := flag.Bool("check", false, "compare with the file, and write nothing")
	draft := flag.Bool("draft", false, "write the table although lines of reviewed.txt are missing or wrong")
	flag.Parse()
	if err := run(*out, *check, *draft); err != nil {
		fmt.Fprintln(os.Stderr, "keys:", err)
		os.Exit(1)
	}
}

func run(out string, check, draft bool) error {
	spec, err := readSpec("sources.txt")
	if err != nil {
		return err
	}
	reviewed, err := readReviewed("reviewed.txt")
	if err != nil {
		return err
	}
	merged, err := readAll(spec)
	if err != nil {
		return err
	}
	if err := merged.review(reviewed); err != nil {
		if !draft {
			return err
		}
		fmt.Fprintln(os.Stderr, "keys:", err)
	}
	text, err := merged.text()
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(out, text, 0o644)
	}
	old, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, text) {
		return fmt.Errorf("%s: not what the sources give; run `make keys` and review the difference", out)
	}
	return nil
}
