package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// change is a line of reviewed.txt: what a reviewer knows of a key that its declaration does not say.
type change struct {
	line  int
	owner string
	verb  string
	words []string
	note  string
}

func readReviewed(name string) ([]change, error) {
	lines, err := readLines(name)
	if err != nil {
		return nil, err
	}
	var changes []change
	owner := ""
	for _, line := range lines {
		if !line.indented {
			owner = strings.Join(line.words, " ")
			if line.words[0] == "source" || line.words[0] == "new" {
				changes = append(changes, change{line.number, owner, line.words[0], line.words[1:], line.note})
				owner = ""
				if line.words[0] == "new" && len(line.words) > 3 {
					owner = line.words[1] + " " + line.words[3]
				}
			}
			continue
		}
		changes = append(changes, change{line.number, owner, line.words[0], line.words[1:], line.note})
	}
	return changes, nil
}

// review applies reviewed.txt. Every line must still say something: one that a release made superfluous is an error.
// So is a key that no code reads and no line speaks of.
func (m *merged) review(changes []change) error {
	var missing []string
	read := modules{}
	for _, change := range changes {
		err := m.apply(change)
		if err == nil {
			err = m.checkCited(change, read)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("reviewed.txt:%d: %s", change.line, err))
		}
	}
	for _, owner := range m.owners {
		for _, row := range owner.rows {
			if len(row.unread) > 0 && !row.reviewed {
				missing = append(missing, fmt.Sprintf("%s %s: key %s: no code reads it in %v, some does in %v: a line is missing",
					owner.what, owner.name, row.path, row.unread, row.readers))
			}
		}
	}
	if missing != nil {
		return fmt.Errorf("reviewed.txt does not fit:\n%s", strings.Join(missing, "\n"))
	}
	return nil
}

func (m *merged) apply(change change) error {
	words := change.words
	switch {
	case change.verb == "source" && len(words) >= 2:
		added := &source{name: words[0], path: words[1]}
		for _, word := range words[2:] {
			at, err := readRelease(word)
			if err != nil {
				return err
			}
			added.releases = append(added.releases, at)
		}
		m.sources = append(m.sources, added)
		return nil
	case change.verb == "new" && (len(words) == 5 || len(words) == 6):
		return m.addOwner(words)
	case len(words) < 2:
		return fmt.Errorf("expected a verb, a key and a source")
	}
	found := false
	for _, owner := range m.owners {
		if change.owner != owner.what+" "+owner.name && change.owner != owner.what+" *" {
			continue
		}
		if change.verb == "add" {
			return owner.addRow(change)
		}
		if change.verb == "read" {
			found = owner.markRead(words[0]) || found
			continue
		}
		if row := owner.row(words[0]); row != nil {
			found = true
			if err := row.change(change); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("%s: key %s is not there", change.owner, words[0])
	}
	return nil
}

// checkCited opens the line of source code that a change cites. The line must be there, and name the key, unless it tells
// what reads the key, or what does not. Web pages and commits without a release are not opened.
func (m *merged) checkCited(change change, read modules) error {
	for _, word := range change.words {
		name, rest, isModule := strings.Cut(word, "@v")
		version, place, hasFile := strings.Cut(rest, "/")
		file, number, hasLine := strings.Cut(place, ":")
		if !isModule || !hasFile || !hasLine {
			continue
		}
		for _, source := range m.sources {
			if source.name != name {
				continue
			}
			cited, err := read.get(source.path, "v"+version)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(filepath.Join(cited.Dir, file))
			if err != nil {
				return err
			}
			lines := strings.Split(string(text), "\n")
			line, err := strconv.Atoi(number)
			if err != nil || line < 1 || line > len(lines) {
				return fmt.Errorf("%s: there is no such line", word)
			}
			key := strings.ReplaceAll(change.words[0][strings.LastIndex(change.words[0], "/")+1:], "~1", "/")
			names := strings.Contains(strings.ToLower(lines[line-1]), strings.ToLower(key))
			if !names && key != "ipam" && change.verb != "read" && change.verb != "note" {
				return fmt.Errorf("%s: this line does not name key %s: %s", word, key, strings.TrimSpace(lines[line-1]))
			}
		}
	}
	return nil
}

// addOwner adds a plugin or object that no module source has: `new plugin SOURCE NAME KIND SINCE UNTIL`, an object
// without the kind.
func (m *merged) addOwner(words []string) error {
	added := &owner{source: words[1], what: words[0], name: words[2]}
	rest := words[3:]
	if added.what == "plugin" {
		added.kind, rest = rest[0], rest[1:]
	}
	if len(rest) != 2 {
		return fmt.Errorf("expected since and until")
	}
	since, err := readRelease(rest[0])
	if err != nil {
		return err
	}
	rows := &ownerRows{owner: added, since: since}
	if rows.until, err = readUntil(rest[1]); err != nil {
		return err
	}
	m.owners = append(m.owners, rows)
	return nil
}

// addRow adds a key: `add PATH TYPE SINCE UNTIL SOURCE [FLAG...]`.
func (o *ownerRows) addRow(change change) error {
	words := change.words
	if len(words) < 5 {
		return fmt.Errorf("expected `add` with path, type, since, until and source")
	}
	if o.row(words[0]) != nil {
		return fmt.Errorf("key %s is there already", words[0])
	}
	since, err := readRelease(words[2])
	if err != nil {
		return err
	}
	until, err := readUntil(words[3])
	if err != nil {
		return err
	}
	added := &row{path: words[0], json: words[1], since: since, until: until, place: words[4], flags: words[5:]}
	if change.note != "" {
		added.notes = []string{change.note}
	}
	o.rows = append(o.rows, added)
	return nil
}

// markRead takes for read what no code names: a key, and all below it. It says whether there was such a key.
func (o *ownerRows) markRead(path string) bool {
	found := false
	for _, row := range o.rows {
		if len(row.unread) > 0 && (row.path == path || strings.HasPrefix(row.path, path+"/")) {
			row.reviewed, found = true, true
		}
	}
	return found
}

// change applies a line to a row: `unread`, `internal`, `deprecated` and `note` have a path and a source; `since` and `until` have a
// release between, `type` a type.
func (r *row) change(change change) error {
	words := change.words
	source := words[len(words)-1]
	switch change.verb {
	case "unread":
		if len(r.readers) > 0 {
			return fmt.Errorf("key %s: code reads it in %v", r.path, r.readers)
		}
		r.flags = append(r.flags, "unread")
		r.reviewed = true
	case "internal", "deprecated":
		r.flags = append(r.flags, change.verb)
		r.reviewed = true
	case "note":
		if change.note == "" {
			return fmt.Errorf("key %s: a note is missing", r.path)
		}
	case "type":
		if r.json == words[1] {
			return fmt.Errorf("key %s: has this type already", r.path)
		}
		r.json = words[1]
	case "since", "until":
		if len(words) != 3 {
			return fmt.Errorf("expected `%s` with path, release and source", change.verb)
		}
		at, err := readRelease(words[1])
		if err != nil {
			return err
		}
		if change.verb == "since" {
			if r.since.before(at) {
				return fmt.Errorf("key %s: it is there since %s", r.path, r.since)
			}
			if r.since != at && !strings.Contains(r.place, "@") {
				// The declaration is cited where it was read.
				r.place = fmt.Sprintf("@v%s/%s", r.since, r.place)
			}
			r.since = at
			r.flags = append(r.flags, "exact-since")
		} else {
			r.until = &at
		}
	default:
		return fmt.Errorf("verb %s is unknown", change.verb)
	}
	if change.note != "" {
		r.notes = append(r.notes, fmt.Sprintf("%s (%s)", change.note, source))
	}
	return nil
}

func readUntil(text string) (*release, error) {
	if text == "-" {
		return nil, nil
	}
	at, err := readRelease(text)
	return &at, err
}
