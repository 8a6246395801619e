// Command compare reads what two runs of programs' tests left, one on gorilla
// and one on lazywebsocket, prints a table, and fails when a test that passes on
// gorilla does not pass on lazywebsocket and is not expected to. It is the last
// step of conformance/programs/run.sh.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

func main() {
	logs := flag.String("logs", "", "directory with NAME.gorilla.json, NAME.ours.json and NAME.version")
	expectations := flag.String("expectations", "", "file of expected failures")
	flag.Parse()
	if err := run(os.Stdout, *logs, *expectations, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// run compares the programs, each named as NAME=MODULE@VERSION.
func run(out io.Writer, logs, expectations string, programs []string) error {
	expected, err := readExpectations(expectations)
	if err != nil {
		return err
	}
	var reports []report
	for _, p := range programs {
		name, module, _ := strings.Cut(p, "=")
		r, err := compareProgram(os.DirFS(logs), name, expected)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.module = module
		reports = append(reports, r)
	}
	var text strings.Builder
	bad := 0
	for _, r := range reports {
		for _, line := range append(r.notes, r.broken...) {
			fmt.Fprintln(&text, line)
		}
		bad += len(r.broken)
	}
	columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err1 := io.WriteString(columns, table(reports))
	err2 := columns.Flush()
	_, err3 := io.WriteString(out, text.String())
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d differences that are not expected", bad)
	}
	return nil
}

func compareProgram(logs fs.FS, name string, expected map[test]string) (report, error) {
	gorilla, err1 := readLog(logs, name+".gorilla.json")
	ours, err2 := readLog(logs, name+".ours.json")
	version, err3 := fs.ReadFile(logs, name+".version")
	if err := errors.Join(err1, err2, err3); err != nil {
		return report{}, err
	}
	r := compare(name, gorilla, ours, expected)
	r.version = strings.TrimSpace(string(version))
	return r, nil
}

func readLog(logs fs.FS, name string) (results, error) {
	b, err := fs.ReadFile(logs, name)
	if err != nil {
		return nil, err
	}
	return parse(bytes.NewReader(b))
}

func readExpectations(path string) (map[test]string, error) {
	b, err := fs.ReadFile(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	return parseExpectations(bytes.NewReader(b))
}
