package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// uses has the names of fields that some code of a module reads: each name that stands behind a dot, but not where
// only a value is given to it. A field whose name is missing here is read by no code.
type uses map[string]bool

func (u uses) addModule(of *module) error {
	return filepath.WalkDir(of.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == "testdata" || name == "vendor" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		u.addFile(file)
		return nil
	})
}

func (u uses) addFile(file *ast.File) {
	written := map[*ast.SelectorExpr]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.AssignStmt:
			if node.Tok == token.ASSIGN {
				for _, left := range node.Lhs {
					if selector, ok := left.(*ast.SelectorExpr); ok {
						written[selector] = true
					}
				}
			}
		case *ast.SelectorExpr:
			if !written[node] {
				u[node.Sel.Name] = true
			}
		}
		return true
	})
}
