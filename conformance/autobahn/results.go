package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// agent is the name that the library has in the suite's reports.
const agent = "lazywebsocket"

// result is what the suite's index says of one case.
type result struct {
	outcome
	Duration   time.Duration
	ReportFile string
}

// readIndex reads index.json of a finished run: the results by case.
func readIndex(dir string) (map[string]result, error) {
	path := filepath.Join(dir, "index.json")
	data, err := os.ReadFile(path) //nolint:gosec // G304: in the report directory.
	if err != nil {
		return nil, fmt.Errorf("the suite wrote no index: %w", err)
	}
	results, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return results, nil
}

func parseIndex(data []byte) (map[string]result, error) {
	var index map[string]map[string]struct {
		Behavior      string `json:"behavior"`
		BehaviorClose string `json:"behaviorClose"`
		Duration      int64  `json:"duration"` // Milliseconds.
		ReportFile    string `json:"reportfile"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, err
	}
	cases, ok := index[agent]
	if !ok || len(index) != 1 {
		return nil, fmt.Errorf("the index is not about %s alone, but about %d agents", agent, len(index))
	}
	out := make(map[string]result, len(cases))
	for id, c := range cases {
		if c.Behavior == "" || c.BehaviorClose == "" {
			return nil, fmt.Errorf("case %s has no outcome", id)
		}
		out[id] = result{
			outcome:    outcome{c.Behavior, c.BehaviorClose},
			Duration:   time.Duration(c.Duration) * time.Millisecond,
			ReportFile: c.ReportFile,
		}
	}
	return out, nil
}

// caseReport is the part of a case's own report that explains a failure.
type caseReport struct {
	Description       string          `json:"description"`
	Expectation       string          `json:"expectation"`
	Result            string          `json:"result"`
	ResultClose       string          `json:"resultClose"`
	Expected          json.RawMessage `json:"expected"`
	Received          json.RawMessage `json:"received"`
	ExpectedClose     json.RawMessage `json:"expectedClose"`
	WasClean          bool            `json:"wasClean"`
	WasNotCleanReason string          `json:"wasNotCleanReason"`
	RemoteCloseCode   *int            `json:"remoteCloseCode"`
	RemoteCloseReason string          `json:"remoteCloseReason"`
}

func readCaseReport(path string) (caseReport, error) {
	data, err := os.ReadFile(path) //nolint:gosec // G304: in the report directory.
	if err != nil {
		return caseReport{}, err
	}
	var r caseReport
	// A field of another type than usual leaves that field out, no more: the
	// report explains a failure that has been found already.
	if err := json.Unmarshal(data, &r); err != nil {
		var wrongType *json.UnmarshalTypeError
		if !errors.As(err, &wrongType) {
			return caseReport{}, err
		}
	}
	return r, nil
}
