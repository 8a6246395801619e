// Package views holds the templates.
package views

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golazy.dev/examples/chat/app/realtime"
)

//go:embed *.html
var files embed.FS

var functions = template.FuncMap{
	"clock":     clock,
	"dict":      dict,
	"follows":   follows,
	"initial":   initial,
	"machine":   machine,
	"noMessage": func() realtime.Message { return realtime.Message{} },
	"noPerson":  func() realtime.Person { return realtime.Person{} },
	"noRoom":    func() realtime.Room { return realtime.Room{} },
}

// Each page is the layout with its own blocks.
var pages = func() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(functions).ParseFS(files, "layout.html", "parts.html"))
	pages := make(map[string]*template.Template)
	for _, name := range []string{"login", "rooms", "room", "door", "often"} {
		pages[name] = template.Must(template.Must(shared.Clone()).ParseFS(files, name+".html"))
	}
	return pages
}()

// Render writes a page.
func Render(w io.Writer, name string, data any) error {
	page, ok := pages[name]
	if !ok {
		return fmt.Errorf("views: no page %q", name)
	}
	return page.ExecuteTemplate(w, "layout", data)
}

// follows reports whether the i-th message stands below another of the same author, a few minutes later at most, so that
// its author need not be named again. The page's script does the same.
func follows(messages []realtime.Message, i int) bool {
	if i == 0 {
		return false
	}
	m, before := messages[i], messages[i-1]
	return m.From == before.From && m.Name == before.Name && m.At.Sub(before.At) < 5*time.Minute
}

// initial is the letter in the circle that stands for somebody.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	if r == utf8.RuneError {
		return ""
	}
	return string(unicode.ToUpper(r))
}

// clock is a time for people, until a script says it in their own zone; machine is the same for the script.
func clock(t time.Time) string   { return t.UTC().Format("2 Jan 15:04 UTC") }
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// dict gives a template more than one value.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a key without a value")
	}
	values := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: the key %v is no string", pairs[i])
		}
		values[key] = pairs[i+1]
	}
	return values, nil
}
