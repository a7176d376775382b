package main

import "fmt"

// source is a module with the releases to read, and what to read in them.
type source struct {
	name     string
	path     string
	releases []release
	needs    []string
	owners   []*owner
}

// owner is a plugin or object that keys belong to.
type owner struct {
	source string
	// what is `plugin` or `object`.
	what  string
	name  string
	kind  string
	steps []step
}

// step says where keys stand: `struct` and `args` have a package and a type; `index`, `paths` and `files` have a
// package, a function and a variable in it; `package` has a package whose keys stand elsewhere. An owner is in the
// releases that have the package of its first step.
type step struct {
	line  int
	verb  string
	words []string
}

// readSpec reads sources.txt.
func readSpec(name string) ([]*source, error) {
	lines, err := readLines(name)
	if err != nil {
		return nil, err
	}
	var sources []*source
	var last *owner
	for _, line := range lines {
		fail := func(message string) error { return fmt.Errorf("%s:%d: %s", name, line.number, message) }
		words := line.words
		switch {
		case words[0] == "source" && len(words) > 3:
			next := &source{name: words[1], path: words[2]}
			for _, word := range words[3:] {
				release, err := readRelease(word)
				if err != nil {
					return nil, fail(err.Error())
				}
				next.releases = append(next.releases, release)
			}
			sources = append(sources, next)
			last = nil
		case len(sources) == 0:
			return nil, fail("expected `source` first")
		case words[0] == "needs" && last == nil:
			current := sources[len(sources)-1]
			current.needs = append(current.needs, words[1:]...)
		case (words[0] == "plugin" && len(words) == 3) || (words[0] == "object" && len(words) == 2):
			current := sources[len(sources)-1]
			last = &owner{source: current.name, what: words[0], name: words[1]}
			if words[0] == "plugin" {
				last.kind = words[2]
			}
			current.owners = append(current.owners, last)
		case line.indented && last != nil && len(words) > 1:
			last.steps = append(last.steps, step{line.number, words[0], words[1:]})
		default:
			return nil, fail("expected source, needs, plugin, object or a step with their words")
		}
	}
	return sources, nil
}

// read gives the keys of an owner in one release; none and false where the release lacks the package.
func (o *owner) read(l *loader) ([]key, bool, error) {
	if !l.has(l.importPath(o.steps[0].words[0])) {
		return nil, false, nil
	}
	var all []key
	index := map[string]int{}
	for _, step := range o.steps {
		if step.verb == "package" {
			continue
		}
		keys, err := step.read(l)
		if err != nil {
			return nil, false, fmt.Errorf("sources.txt:%d: %w", step.line, err)
		}
		for _, key := range keys {
			at, known := index[key.path]
			switch {
			case !known:
				index[key.path] = len(all)
				all = append(all, key)
			case all[at].json == "any":
				all[at].json = key.json
			}
		}
	}
	return all, true, nil
}

func (s step) read(l *loader) ([]key, error) {
	ofType := s.verb == "struct" || s.verb == "args"
	if ofType && len(s.words) != 2 {
		return nil, fmt.Errorf("step %s: expected a package and a type", s.verb)
	}
	if !ofType && len(s.words) != 3 {
		return nil, fmt.Errorf("step %s: expected a package, a function and a variable", s.verb)
	}
	switch s.verb {
	case "struct", "args":
		of, err := l.lookup(s.words[0], s.words[1])
		if err != nil {
			return nil, err
		}
		if s.verb == "args" {
			return l.walkArgs(of)
		}
		return l.walkStruct("", of, nil)
	case "index":
		return l.walkIndex(s.words[0], s.words[1], s.words[2])
	case "paths":
		return l.walkPaths(s.words[0], s.words[1], s.words[2])
	case "files":
		return l.walkFiles(s.words[0], s.words[1], s.words[2])
	}
	return nil, fmt.Errorf("step %s is unknown", s.verb)
}
