package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// children are what the test binary does as another process, by the value of the
// variable SQLITE_TEST_CHILD.
var children = map[string]func(path string) error{
	"publish": publishChild,
	"hold":    holdChild,
	"full":    fullChild,
}

func TestMain(m *testing.M) {
	if do := children[os.Getenv("SQLITE_TEST_CHILD")]; do != nil {
		if err := do(os.Getenv("SQLITE_TEST_PATH")); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child starts the test binary as another process.
func child(t *testing.T, what, path string, env ...string) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "SQLITE_TEST_CHILD="+what, "SQLITE_TEST_PATH="+path)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd, out
}

// keepAll is a retention that keeps all messages of a test.
var keepAll = lazyrealtime.Retention{Messages: 1 << 20}

// killedOptions make a log that is always indexing.
var killedOptions = Options{Backlog: 300, Topics: 10}

const killedTopics = 40

// publishChild publishes until it is killed, and says what was acknowledged.
func publishChild(path string) error {
	l, err := Open(context.Background(), path, killedOptions)
	if err != nil {
		return err
	}
	round := os.Getenv("SQLITE_TEST_ROUND")
	for p := range 32 {
		go func() {
			for i := 0; ; i++ {
				e := lazyrealtime.Entry{
					Topic: fmt.Sprint("t", rand.IntN(killedTopics)), ID: fmt.Sprint(round, ".", p, ".", i), Keep: keepAll,
				}
				e.Data = []byte("data of " + e.ID)
				done, err := l.Append(context.Background(), []lazyrealtime.Entry{e})
				if err != nil {
					fmt.Println("error:", err)
					return
				}
				// One write, so that a line is whole or not there.
				_, _ = fmt.Fprintf(os.Stdout, "%s %s %d\n", e.Topic, e.ID, done[0].Position.Offset)
			}
		}()
	}
	select {}
}

// ack is an acknowledgement that was seen.
type ack struct {
	topic, id string
	off       uint64
}

// What was acknowledged before a kill -9 is there, once and where it was said to be,
// and nothing is there twice.
func TestKill(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	var acked []ack
	rounds := 6
	if raced {
		rounds = 2
	}
	for round := range rounds {
		cmd, out := child(t, "publish", path, fmt.Sprint("SQLITE_TEST_ROUND=", round))
		lines := bufio.NewScanner(out)
		until := len(acked) + 300 + rand.IntN(3000)
		var kill sync.Once
		for lines.Scan() {
			var a ack
			if _, err := fmt.Sscan(lines.Text(), &a.topic, &a.id, &a.off); err != nil {
				t.Fatalf("the child said %q", lines.Text())
			}
			acked = append(acked, a)
			if len(acked) >= until {
				kill.Do(func() { go killAfter(cmd, time.Duration(rand.IntN(3000))*time.Microsecond) })
			}
		}
		_ = cmd.Wait()
		wantAcked(t, path, acked)
	}
	t.Logf("%d messages were acknowledged", len(acked))
}

func killAfter(cmd *exec.Cmd, d time.Duration) {
	<-time.After(d) // another moment of the transaction each time
	_ = cmd.Process.Kill()
}

func wantAcked(t *testing.T, path string, acked []ack) {
	t.Helper()
	l, err := Open(t.Context(), path, killedOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	there := make(map[ack]bool)
	ids := make(map[string]bool)
	for n := range killedTopics {
		name := fmt.Sprint("t", n)
		for i, m := range readAll(t, l, name) {
			if m.Position.Offset != uint64(i+1) || string(m.Data) != "data of "+m.ID {
				t.Fatalf("message %d of %s: %+v", i+1, name, m)
			}
			if ids[m.ID] {
				t.Fatalf("%s is there twice", m.ID)
			}
			ids[m.ID] = true
			there[ack{name, m.ID, m.Position.Offset}] = true
		}
	}
	for _, a := range acked {
		if !there[a] {
			t.Fatalf("%+v was acknowledged, and is not there", a)
		}
	}
	for _, a := range acked[max(0, len(acked)-50):] {
		got := mustAppend(t, l, lazyrealtime.Entry{Topic: a.topic, ID: a.id, Keep: keepAll})
		if !got.Duplicate || got.Position.Offset != a.off {
			t.Fatalf("%+v again: %+v", a, got)
		}
	}
}

// readAll returns all messages of a topic.
func readAll(t *testing.T, l *Log, topic string) (list []*lazyrealtime.Message) {
	t.Helper()
	after := lazyrealtime.Position{}
	for {
		page, err := l.Read(t.Context(), topic, after, 500)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page.Messages...)
		if len(page.Messages) == 0 {
			return list
		}
		after = list[len(list)-1].Position
	}
}

// holdChild opens a log and keeps it.
func holdChild(path string) error {
	if _, err := Open(context.Background(), path, Options{}); err != nil {
		return err
	}
	fmt.Println("open")
	select {}
}

// A log that another process has cannot be opened, until that process dies.
func TestInUseElsewhere(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	cmd, out := child(t, "hold", path)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "open" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	wantInUse(t, path)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	openTest(t, path, Options{})
}
