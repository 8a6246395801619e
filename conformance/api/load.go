package api

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
)

// Load parses and type-checks the package in the directory dir, with the files
// that a build for this platform would take and without its tests. What it
// imports is read from source as well, so nothing has to be compiled before.
func Load(dir string) (*types.Package, error) {
	ctx := &build.Default
	// The importer reads build.Default. Without cgo it need not run the cgo tool
	// for net; the exported API is the same.
	ctx.CgoEnabled = false
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	found, err := ctx.ImportDir(abs, 0)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range found.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(abs, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	var errs []error
	conf := types.Config{
		Importer: importer.ForCompiler(fset, "source", nil),
		Error:    func(err error) { errs = append(errs, err) },
	}
	pkg, err := conf.Check(found.Name, fset, files, nil)
	if err != nil {
		return nil, fmt.Errorf("api: %s does not type-check: %w", dir, errors.Join(errs...))
	}
	return pkg, nil
}
