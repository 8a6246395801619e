package lazycontroller_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"

	"golazy.dev/lazycontroller"
)

func ExampleError() {
	show := func(id string) error {
		if id != "lobby" {
			return lazycontroller.Error(http.StatusNotFound, fmt.Errorf("room %q: %w", id, fs.ErrNotExist))
		}
		return nil
	}

	err := show("attic")
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// 404 not found: room "attic": file does not exist
	// true
}

func ExampleStatusCode() {
	fmt.Println(lazycontroller.StatusCode(fmt.Errorf("save: %w", lazycontroller.Error(http.StatusConflict, nil))))
	fmt.Println(lazycontroller.StatusCode(errors.New("disk full")))
	fmt.Println(lazycontroller.StatusCode(nil))
	// Output:
	// 409
	// 500
	// 200
}

func ExampleRespond() {
	r := httptest.NewRequest(http.MethodGet, "/rooms/attic", nil)
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()

	lazycontroller.Respond(w, r, lazycontroller.Error(http.StatusNotFound, errors.New("only the log sees this")))

	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	fmt.Print(w.Body)
	// Output:
	// 404 application/problem+json
	// {"type":"about:blank","title":"Not Found","status":404}
}
