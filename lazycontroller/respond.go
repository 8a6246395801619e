package lazycontroller

import (
	"net/http"
	"strconv"
	"strings"
)

// Respond answers r with the status of err, as [StatusCode] reads it. A nil err
// writes nothing.
//
// The body is plain text, HTML, or problem details (application/problem+json,
// RFC 9457), whichever the Accept fields of r prefer, by weight and then by
// order. Without an Accept field, and for a bare "*/*", it is text; browsers
// get HTML; whoever asks for application/json or any other type that ends in
// +json gets problem details. A HEAD request gets the header only.
//
// The body holds the status and its standard text. Nothing of err but its
// status is ever sent; logging err is the caller's part.
//
// Fields of the header that describe content not sent now (its length, coding,
// validators, range, disposition) are deleted. Others stay, so that Allow,
// Retry-After or WWW-Authenticate can be set before. The response is not to be
// stored, nor its type guessed, by anyone.
//
// Respond writes the header, so nothing may have been written to w before.
func Respond(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	status := StatusCode(err)
	contentType, body := render(negotiate(strings.Join(r.Header.Values("Accept"), ",")), status)

	h := w.Header()
	for _, name := range contentFields {
		h.Del(name)
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	varyByAccept(h)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// A client that has gone is nobody to tell.
		_, _ = w.Write([]byte(body))
	}
}

// contentFields are what an action may have said of the content that the error
// replaces.
var contentFields = [...]string{
	"Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
	"Content-Location", "Content-Range", "Etag", "Expires", "Last-Modified", "Repr-Digest",
}

// render returns the representation of a status in a format. Status texts need
// no escaping in any of them.
func render(f format, status int) (contentType, body string) {
	text := statusText(status)
	code := strconv.Itoa(status)
	contentType = mediaTypes[f].exact
	switch f {
	case formatProblem:
		// "about:blank" says that the title is the status text and that there is
		// nothing more to know (RFC 9457, 4.2.1). JSON has no charset parameter.
		return contentType, `{"type":"about:blank","title":"` + text + `","status":` + code + "}\n"
	case formatHTML:
		title := code + " " + text
		body = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>" +
			title + "</title></head>\n<body><h1>" + title + "</h1></body>\n</html>\n"
	case formatText:
		body = text + "\n"
	}
	return contentType + "; charset=utf-8", body
}

// varyByAccept adds Accept to the Vary field, once.
func varyByAccept(h http.Header) {
	for _, value := range h.Values("Vary") {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.TrimSpace(name)
			if name == "*" || strings.EqualFold(name, "Accept") {
				return
			}
		}
	}
	h.Add("Vary", "Accept")
}
