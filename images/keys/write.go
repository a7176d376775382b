package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
)

// text writes the table.
func (m *merged) text() ([]byte, error) {
	hash, err := hashOfTool()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("# The configuration keys of each plugin, by release. Made by `make keys`: do not edit. See images/keys/README.md.\n")
	fmt.Fprintf(&out, "# tool %s\n", hash)
	for _, sum := range m.sums {
		fmt.Fprintf(&out, "# read %s\n", sum)
	}
	short := map[string]string{}
	for _, source := range m.sources {
		short[source.path] = source.name
		fmt.Fprintf(&out, "source %s %s", source.name, source.path)
		for _, release := range source.releases {
			fmt.Fprintf(&out, " %s", release)
		}
		out.WriteString("\n")
	}
	for _, owner := range m.owners {
		fmt.Fprintf(&out, "\n%s %s %s", owner.what, owner.source, owner.name)
		if owner.what == "plugin" {
			fmt.Fprintf(&out, " %s", owner.kind)
		}
		fmt.Fprintf(&out, " %s %s\n", owner.since, show(owner.until))
		// A parent comes before its children.
		sort.SliceStable(owner.rows, func(a, b int) bool {
			return slices.Compare(strings.Split(owner.rows[a].path, "/"), strings.Split(owner.rows[b].path, "/")) < 0
		})
		columns := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
		for _, row := range owner.rows {
			fmt.Fprintf(columns, " %s\t%s\t%s\t%s\t%s%s\n",
				row.path, row.json, row.since, show(row.until), row.shortPlace(owner.source, short), row.rest())
		}
		if err := columns.Flush(); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// shortPlace writes the short name of a source in the place of its module.
func (r *row) shortPlace(source string, short map[string]string) string {
	module, rest, other := strings.Cut(r.place, "@")
	if !other || strings.Contains(r.place, "://") {
		return r.place
	}
	if name, ok := short[module]; ok {
		module = name
	} else if module == "" {
		module = source
	}
	return module + "@" + rest
}

func (r *row) rest() string {
	text := ""
	for _, flag := range r.flags {
		text += " " + flag
	}
	if len(r.notes) > 0 {
		text += " # " + strings.Join(r.notes, "; ")
	}
	return text
}

func show(until *release) string {
	if until == nil {
		return "-"
	}
	return until.String()
}

// hashOfTool is the hash of this program's sources and of its hand-written files, in the order of their names.
func hashOfTool() (string, error) {
	entries, err := os.ReadDir(".")
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".txt") {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n", name, len(content))
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
