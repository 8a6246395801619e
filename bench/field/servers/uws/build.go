// Package uws builds the benchmark's C++ server on uWebSockets, from the sources
// that a crate of crates.io has with it. It needs cargo, gcc and g++, and the
// network once.
package uws

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

const crate = "libuwebsockets-sys"

// Version is uWebSockets' commit, as the crate of version 0.0.10 has it.
const Version = "the sources in the crate libuwebsockets-sys 0.0.10"

//go:embed cpp/server.cpp
var server []byte

//go:embed cpp/Cargo.toml
var manifest []byte

// Path is where the built server is, in the user's cache. Another server.cpp or
// another crate has another path.
func Path() (string, error) {
	cache, err := os.UserCacheDir()
	sum := sha256.Sum256(append(append([]byte{}, server...), manifest...))
	return filepath.Join(cache, "golazy-bench", "uwebsockets-"+hex.EncodeToString(sum[:6])), err
}

// Built reports whether it has been built.
func Built() bool {
	path, err := Path()
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

// Build builds it; what the tools say goes to log.
func Build(ctx context.Context, log io.Writer) (err error) {
	path, err := Path()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "uwebsockets")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := builder{ctx: ctx, dir: dir, log: log}
	sources, err := b.fetch()
	if err != nil {
		return err
	}
	if err := b.compile(sources); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return copyFile(path, filepath.Join(dir, "server"))
}

type builder struct {
	ctx context.Context //nolint:containedctx // one build
	dir string
	log io.Writer
}

func (b builder) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, name, args...) //nolint:gosec // cargo and compilers, on files of the crate
	cmd.Dir, cmd.Stderr = b.dir, b.log
	return cmd
}

// fetch has cargo fetch the crate, and returns the directory of uWebSockets.
func (b builder) fetch() (string, error) {
	err := errors.Join(
		os.WriteFile(filepath.Join(b.dir, "Cargo.toml"), manifest, 0o600),
		os.WriteFile(filepath.Join(b.dir, "lib.rs"), nil, 0o600),
		os.WriteFile(filepath.Join(b.dir, "server.cpp"), server, 0o600),
	)
	if err != nil {
		return "", err
	}
	out, err := b.command("cargo", "metadata", "--format-version", "1").Output()
	if err != nil {
		return "", fmt.Errorf("uws: cargo metadata: %w", err)
	}
	var metadata struct {
		Packages []struct {
			Name string
			Path string `json:"manifest_path"`
		}
	}
	if err := json.Unmarshal(out, &metadata); err != nil {
		return "", err
	}
	for _, p := range metadata.Packages {
		if p.Name == crate {
			return filepath.Join(filepath.Dir(p.Path), "uWebSockets"), nil
		}
	}
	return "", errors.New("uws: cargo does not know " + crate)
}

// compile makes the program "server".
func (b builder) compile(sources string) error {
	sockets := filepath.Join(sources, "uSockets", "src")
	files, err := filepath.Glob(filepath.Join(sockets, "*.c"))
	if err != nil {
		return err
	}
	files = append(files, filepath.Join(sockets, "eventing", "epoll_kqueue.c"), filepath.Join(sockets, "crypto", "openssl.c"))
	include := []string{"-I" + filepath.Join(sources, "src"), "-I" + sockets}
	common := append([]string{"-O3", "-flto=auto", "-DLIBUS_NO_SSL", "-DUWS_NO_ZLIB", "-w"}, include...)
	c := b.command("gcc", append(append(common, "-std=c11", "-D_GNU_SOURCE", "-c"), files...)...)
	if err := c.Run(); err != nil {
		return fmt.Errorf("uws: gcc: %w", err)
	}
	objects, err := filepath.Glob(filepath.Join(b.dir, "*.o"))
	if err != nil {
		return err
	}
	args := append(append([]string{}, common...), "-std=c++20", "-pthread", "-o", "server", "server.cpp")
	if err := b.command("g++", append(args, objects...)...).Run(); err != nil {
		return fmt.Errorf("uws: g++: %w", err)
	}
	return nil
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from) //nolint:gosec // a file of the build
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o700) //nolint:gosec // a program
}
