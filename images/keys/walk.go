package main

import (
	"fmt"
	"go/ast"
	"go/types"
	"reflect"
	"sort"
	"strings"
)

// key is a key that one release reads.
type key struct {
	path  string
	json  string
	place string
	// flags: exact-case, internal, unread.
	flags []string
	// field is the Go field, to look for its uses; none for a key that is read without a struct.
	field *types.Var
}

// formats has the types whose decoder reads a string as something, and the word for it in the table.
var formats = map[string]string{
	"net.IPNet": "object",
	"net.IP":    "ip",
	"github.com/containernetworking/cni/pkg/types.IPNet": "cidr",
	"github.com/containernetworking/plugins/pkg/ip.IP":   "ip|cidr",
	"encoding/json.RawMessage":                           "any",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":      "string",
}

// walkStruct gives the keys of a struct and of what is in it, as encoding/json decodes it.
func (l *loader) walkStruct(path string, of types.Type, seen []types.Type) ([]key, error) {
	for _, outer := range seen {
		if types.Identical(outer, of) {
			return nil, nil
		}
	}
	seen = append(seen, of)
	promoted, index, _ := types.LookupFieldOrMethod(of, true, nil, "UnmarshalJSON")
	if method, ok := promoted.(*types.Func); ok && len(index) > 1 {
		return nil, fmt.Errorf("type %s: an embedded type decodes it all: %s", of, method.FullName())
	}
	var keys []key
	for _, field := range fieldsOf(of) {
		at := join(path, field.name)
		json, inner, err := l.typeOf(field.Type())
		if err != nil {
			return nil, fmt.Errorf("key %s (%s): %w", at, l.place(field.Pos()), err)
		}
		if field.quoted {
			json, inner = "string", nil
		}
		keys = append(keys, key{path: at, json: json, place: l.place(field.Pos()), field: field.Var})
		if inner != nil {
			under, err := l.walkStruct(at, inner, seen)
			if err != nil {
				return nil, err
			}
			keys = append(keys, under...)
		}
	}
	return keys, nil
}

// typeOf gives the JSON type of a Go type as the table writes it, and the struct whose keys stand in it.
func (l *loader) typeOf(of types.Type) (string, types.Type, error) {
	of = types.Unalias(of)
	if pointer, ok := of.(*types.Pointer); ok {
		return l.typeOf(pointer.Elem())
	}
	if named, ok := of.(*types.Named); ok {
		object := named.Obj()
		if object.Pkg() != nil {
			if format, ok := formats[object.Pkg().Path()+"."+object.Name()]; ok {
				return format, nil, nil
			}
		}
		if method := methodOf(named, "UnmarshalJSON"); method != nil {
			decoded, err := l.decodedBy(method)
			if err != nil {
				return "", nil, err
			}
			if types.Identical(types.Unalias(decoded), named) {
				decoded = named.Underlying()
			}
			return l.typeOf(decoded)
		}
		if methodOf(named, "UnmarshalText") != nil {
			return "string", nil, nil
		}
	}
	switch under := of.Underlying().(type) {
	case *types.Basic:
		return basicType(under)
	case *types.Slice:
		if basic, ok := under.Elem().Underlying().(*types.Basic); ok && basic.Kind() == types.Byte {
			return "string", nil, nil
		}
		json, inner, err := l.typeOf(under.Elem())
		return "[" + json + "]", inner, err
	case *types.Map:
		json, inner, err := l.typeOf(under.Elem())
		if inner != nil {
			// Keys of a map are free: a path can't lead through them.
			inner = nil
		}
		return "{" + json + "}", inner, err
	case *types.Interface:
		return "any", nil, nil
	case *types.Struct:
		return "object", of, nil
	}
	return "", nil, fmt.Errorf("type %s is not supported", of)
}

func basicType(of *types.Basic) (string, types.Type, error) {
	switch {
	case of.Kind() == types.Invalid:
		return "", nil, fmt.Errorf("type is not known: its module is missing in `needs`")
	case of.Info()&types.IsBoolean != 0:
		return "boolean", nil, nil
	case of.Info()&types.IsString != 0:
		return "string", nil, nil
	case of.Info()&types.IsFloat != 0:
		return "number", nil, nil
	}
	switch of.Kind() {
	case types.Int, types.Int64:
		return "integer", nil, nil
	case types.Uint, types.Uint64:
		return "unsigned", nil, nil
	}
	return of.Name(), nil, nil
}

// methodOf finds a method of a type or of its pointer that is its own.
func methodOf(named *types.Named, name string) *types.Func {
	for index := range named.NumMethods() {
		if method := named.Method(index); method.Name() == name {
			return method
		}
	}
	return nil
}

// decodedBy gives the type that a decoder's method hands to json.Unmarshal.
func (l *loader) decodedBy(method *types.Func) (types.Type, error) {
	loaded := l.packages[method.Pkg().Path()]
	var found types.Type
	for _, file := range loaded.files {
		ast.Inspect(file, func(node ast.Node) bool {
			function, ok := node.(*ast.FuncDecl)
			if !ok {
				return true
			}
			if loaded.info.Defs[function.Name] != method {
				return false
			}
			ast.Inspect(function.Body, func(node ast.Node) bool {
				if call, ok := node.(*ast.CallExpr); ok && found == nil && isUnmarshal(call) {
					found = loaded.info.TypeOf(call.Args[1])
				}
				return true
			})
			return false
		})
	}
	if found == nil {
		return nil, fmt.Errorf("decoder %s does not call json.Unmarshal: add its type to `formats`", method.FullName())
	}
	if pointer, ok := types.Unalias(found).(*types.Pointer); ok {
		found = pointer.Elem()
	}
	return found, nil
}

func isUnmarshal(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Unmarshal" || len(call.Args) != 2 {
		return false
	}
	from, ok := selector.X.(*ast.Ident)
	return ok && from.Name == "json"
}

// jsonField is a field that encoding/json decodes, under its name.
type jsonField struct {
	*types.Var
	name   string
	tagged bool
	quoted bool
	depth  int
}

// fieldsOf gives the fields that encoding/json sees: those of embedded structs too, where no other field of the name
// is nearer to the top.
func fieldsOf(of types.Type) []jsonField {
	byName := map[string][]jsonField{}
	collectFields(of, 0, nil, byName)
	var fields []jsonField
	for _, candidates := range byName {
		if field, ok := dominant(candidates); ok {
			fields = append(fields, field)
		}
	}
	sort.Slice(fields, func(a, b int) bool { return fields[a].name < fields[b].name })
	return fields
}

func collectFields(of types.Type, depth int, seen []types.Type, byName map[string][]jsonField) {
	if pointer, ok := types.Unalias(of).(*types.Pointer); ok {
		of = pointer.Elem()
	}
	for _, outer := range seen {
		if types.Identical(outer, of) {
			return
		}
	}
	structure, ok := of.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for index := range structure.NumFields() {
		field := structure.Field(index)
		tag := reflect.StructTag(structure.Tag(index)).Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if field.Anonymous() && name == "" {
			collectFields(field.Type(), depth+1, append(seen, of), byName)
			continue
		}
		if !field.Exported() {
			continue
		}
		tagged := name != ""
		if !tagged {
			name = field.Name()
		}
		quoted := strings.Contains(","+options+",", ",string,")
		byName[name] = append(byName[name], jsonField{field, name, tagged, quoted, depth})
	}
}

// dominant chooses among fields of one name as encoding/json does; two equal ones hide each other.
func dominant(candidates []jsonField) (jsonField, bool) {
	sort.SliceStable(candidates, func(a, b int) bool {
		if candidates[a].depth != candidates[b].depth {
			return candidates[a].depth < candidates[b].depth
		}
		return candidates[a].tagged && !candidates[b].tagged
	})
	if len(candidates) > 1 && candidates[0].depth == candidates[1].depth && candidates[0].tagged == candidates[1].tagged {
		return jsonField{}, false
	}
	return candidates[0], true
}
