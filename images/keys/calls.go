package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"sort"
	"strconv"
)

// walkArgs gives the keys of CNI_ARGS that a struct takes. types.LoadArgs finds a field by its Go name, so letters
// count.
func (l *loader) walkArgs(of types.Type) ([]key, error) {
	structure, ok := of.Underlying().(*types.Struct)
	if !ok {
		return nil, fmt.Errorf("type %s is no struct", of)
	}
	var keys []key
	for index := range structure.NumFields() {
		field := structure.Field(index)
		if field.Anonymous() {
			inner, err := l.walkArgs(field.Type())
			if err != nil {
				return nil, err
			}
			keys = append(keys, inner...)
			continue
		}
		json, _, err := l.typeOf(field.Type())
		if err != nil {
			return nil, err
		}
		at := join("CNI_ARGS", field.Name())
		keys = append(keys, key{at, json, l.place(field.Pos()), []string{"exact-case"}, field})
	}
	return keys, nil
}

// keySet collects keys that are read by name, each at its first place.
type keySet map[string]key

func (s keySet) add(name, json, place string) {
	if old, ok := s[name]; !ok || (old.json == "any" && json != "any") {
		if ok {
			place = old.place
		}
		s[name] = key{path: join("", name), json: json, place: place, flags: []string{"exact-case"}}
	}
}

func (s keySet) list() []key {
	var keys []key
	for _, one := range s {
		keys = append(keys, one)
	}
	sort.Slice(keys, func(a, b int) bool { return keys[a].path < keys[b].path })
	return keys
}

// walkIndex gives the keys with which a function indexes a map of its own: `raw["name"]`, and `read("name")` where
// `read` is a function in it that indexes the map with its parameter. The type of a key is that of the assertion on
// what was found.
func (l *loader) walkIndex(folder, name, variable string) ([]key, error) {
	function, err := l.function(folder, name)
	if err != nil {
		return nil, err
	}
	keys := keySet{}
	closures := map[string]bool{}
	variables := map[string]string{}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IndexExpr:
			if isIdent(node.X, variable) {
				if text, ok := literal(node.Index); ok {
					keys.add(text, "any", l.place(node.Pos()))
				}
			}
		case *ast.AssignStmt:
			closure, ok := node.Rhs[0].(*ast.FuncLit)
			if left, isName := node.Lhs[0].(*ast.Ident); ok && isName && indexes(closure.Body, variable) {
				closures[left.Name] = true
			}
			if index, ok := node.Rhs[0].(*ast.IndexExpr); ok && isIdent(index.X, variable) {
				left, isName := node.Lhs[0].(*ast.Ident)
				if text, ok := literal(index.Index); ok && isName {
					variables[left.Name] = text
				}
			}
		case *ast.CallExpr:
			if called, ok := node.Fun.(*ast.Ident); ok && closures[called.Name] && len(node.Args) == 1 {
				if text, ok := literal(node.Args[0]); ok {
					keys.add(text, "boolean|text", l.place(node.Pos()))
				}
			}
		case *ast.TypeAssertExpr:
			if from, ok := node.X.(*ast.Ident); ok && node.Type != nil && variables[from.Name] != "" {
				keys.add(variables[from.Name], assertedType(node.Type), l.place(node.Pos()))
			}
		}
		return true
	})
	return keys.list(), nil
}

// walkPaths gives the keys that a function reads from a gabs container by `Path`, `S` or `Exists`.
func (l *loader) walkPaths(folder, name, variable string) ([]key, error) {
	function, err := l.function(folder, name)
	if err != nil {
		return nil, err
	}
	keys := keySet{}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			if text, ok := pathOf(node, variable); ok {
				keys.add(text, "any", l.place(node.Pos()))
			}
		case *ast.TypeAssertExpr:
			// plugin.Path("key").Data().(string)
			if data, ok := node.X.(*ast.CallExpr); ok && node.Type != nil {
				if selector, ok := data.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "Data" {
					if inner, ok := selector.X.(*ast.CallExpr); ok {
						if text, ok := pathOf(inner, variable); ok {
							keys.add(text, assertedType(node.Type), l.place(node.Pos()))
						}
					}
				}
			}
		}
		return true
	})
	return keys.list(), nil
}

// walkFiles gives the names of files that a function joins to a folder: keys of a ConfigMap that is mounted there.
func (l *loader) walkFiles(folder, name, variable string) ([]key, error) {
	function, err := l.function(folder, name)
	if err != nil {
		return nil, err
	}
	keys := keySet{}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 || !isIdent(call.Args[0], variable) {
			return true
		}
		if selector, ok := call.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "Join" {
			if text, ok := literal(call.Args[1]); ok {
				keys.add(text, "string", l.place(call.Pos()))
			}
		}
		return true
	})
	return keys.list(), nil
}

func pathOf(call *ast.CallExpr, variable string) (string, bool) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isIdent(selector.X, variable) || len(call.Args) != 1 {
		return "", false
	}
	switch selector.Sel.Name {
	case "Path", "S", "Exists":
		return literal(call.Args[0])
	}
	return "", false
}

func assertedType(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		switch of.Name {
		case "string":
			return "string"
		case "bool":
			return "boolean"
		}
	case *ast.ArrayType:
		return "[any]"
	}
	return "any"
}

func indexes(body *ast.BlockStmt, variable string) bool {
	found := false
	ast.Inspect(body, func(node ast.Node) bool {
		if index, ok := node.(*ast.IndexExpr); ok && isIdent(index.X, variable) {
			found = true
		}
		return !found
	})
	return found
}

func isIdent(expression ast.Expr, name string) bool {
	ident, ok := expression.(*ast.Ident)
	return ok && ident.Name == name
}

func literal(expression ast.Expr) (string, bool) {
	basic, ok := expression.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}
