package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is one version of a Go module in the module cache.
type module struct {
	Path    string
	Version string
	Dir     string
	Sum     string
	// requires has the version of each module that its go.mod requires, replacements by other versions applied.
	requires map[string]string
}

// modules downloads modules by the go command, each once.
type modules map[string]*module

func (m modules) get(path, version string) (*module, error) {
	name := path + "@" + version
	if found, ok := m[name]; ok {
		return found, nil
	}
	output, err := runGo("mod", "download", "-json", name)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	found := &module{}
	if err := json.Unmarshal(output, found); err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	if err := found.readRequirements(); err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	m[name] = found
	return found, nil
}

func (m *module) readRequirements() error {
	output, err := runGo("mod", "edit", "-json", filepath.Join(m.Dir, "go.mod"))
	if err != nil {
		return err
	}
	type pair struct{ Path, Version string }
	var file struct {
		Require []pair
		Replace []struct{ Old, New pair }
	}
	if err := json.Unmarshal(output, &file); err != nil {
		return err
	}
	m.requires = map[string]string{}
	for _, require := range file.Require {
		m.requires[require.Path] = require.Version
	}
	for _, replace := range file.Replace {
		if replace.New.Path == replace.Old.Path && replace.New.Version != "" {
			m.requires[replace.Old.Path] = replace.New.Version
		}
	}
	return nil
}

// runGo runs the go command outside every module and workspace.
func runGo(arguments ...string) ([]byte, error) {
	command := exec.Command("go", arguments...)
	command.Dir = os.TempDir()
	command.Env = append(os.Environ(), "GOWORK=off", "GO111MODULE=on")
	output, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("go %s: %w: %s%s", strings.Join(arguments, " "), err, output, failed.Stderr)
	}
	return output, err
}
