// Package views holds the templates.
package views

import (
	"embed"
	"html/template"
)

//go:embed *.html
var files embed.FS

// Templates are the views by file name.
var Templates = template.Must(template.ParseFS(files, "*.html"))
