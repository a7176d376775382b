package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// line is a line of a hand-written file: its words, whether it is indented, and the note behind `#`.
type line struct {
	number   int
	indented bool
	words    []string
	note     string
}

// readLines reads a hand-written file. Lines that start with `#` are comments; ` # ` starts a note.
func readLines(name string) ([]line, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var lines []line
	for index, text := range strings.Split(string(content), "\n") {
		if strings.HasPrefix(text, "#") || strings.TrimSpace(text) == "" {
			continue
		}
		text, note, _ := strings.Cut(text, " # ")
		lines = append(lines, line{index + 1, strings.HasPrefix(text, " "), strings.Fields(text), note})
	}
	return lines, nil
}

// release is a released version of three numbers.
type release [3]int

func readRelease(text string) (release, error) {
	var result release
	parts := strings.Split(text, ".")
	if len(parts) != len(result) {
		return result, fmt.Errorf("release: expected three numbers, found %q", text)
	}
	for index, part := range parts {
		number, err := strconv.Atoi(part)
		if err != nil {
			return result, fmt.Errorf("release: expected three numbers, found %q", text)
		}
		result[index] = number
	}
	return result, nil
}

func (r release) String() string { return fmt.Sprintf("%d.%d.%d", r[0], r[1], r[2]) }

func (r release) before(other release) bool {
	for index := range r {
		if r[index] != other[index] {
			return r[index] < other[index]
		}
	}
	return false
}

// join adds a key to a path; a slash in a key is written as in a JSON pointer.
func join(path, key string) string {
	key = strings.ReplaceAll(key, "/", "~1")
	if path == "" {
		return key
	}
	return path + "/" + key
}
