package http3_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
)

// A handler that answers an extended CONNECT without upgrading it answers a request like
// any other, with 200 as well.
func TestOrdinaryAnswers(t *testing.T) {
	for path, begin := range map[string]func(http.ResponseWriter){
		"/":       func(http.ResponseWriter) {},
		"/header": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"/flush":  func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"/both":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK); w.(http.Flusher).Flush() },
		"/404":    func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound); w.(http.Flusher).Flush() },
	} {
		bubble(t, path, func(t *testing.T) {
			c := newWorld(t, plain(func(w http.ResponseWriter, _ *http.Request) error {
				w.Header().Set("Trailer", "X-Trailer")
				begin(w)
				_, err := w.Write([]byte("hello"))
				w.Header().Set("X-Trailer", "bye")
				return err
			})).client(1 << 20)
			stream, resp, err := c.do(request(path, nil))
			must(t, err)
			b, err := io.ReadAll(stream)
			if string(b) != "hello" || err != nil || (resp.StatusCode == 404) != (path == "/404") {
				t.Errorf("%s %q %v", resp.Status, b, err)
			}
			if path == "/404" && resp.Trailer.Get("X-Trailer") != "bye" {
				t.Errorf("trailer %v", resp.Trailer)
			}
			time.Sleep(time.Second) // the end has come, STOP_SENDING may be behind it
			_, err = stream.Write([]byte("x"))
			wantCode(t, err, http3.ErrCodeNoError) // nobody has read, and nobody will
		})
	}
}

// What a handler leaves unfinished on a stream that was taken over is reset; what it
// leaves to others ends with it.
func TestUnfinished(t *testing.T) {
	for name, write := range map[string]func(*testing.T, http.ResponseWriter){
		"deadline": func(t *testing.T, w http.ResponseWriter) {
			control := http.NewResponseController(w)
			must(t, control.SetWriteDeadline(time.Time{}))
			must(t, control.SetWriteDeadline(time.Now().Add(time.Second)))
			if n, err := w.Write(make([]byte, 1<<20)); n == 0 || n == 1<<20 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d %v", n, err)
			}
		},
		"goroutine": func(t *testing.T, w http.ResponseWriter) {
			go func() {
				if _, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, lazywebsocket.ErrHandlerReturned) {
					t.Errorf("inside: %v", err)
				}
				if _, err := w.Write([]byte("x")); !errors.Is(err, lazywebsocket.ErrHandlerReturned) {
					t.Errorf("write: %v", err)
				}
				if err := http.NewResponseController(w).Flush(); !errors.Is(err, lazywebsocket.ErrHandlerReturned) {
					t.Errorf("flush: %v", err)
				}
				w.WriteHeader(http.StatusTeapot)
			}()
			synctest.Wait() // it is stuck
		},
	} {
		bubble(t, name, func(t *testing.T) {
			c := newWorld(t, plain(func(w http.ResponseWriter, _ *http.Request) error {
				w.WriteHeader(http.StatusOK)
				must(t, http.NewResponseController(w).Flush())
				write(t, w)
				return nil
			})).client(20_000)
			stream, _, err := c.do(request("/", nil))
			if err == nil { // the reset has not overtaken the answer
				time.Sleep(2 * time.Second)
				_, err = io.ReadAll(stream)
			}
			wantCode(t, err, http3.ErrCodeRequestCanceled)
		})
	}
}

// A connection that was closed wants nothing more of the client, however long its handler
// goes on.
func TestClosedStopsReading(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		done := make(chan struct{})
		c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			err = conn.NetConn().Close()
			<-done
			return err
		})).client(1 << 20)
		s := c.socket("/")
		time.Sleep(time.Second)
		_, err := s.Write([]byte("x"))
		wantCode(t, err, http3.ErrCodeNoError)
		close(done)
		s.wantEnd()
	})
}
