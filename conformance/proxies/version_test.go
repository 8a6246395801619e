package proxies_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// version is a build of the project.
type version struct {
	name   string
	lazyws string
	node   string // testdata/node; empty where there is no source to build it with
}

// oldVersion is what $OLD says, a program lazyws, or else built from the oldest
// version whose data and messages every later one promises to understand: revision
// e5316bf, which wrote the golden files in the directories testdata. Once for all tests.
var oldVersion = sync.OnceValues(func() (version, error) {
	v := version{name: "old", lazyws: os.Getenv("OLD")}
	if v.lazyws == "" {
		return fromSources()
	}
	same, err := sameFile(v.lazyws, shared.lazyws)
	if err == nil && same {
		err = fmt.Errorf("$OLD is this very version: %s", v.lazyws)
	}
	return v, err
})

// fromSources builds the oldest version, in a directory of its own, from its sources,
// which are kept here because not every copy of this repository has its history:
//
//	git archive --format=tar REVISION go.mod go.sum FILES | gzip -9n >testdata/oldest.tar.gz
//
// where the files are those that cmd/lazyws is built from.
func fromSources() (version, error) {
	tree := filepath.Join(shared.dir, "oldest")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return version{}, err
	}
	unpack := exec.Command("tar", "xzf", filepath.Join("testdata", "oldest.tar.gz"), "-C", tree)
	if out, err := unpack.CombinedOutput(); err != nil {
		return version{}, fmt.Errorf("unpacking the oldest version: %w\n%s", err, out)
	}
	v := version{name: "old", lazyws: filepath.Join(shared.dir, "lazyws-old")}
	if err := build(tree, ".", v.lazyws); err != nil {
		return v, err
	}
	var err error
	v.node, err = buildNode(tree, "node-old")
	return v, err
}

// newVersion is what is in the working tree.
var newVersion = sync.OnceValues(func() (v version, err error) {
	v = version{name: "new", lazyws: shared.lazyws}
	v.node, err = buildNode(filepath.Join("..", ".."), "node-new")
	return v, err
})

// buildNode builds testdata/node as if it were a package of a tree's cmd/lazyws, which
// has the modules that it needs.
func buildNode(tree, name string) (string, error) {
	tree, err := filepath.Abs(tree)
	if err != nil {
		return "", err
	}
	source, err := filepath.Abs(filepath.Join("testdata", "node", "main.go"))
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(tree, "cmd", "lazyws", "node", "main.go"): source},
	})
	if err != nil {
		return "", err
	}
	program := filepath.Join(shared.dir, name)
	if err := os.WriteFile(program+".json", overlay, 0o600); err != nil {
		return "", err
	}
	return program, build(tree, "./node", program, "-overlay", program+".json")
}

func sameFile(a, b string) (bool, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	y, err := os.ReadFile(b)
	return sha256.Sum256(x) == sha256.Sum256(y), err
}

// versions returns both, of which the old one may not have a node.
func versions(t *testing.T) (older, newer version) {
	t.Helper()
	began := time.Now()
	older, err := oldVersion()
	if err != nil {
		t.Fatal(err)
	}
	if newer, err = newVersion(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the versions were built in %v", time.Since(began).Round(time.Second))
	return older, newer
}

// node is testdata/node that runs.
type node struct {
	*process
	to      io.Writer
	answers *bufio.Scanner
}

func startNode(t *testing.T, v version, store string) *node {
	t.Helper()
	p := newProcess(t, v.node, store, secret)
	to, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	return &node{p, to, bufio.NewScanner(from)}
}

// do makes the node do something and returns its answer.
func (n *node) do(words ...string) string {
	n.t.Helper()
	_, _ = fmt.Fprintln(n.to, strings.Join(words, " ")) // one that has ended gives no answer
	if !n.answers.Scan() || strings.HasPrefix(n.answers.Text(), "error") {
		n.t.Fatalf("%s: %v: %q", n.name, words, n.answers.Text())
	}
	return n.answers.Text()
}
