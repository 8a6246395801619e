// Command gen writes the description of gorilla/websocket's exported API that
// the test in conformance/api compares with. Run it from the module's root:
//
//	go run ./conformance/api/gen
//
// It asks the module proxy for the pinned version, outside of this module, so
// that gorilla never becomes a dependency.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golazy.dev/conformance/api"
)

const (
	module  = "github.com/gorilla/websocket"
	version = "v1.5.3"
	out     = "conformance/api/gorilla-" + version + ".txt"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := download()
	if err != nil {
		return err
	}
	pkg, err := api.Load(dir)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	comment := "The exported API of " + module + " " + version + ".\n" +
		"Made by: go run ./conformance/api/gen"
	return errors.Join(api.Write(f, comment, api.Describe(pkg)), f.Close())
}

// download fetches the pinned version into the module cache and returns where
// it lies there. The checksum database vouches for the content.
func download() (dir string, err error) {
	tmp, err := os.MkdirTemp("", "gorilla-api")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // an empty directory in the system's temporary one
	cmd := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	cmd.Stderr = os.Stderr
	answer, runErr := cmd.Output() // fails with an answer that says why
	var info struct{ Dir, Error string }
	if err := json.Unmarshal(answer, &info); err != nil {
		return "", fmt.Errorf("go mod download: %w", errors.Join(runErr, err))
	}
	if info.Error != "" {
		return "", fmt.Errorf("go mod download: %s", info.Error)
	}
	return info.Dir, nil
}
