package guide

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the blocks of the guide's text to testdata")

// blockFiles names the guide's code blocks, in their order.
var blockFiles = []string{"routes.go.txt", "socket.go.txt", "browser.js", "origin.go.txt", "close.go.txt"}

// root returns the repository's root.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// block returns the committed copy of a block.
func block(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks finds the code in the guide's text, which has no marks around it: a paragraph of prose starts with a capital
// letter, a paragraph of code never does. Paragraphs of code that follow each other are one block.
func blocks(text string) []string {
	var found []string
	inside := false
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		first := strings.TrimLeft(paragraph, "\n")
		switch isCode := first != "" && (first[0] < 'A' || first[0] > 'Z'); {
		case isCode && inside:
			found[len(found)-1] += "\n" + paragraph + "\n"
		case isCode:
			found = append(found, paragraph+"\n")
			inside = true
		default:
			inside = false
		}
	}
	return found
}

// TestBlocksAreTheGuides compares the committed blocks with the guide's text, where that is at hand.
func TestBlocksAreTheGuides(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "..", "shared", "guide.txt"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("the guide's text is not beside the repository: the committed blocks stand alone")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	found := blocks(string(text))
	if len(found) != len(blockFiles) {
		t.Fatalf("the guide has %d code blocks, want %d:\n%s", len(found), len(blockFiles), strings.Join(found, "----\n"))
	}
	for i, name := range blockFiles {
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name), []byte(found[i]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := block(t, name); got != found[i] {
			t.Errorf("testdata/%s is not the guide's block:\n%s\nthe guide has\n%s", name, got, found[i])
		}
	}
}
