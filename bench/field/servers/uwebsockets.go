package servers

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golazy.dev/bench/field/scenario"
	"golazy.dev/bench/field/servers/uws"
)

// uwebsockets is a program in C++, the fastest of other languages.
func uwebsockets() Server {
	return Server{
		Name: "uwebsockets", Setting: "C++, " + uws.Version + ", without TLS and zlib; topics for broadcasts",
		Without:     map[string]string{scenario.Queue: "it has no goroutines"},
		Unavailable: uwebsocketsMissing,
		Start:       startUWebSockets,
	}
}

func uwebsocketsMissing() string {
	if uws.Built() {
		return ""
	}
	return "it has not been built; `go run ./field -build-uwebsockets` does, with cargo, gcc and g++"
}

func startUWebSockets(Options) (*Running, error) {
	path, err := uws.Path()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path) //nolint:gosec,noctx // the program that was built; it ends with its input
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("servers: uwebsockets: %w", err)
	}
	return &Running{Addr: "127.0.0.1:" + strings.TrimSpace(port), PID: cmd.Process.Pid, Stop: stop}, nil
}
