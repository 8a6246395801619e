package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const aboutConform = `
Tries whether a server keeps the rules of RFC 6455 and RFC 7692: its answers to
handshakes, messages in every form, and what a hostile client may send. The URL is
of an endpoint that sends each message back, as lazyws serve does, and that takes
messages of 64 KiB.

A trial is ok; weak, when the connection ends as it must but without the Close
frame that says why; or FAILED. One that has failed makes the exit code 1. What
concerns compression is tried where the server agrees to compress.`

// conformOptions are the flags of lazyws conform.
type conformOptions struct {
	connectOptions
	only string
	all  bool
}

func parseConform(p *program, args []string) (*conformOptions, error) {
	o := &conformOptions{connectOptions: connectOptions{maxMessage: 16 << 20}}
	f := newFlagSet(p, "conform", " URL", aboutConform)
	o.handshakeFlags(f)
	f.StringVar(&o.only, "only", "", "`prefix` of the names of the trials to do")
	f.BoolVar(&o.all, "v", false, "print the trials that are ok, too")
	f.DurationVar(&o.timeout, "timeout", 5*time.Second, "time for a trial")
	rest, err := f.parse(args)
	switch {
	case err != nil:
		return nil, err
	case o.timeout <= 0:
		return nil, usagef("-timeout is more than 0")
	}
	return o, o.setURL(rest)
}

// A trial is one thing that a server must do.
type trial struct {
	name    string // group/what, for -only
	section string
	run     func(ctx context.Context, o *conformOptions) error
}

// errWeak is returned by a trial when the connection has ended, as it must, without
// saying why: RFC 6455 7.1.7 asks for a Close frame, as far as one can be sent.
var errWeak = errors.New("the connection ended without a Close frame")

// atOnce is how many trials are under way: most of the time of one that fails is
// waiting.
const atOnce = 8

// runConform is lazyws conform.
func runConform(ctx context.Context, p *program, args []string) error {
	o, err := parseConform(p, args)
	if err != nil {
		return err
	}
	compresses, err := o.compresses(ctx) // says what the server answered, before every trial fails for it
	if err != nil {
		return err
	}
	trials := slices.Concat(handshakeTrials, frameTrials(), closeTrials())
	if compresses {
		trials = append(trials, deflateTrials()...)
	}
	trials = slices.DeleteFunc(trials, func(t trial) bool { return !strings.HasPrefix(t.name, o.only) })
	if len(trials) == 0 {
		return usagef("no trial has a name that begins with %q", o.only)
	}
	return o.report(ctx, p.out, trials, o.try(ctx, trials), compresses)
}

// try does the trials, and returns a channel for each result, in their order.
func (o *conformOptions) try(ctx context.Context, trials []trial) []chan error {
	results := make([]chan error, len(trials))
	for i := range results {
		results[i] = make(chan error, 1)
	}
	places := make(chan struct{}, atOnce)
	go func() {
		for i, t := range trials {
			places <- struct{}{}
			go func() {
				ctx, cancel := context.WithTimeout(ctx, o.timeout)
				defer cancel()
				results[i] <- t.run(ctx, o)
				<-places
			}()
		}
	}()
	return results
}

// report prints the results as they come, and returns an error if any trial failed.
func (o *conformOptions) report(ctx context.Context, w io.Writer, trials []trial, results []chan error, compresses bool) error {
	var ok, weak, failed int
	for i, t := range trials {
		verdict, why := "ok", ""
		switch err := <-results[i]; {
		case ctx.Err() != nil:
			return fmt.Errorf("broken off after %d of %d trials", i, len(trials))
		case err == nil:
			ok++
		case errors.Is(err, errWeak):
			weak++
			verdict, why = "weak", ": "+err.Error()
		default:
			failed++
			verdict, why = "FAILED", ": "+plain(err.Error())
		}
		if verdict == "ok" && !o.all {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-6s  %s (%s)%s\n", verdict, t.name, t.section, why); err != nil {
			return err
		}
	}
	note := ""
	if !compresses {
		note = "; the server does not compress"
	}
	if _, err := fmt.Fprintf(w, "%d trials: %d ok, %d weak, %d failed%s\n", len(trials), ok, weak, failed, note); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d trials failed", failed, len(trials))
	}
	return nil
}

// compresses reports whether the server takes up an offer to compress.
func (o *conformOptions) compresses(ctx context.Context) (bool, error) {
	offering := o.connectOptions
	offering.compress = true
	conn, response, err := offering.handshake(ctx)
	if err != nil {
		return false, err
	}
	_ = conn.Close()
	return strings.Contains(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate"), nil
}

// request returns the header lines of a handshake that is as it should be.
func (o *conformOptions) request() http.Header {
	h := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Key": {requestKey}, "Sec-Websocket-Version": {"13"},
	}
	for name, values := range o.headers {
		h[name] = values
	}
	if len(o.subprotocols) > 0 {
		h.Set("Sec-WebSocket-Protocol", o.subprotocols.String())
	}
	return h
}

// The key of RFC 6455's example (1.3), and its answer.
const (
	requestKey = "dGhlIHNhbXBsZSBub25jZQ=="
	acceptKey  = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)
