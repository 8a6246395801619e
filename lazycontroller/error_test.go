package lazycontroller_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"golazy.dev/lazycontroller"
)

func TestStatusCode(t *testing.T) {
	cause := errors.New("boom")
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nil", nil, 200},
		{"plain", cause, 500},
		{"first client error", lazycontroller.Error(400, cause), 400},
		{"last server error", lazycontroller.Error(599, cause), 599},
		{"unregistered", lazycontroller.Error(499, cause), 499},
		{"no cause", lazycontroller.Error(404, nil), 404},
		{"zero", lazycontroller.Error(0, cause), 500},
		{"negative", lazycontroller.Error(-404, cause), 500},
		{"success", lazycontroller.Error(200, cause), 500},
		{"redirect", lazycontroller.Error(302, cause), 500},
		{"just below", lazycontroller.Error(399, cause), 500},
		{"just above", lazycontroller.Error(600, cause), 500},
		{"wrapped", fmt.Errorf("show: %w", lazycontroller.Error(403, cause)), 403},
		{"outermost counts", lazycontroller.Error(404, lazycontroller.Error(500, cause)), 404},
		{"outermost through wrapping", lazycontroller.Error(409, fmt.Errorf("x: %w", lazycontroller.Error(400, nil))), 409},
		{"joined", errors.Join(cause, lazycontroller.Error(410, nil)), 410},
		{"by hand", &lazycontroller.StatusError{Status: 418}, 418},
		{"by hand, zero", &lazycontroller.StatusError{}, 500},
		{"by hand, out of range", &lazycontroller.StatusError{Status: 204}, 500},
		{"typed nil", (*lazycontroller.StatusError)(nil), 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := lazycontroller.StatusCode(tt.err); got != tt.want {
				t.Errorf("StatusCode = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestErrorIsTransparent(t *testing.T) {
	err := fmt.Errorf("outer: %w", lazycontroller.Error(404, &fs.PathError{Op: "open", Path: "/x", Err: io.ErrUnexpectedEOF}))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("errors.Is does not reach the cause")
	}
	var path *fs.PathError
	if !errors.As(err, &path) || path.Path != "/x" {
		t.Errorf("errors.As found %v", path)
	}
	var status *lazycontroller.StatusError
	if !errors.As(err, &status) || status.Status != 404 {
		t.Errorf("errors.As found %v", status)
	}
	if got := errors.Unwrap(lazycontroller.Error(404, io.EOF)); got != io.EOF { //nolint:errorlint // identity is what is tested
		t.Errorf("Unwrap = %v", got)
	}
	if got := errors.Unwrap(lazycontroller.Error(404, nil)); got != nil {
		t.Errorf("Unwrap of no cause = %v", got)
	}
	if errors.Is(lazycontroller.Error(404, nil), io.EOF) {
		t.Error("an error without a cause is io.EOF")
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{lazycontroller.Error(404, errors.New("no such room")), "404 not found: no such room"},
		{lazycontroller.Error(404, nil), "404 not found"},
		{lazycontroller.Error(499, nil), "499 error"},
		{lazycontroller.Error(200, errors.New("x")), "500 internal server error: x"},
		{&lazycontroller.StatusError{}, "500 internal server error"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
