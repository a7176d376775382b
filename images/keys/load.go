package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
)

// loader type-checks packages of one module's release. Packages of modules that are not `needed` are empty: what is
// wrong about them is no error here, unless a key has a type of theirs.
type loader struct {
	*shared
	main     *module
	needed   map[string]*module
	packages map[string]*pkg
}

// shared is what the loaders of all modules and releases have in common.
type shared struct {
	files    *token.FileSet
	standard types.Importer
	modules  modules
}

// pkg is a package with its syntax. One that was not read has no files.
type pkg struct {
	module *module
	files  []*ast.File
	types  *types.Package
	info   *types.Info
}

func newShared() *shared {
	build.Default.CgoEnabled = false
	files := token.NewFileSet()
	return &shared{files, importer.ForCompiler(files, "source", nil), modules{}}
}

// newLoader prepares reading a module, with the modules that its types need at the versions that it requires.
func (s *shared) newLoader(path, version string, needs []string) (*loader, error) {
	main, err := s.modules.get(path, version)
	if err != nil {
		return nil, err
	}
	needed := map[string]*module{path: main}
	for _, need := range needs {
		version, ok := main.requires[need]
		if !ok {
			return nil, fmt.Errorf("module %s@%s: go.mod does not require %s", path, main.Version, need)
		}
		if needed[need], err = s.modules.get(need, version); err != nil {
			return nil, err
		}
	}
	return &loader{s, main, needed, map[string]*pkg{}}, nil
}

// dirOf finds the folder of a package in the modules that are read.
func (l *loader) dirOf(path string) (*module, string) {
	for _, module := range l.needed {
		if path == module.Path || strings.HasPrefix(path, module.Path+"/") {
			return module, filepath.Join(module.Dir, strings.TrimPrefix(path, module.Path))
		}
	}
	return nil, ""
}

// importPath makes an import path of a folder of the main module; other import paths stay.
func (l *loader) importPath(folder string) string {
	if first, _, _ := strings.Cut(folder, "/"); strings.Contains(first, ".") {
		return folder
	}
	return l.main.Path + "/" + folder
}

// has says whether the main module or a needed one has a package.
func (l *loader) has(path string) bool {
	_, dir := l.dirOf(path)
	_, err := os.Stat(dir)
	return dir != "" && err == nil
}

// Import makes the loader an importer for itself.
func (l *loader) Import(path string) (*types.Package, error) {
	loaded, err := l.load(path)
	if err != nil {
		return nil, err
	}
	return loaded.types, nil
}

func (l *loader) load(path string) (*pkg, error) {
	if found, ok := l.packages[path]; ok {
		return found, nil
	}
	module, dir := l.dirOf(path)
	if module == nil || !l.has(path) {
		return l.loadOther(path), nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	loaded := &pkg{module: module, info: &types.Info{
		Defs:  map[*ast.Ident]types.Object{},
		Uses:  map[*ast.Ident]types.Object{},
		Types: map[ast.Expr]types.TypeAndValue{},
	}}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if matches, err := build.Default.MatchFile(dir, name); err != nil || !matches {
			continue
		}
		file, err := parser.ParseFile(l.files, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		loaded.files = append(loaded.files, file)
	}
	// Broken off circles: a package that imports itself sees an empty one.
	l.packages[path] = l.loadOther(path)
	config := types.Config{Importer: l, FakeImportC: true, Error: func(error) {}, Sizes: types.SizesFor("gc", "amd64")}
	loaded.types, _ = config.Check(path, l.files, loaded.files, loaded.info)
	l.packages[path] = loaded
	return loaded, nil
}

// loadOther gives a package of the standard library, or an empty one in the place of one that is not read.
func (l *loader) loadOther(path string) *pkg {
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		if found, err := l.standard.Import(path); err == nil {
			return &pkg{types: found}
		}
	}
	name := path[strings.LastIndex(path, "/")+1:]
	empty := types.NewPackage(path, name)
	empty.MarkComplete()
	return &pkg{types: empty}
}

// lookup finds a type of a package: the first that is there of `New|Old`.
func (l *loader) lookup(folder, name string) (types.Type, error) {
	loaded, err := l.load(l.importPath(folder))
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Split(name, "|") {
		if object := loaded.types.Scope().Lookup(name); object != nil {
			return object.Type(), nil
		}
	}
	return nil, fmt.Errorf("%s@%s: package %s has no type %s", l.main.Path, l.main.Version, folder, name)
}

// function finds a function of a package: the first that is there of `New|Old`.
func (l *loader) function(folder, name string) (*ast.FuncDecl, error) {
	loaded, err := l.load(l.importPath(folder))
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Split(name, "|") {
		for _, file := range loaded.files {
			for _, declaration := range file.Decls {
				function, ok := declaration.(*ast.FuncDecl)
				if ok && function.Name.Name == name && function.Recv == nil {
					return function, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("%s@%s: package %s has no function %s", l.main.Path, l.main.Version, folder, name)
}

// place says where something stands: file and line in the main module, with module and version in another.
func (l *loader) place(at token.Pos) string {
	position := l.files.Position(at)
	for _, module := range l.needed {
		if file, ok := strings.CutPrefix(position.Filename, module.Dir+string(filepath.Separator)); ok {
			if module == l.main {
				return fmt.Sprintf("%s:%d", filepath.ToSlash(file), position.Line)
			}
			return fmt.Sprintf("%s@%s/%s:%d", module.Path, module.Version, filepath.ToSlash(file), position.Line)
		}
	}
	return "go/" + filepath.Base(filepath.Dir(position.Filename)) + "/" + filepath.Base(position.Filename)
}
