package proxies_test

import (
	"bufio"
	"bytes"
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

// oldest is the first revision whose data and messages every later one promises to
// understand: the one that wrote the golden files in the directories testdata.
const oldest = "e5316bfc71e91d097d226562a93d9e332a59817e"

// version is a build of the project.
type version struct {
	name   string
	lazyws string
	node   string // testdata/node; empty where there is no source to build it with
}

// oldVersion is what $OLD says, a program lazyws, or else built from the oldest
// revision, once for all tests.
var oldVersion = sync.OnceValues(func() (version, error) {
	v := version{name: "old", lazyws: os.Getenv("OLD")}
	if v.lazyws == "" {
		return fromHistory()
	}
	same, err := sameFile(v.lazyws, shared.lazyws)
	if err == nil && same {
		err = fmt.Errorf("$OLD is this very version: %s", v.lazyws)
	}
	return v, err
})

// fromHistory builds the oldest revision, in a directory of its own: the repository is
// only read.
func fromHistory() (version, error) {
	tree := filepath.Join(shared.dir, "oldest")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return version{}, err
	}
	var said bytes.Buffer
	archive := exec.Command("git", "archive", "--format=tar", oldest)
	archive.Dir, archive.Stderr = filepath.Join("..", ".."), &said
	tar, err := archive.Output()
	if err != nil {
		return version{}, fmt.Errorf("no revision %.7s to build the old version from: %w: %s"+
			"a shallow clone gets it with: git fetch --unshallow; elsewhere name a program that was built before: OLD=/path/to/lazyws conformance/proxies/run.sh",
			oldest, err, &said)
	}
	unpack := exec.Command("tar", "x", "-C", tree)
	unpack.Stdin = bytes.NewReader(tar)
	if out, err := unpack.CombinedOutput(); err != nil {
		return version{}, fmt.Errorf("unpacking %.7s: %w\n%s", oldest, err, out)
	}
	v := version{name: "old", lazyws: filepath.Join(shared.dir, "lazyws-old")}
	if err := build(tree, ".", v.lazyws); err != nil {
		return v, err
	}
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
