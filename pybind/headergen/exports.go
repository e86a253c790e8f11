package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// export is one function that C calls.
type export struct{ name, result, parameters string }

// exportTypes are the C types of what an export may take and return.
var exportTypes = map[string]string{
	"int32":  "int32_t ",
	"int64":  "int64_t ",
	"uint32": "uint32_t ",
	"uint64": "uint64_t ",
}

// writeExports lists the exports of the bridge, except for ft_abi, which C asks before it trusts the others.
func writeExports(b *bytes.Buffer, dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	b.WriteString("\n/* pybind/bridge: name, result, parameters */\n#define FT_EXPORTS(X)")
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			e, err := exportOf(declaration)
			if err != nil {
				return fmt.Errorf("%s: %w", filepath.Base(path), err)
			}
			if e != nil && e.name != "ft_abi" {
				fmt.Fprintf(b, " \\\n\tX(%s, %s, (%s))", e.name, e.result, e.parameters)
			}
		}
	}
	b.WriteString("\n")
	return nil
}

// exportOf is the export that a declaration makes, or nil.
func exportOf(declaration ast.Decl) (*export, error) {
	f, ok := declaration.(*ast.FuncDecl)
	if !ok || !isExported(f) {
		return nil, nil
	}
	e := &export{name: f.Name.Name, result: "void"}
	if results := f.Type.Results; results != nil {
		c, ok := exportTypes[goType(results.List[0].Type)]
		if !ok || results.NumFields() != 1 {
			return nil, fmt.Errorf("%s has to return nothing or one integer", e.name)
		}
		e.result = strings.TrimSpace(c)
	}
	var parameters []string
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			c, err := parameterType(name.Name, goType(field.Type))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.name, err)
			}
			parameters = append(parameters, c+name.Name)
		}
	}
	e.parameters = strings.Join(parameters, ", ")
	return e, nil
}

func isExported(f *ast.FuncDecl) bool {
	if f.Doc == nil {
		return false
	}
	for _, comment := range f.Doc.List {
		if comment.Text == "//export "+f.Name.Name {
			return true
		}
	}
	return false
}

// parameterType: a pointer with the name self is the caller's waiter, any other a lock.
func parameterType(name, goType string) (string, error) {
	switch c, ok := exportTypes[goType]; {
	case ok:
		return c, nil
	case goType == "unsafe.Pointer" && name == "self":
		return "struct ft_waiter *", nil
	case goType == "unsafe.Pointer":
		return "void *", nil
	}
	return "", fmt.Errorf("no C type for the parameter %s %s", name, goType)
}

// goType spells the types that may occur; what it does not know has no C type either.
func goType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return goType(e.X) + "." + e.Sel.Name
	}
	return fmt.Sprintf("%T", e)
}
