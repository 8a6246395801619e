// Package guide holds the proof that the guide's code blocks compile as they stand in its text and do what it says.
//
// The blocks are committed in testdata. Where the guide's text lies beside the repository, the two must agree;
// `go test ./conformance/guide -update` copies the text's blocks. The JavaScript block is run by e2e, in a browser.
package guide
