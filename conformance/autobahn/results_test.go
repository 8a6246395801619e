package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestReadIndex(t *testing.T) {
	results, err := readIndex("testdata")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]result{
		"1.1.1": {ok, 2 * time.Millisecond, "lazywebsocket_case_1_1_1.json"},
		"6.4.1": {nonStrict, 2002 * time.Millisecond, "lazywebsocket_case_6_4_1.json"},
		"7.1.6": {informational, 11 * time.Millisecond, "lazywebsocket_case_7_1_6.json"},
	}
	for id := range want {
		if results[id] != want[id] {
			t.Errorf("case %s: got %v, want %v", id, results[id], want[id])
		}
	}
	if len(results) != len(want) {
		t.Errorf("%d cases, want %d", len(results), len(want))
	}
}

func TestParseIndexRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":         ``,
		"no agent":      `{}`,
		"another agent": `{"gorilla": {"1.1.1": {"behavior": "OK", "behaviorClose": "OK"}}}`,
		"two agents":    `{"lazywebsocket": {}, "gorilla": {}}`,
		"no outcome":    `{"lazywebsocket": {"1.1.1": {"behavior": "OK"}}}`,
		"cut off":       `{"lazywebsocket": {"1.1.1": {"behavior": "OK", "behaviorClose": "OK"}`,
	} {
		if got, err := parseIndex([]byte(text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
	if got, err := readIndex(t.TempDir()); err == nil {
		t.Errorf("no index: got %v, want an error", got)
	}
}

// Whatever type the suite gives a field, a failure is explained with the rest.
func TestReadCaseReportOfOtherTypes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	text := `{"description": 7, "received": [["message", "x"]], "remoteCloseCode": "none", "resultClose": "as expected"}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := readCaseReport(path)
	if err != nil || report.ResultClose != "as expected" || string(report.Received) != `[["message", "x"]]` {
		t.Errorf("got %+v, %v", report, err)
	}
	if err := os.WriteFile(path, []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if report, err := readCaseReport(path); err == nil {
		t.Errorf("HTML: got %+v, want an error", report)
	}
}

// Reports of an earlier run must not pass for those of this one.
func TestMakeReportDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports", "server")
	for range 2 {
		if err := makeReportDir(dir); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"index.json", "lazywebsocket_case_1_1_1.json", "notes.txt"} {
			_, err := os.Stat(filepath.Join(dir, name))
			if stays := name == "notes.txt"; err == nil && !stays {
				t.Errorf("%s was left", name)
			}
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := makeReportDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
		t.Error("a file that is not ours was removed")
	}
}
