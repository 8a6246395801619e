package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// fakeVariable makes the test binary play the suite: its value says how.
const fakeVariable = "GOLAZY_FAKE_SUITE"

// The fake suite's manners.
const (
	fakeGood      = "good"       // Every case ends well.
	fakeNonStrict = "non-strict" // The last case is NON-STRICT.
	fakeShort     = "short"      // The last case does not run.
	fakeNoIndex   = "no index"   // It ends without reports.
	fakeEmpty     = "empty"      // It finds no case to run.
	fakeMiscount  = "miscount"   // Its server offers fewer cases than it has.
	fakeCrash     = "crash"      // It says something and exits.
	fakeSilent    = "silent"     // It says nothing until its input ends.
	fakeEndless   = "endless"    // It starts and never ends by itself.
	fakeDeaf      = "deaf"       // As endless, and the end of its input does not end it.
)

// fakeLastWords are what an endless fake says when its input ends.
const fakeLastWords = "my input has ended"

var fakeCases = []string{"1.1.1", "1.1.2", "7.1.6"}

func TestMain(m *testing.M) {
	if manner := os.Getenv(fakeVariable); manner != "" {
		// Called as python is: -u wstest.py MODE SPEC.
		if err := playSuite(manner, os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, "fake suite:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fakeSuite makes the commands of this test run against the fake.
func fakeSuite(t *testing.T, manner string) {
	t.Helper()
	t.Setenv(fakeVariable, manner)
	t.Setenv(pythonVariable, os.Args[0])
	t.Setenv("GORACE", "atexit_sleep_ms=0") // Else each process takes a second to exit.
}

func playSuite(manner, mode, specFile string) error {
	switch manner {
	case fakeCrash:
		return fmt.Errorf("no module named autobahntestsuite")
	case fakeSilent:
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case fakeDeaf:
		fmt.Println("@cases", strings.Join(fakeCases, " "))
		<-time.After(time.Minute) // No longer, in case nobody kills it.
		return nil
	case fakeEmpty:
		fmt.Println("@cases")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case fakeEndless:
		fmt.Println("@cases", strings.Join(fakeCases, " "))
		_, err := io.Copy(io.Discard, os.Stdin)
		fmt.Println(fakeLastWords)
		return err
	}
	data, err := os.ReadFile(specFile)
	if err != nil {
		return err
	}
	var spec struct {
		Outdir  string
		Servers []struct{ Agent, URL string }
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	fmt.Print(strings.Repeat("some words not for us\n", 100))
	fmt.Println("@cases", strings.Join(fakeCases, " "))
	f := &fake{manner: manner, outdir: spec.Outdir, ran: map[string]bool{}}
	if mode == "fuzzingserver" {
		return f.serve()
	}
	for _, id := range fakeCases {
		if err := f.visit(spec.Servers[0].URL, id); err != nil {
			return err
		}
	}
	return f.writeIndex(spec.Servers[0].Agent)
}

type fake struct {
	manner string
	outdir string
	ran    map[string]bool
}

// visit runs one case as the fuzzing client does.
func (f *fake) visit(url, id string) error {
	conn, _, err := lazywebsocket.DefaultDialer.DialContext(context.Background(), url, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f.converse(conn, id)
}

// converse wants an echo of a text and of a large binary message, and closes.
func (f *fake) converse(conn *lazywebsocket.Conn, id string) error {
	conn.SetReadLimit(readLimit)
	for messageType, data := range map[int]string{
		lazywebsocket.TextMessage:   id,
		lazywebsocket.BinaryMessage: strings.Repeat("x", 2<<20),
	} {
		if err := conn.WriteMessage(messageType, []byte(data)); err != nil {
			return err
		}
		gotType, got, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		if gotType != messageType || string(got) != data {
			return fmt.Errorf("case %s: no echo", id)
		}
	}
	f.ran[id] = true
	return nil
}

// serve is the fuzzing server. It ends with its input.
func (f *fake) serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("@listening", listener.Addr())
	go func() { _ = http.Serve(listener, http.HandlerFunc(f.answer)) }()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	conn, err := (&lazywebsocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if err := f.command(conn, r.URL.Path, r.URL.Query()); err != nil {
		fmt.Fprintln(os.Stderr, "fake suite:", err)
	}
}

func (f *fake) command(conn *lazywebsocket.Conn, path string, query url.Values) error {
	switch path {
	case "/getCaseCount":
		n := len(fakeCases)
		if f.manner == fakeMiscount {
			n--
		}
		return conn.WriteMessage(lazywebsocket.TextMessage, []byte(strconv.Itoa(n)))
	case "/runCase":
		n, err := strconv.Atoi(query.Get("case"))
		if err != nil || n < 1 || n > len(fakeCases) {
			return fmt.Errorf("case %q", query.Get("case"))
		}
		return f.converse(conn, fakeCases[n-1])
	case "/updateReports":
		return f.writeIndex(query.Get("agent"))
	}
	return fmt.Errorf("path %q", path)
}

func (f *fake) writeIndex(agent string) error {
	if f.manner == fakeNoIndex {
		return nil
	}
	index := map[string]any{}
	for i, id := range fakeCases {
		entry := map[string]any{"behavior": "OK", "behaviorClose": "OK", "duration": 1, "reportfile": "x.json"}
		if last := i == len(fakeCases)-1; last && f.manner == fakeNonStrict {
			entry["behavior"] = "NON-STRICT"
		} else if last && f.manner == fakeShort {
			continue
		}
		if f.ran[id] {
			index[id] = entry
		}
	}
	data, err := json.Marshal(map[string]any{agent: index})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.outdir, "index.json"), data, 0o600)
}
