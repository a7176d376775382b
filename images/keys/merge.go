package main

import (
	"errors"
	"fmt"
	"slices"
)

// row is a key over all releases of its source.
type row struct {
	path  string
	json  string
	since release
	until *release
	place string
	flags []string
	notes []string
	// unread has the releases in which no code reads the key.
	unread []release
	// readers has the releases in which some code does.
	readers []release
	last    release
	// reviewed says that a line of reviewed.txt knows whether code reads the key.
	reviewed bool
}

// ownerRows has the rows of a plugin or object over all releases.
type ownerRows struct {
	*owner
	since release
	until *release
	last  release
	rows  []*row
}

// row finds the row of a key; the newest, if its type changed.
func (o *ownerRows) row(path string) *row {
	for _, row := range slices.Backward(o.rows) {
		if row.path == path {
			return row
		}
	}
	return nil
}

// merged is all that was read, in the order of sources.txt.
type merged struct {
	sources []*source
	owners  []*ownerRows
	// sums has the modules that were read, as `module version hash`.
	sums []string
}

func readAll(sources []*source) (*merged, error) {
	shared := newShared()
	used := map[*module]uses{}
	result := &merged{sources: sources}
	var wrong []error
	for _, source := range sources {
		byOwner := map[*owner]*ownerRows{}
		for _, owner := range source.owners {
			byOwner[owner] = &ownerRows{owner: owner}
			result.owners = append(result.owners, byOwner[owner])
		}
		for _, release := range source.releases {
			loader, err := shared.newLoader(source.path, "v"+release.String(), source.needs)
			if err != nil {
				return nil, err
			}
			for _, owner := range source.owners {
				keys, there, err := owner.read(loader)
				if err == nil {
					err = byOwner[owner].add(loader, used, release, keys, there)
				}
				if err != nil {
					wrong = append(wrong, fmt.Errorf("%s %s in %s %s: %w", owner.what, owner.name, source.name, release, err))
				}
			}
		}
	}
	for name, module := range shared.modules {
		result.sums = append(result.sums, name+" "+module.Sum)
	}
	slices.Sort(result.sums)
	return result, errors.Join(wrong...)
}

// add adds what one release has. Releases come oldest first.
func (o *ownerRows) add(l *loader, used map[*module]uses, at release, keys []key, there bool) error {
	none := release{}
	if !there {
		if o.since != none && o.until == nil {
			o.until = &at
		}
		return nil
	}
	if o.since == none {
		o.since = at
	}
	if o.until != nil {
		return fmt.Errorf("gone in %s, and back in %s", o.until, at)
	}
	o.last = at
	for _, key := range keys {
		known := o.row(key.path)
		if known != nil && known.until == nil && known.json != key.json {
			known.until, known = &at, nil
		}
		if known == nil {
			known = &row{path: key.path, json: key.json, since: at, place: key.place, flags: key.flags}
			o.rows = append(o.rows, known)
		}
		if known.until != nil {
			return fmt.Errorf("key %s: gone in %s, and back in %s", key.path, known.until, at)
		}
		known.last = at
		if key.field == nil || isRead(l, used, key.field.Name()) {
			known.readers = append(known.readers, at)
		} else {
			known.unread = append(known.unread, at)
		}
	}
	for _, known := range o.rows {
		if known.last != at && known.until == nil {
			known.until = &at
		}
	}
	return nil
}

// isRead says whether any code of the modules that were loaded reads a field of this name.
func isRead(l *loader, used map[*module]uses, field string) bool {
	for _, module := range l.needed {
		if used[module] == nil {
			used[module] = uses{}
			if err := used[module].addModule(module); err != nil {
				continue
			}
		}
		if used[module][field] {
			return true
		}
	}
	return false
}
