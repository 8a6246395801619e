package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	deflateName      = "permessage-deflate"
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverWindowBits = "server_max_window_bits"
	clientWindowBits = "client_max_window_bits"
)

// params are an extension's parameters; a missing value is "".
type params map[string]string

// parseExtensions reads header values as these peers write them: without quoted
// values. Anything that is not permessage-deflate, and any parameter that RFC
// 7692 does not have or forbids, is an error.
func parseExtensions(lines []string) ([]params, error) {
	var out []params
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			p, err := parseExtension(element)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func parseExtension(element string) (params, error) {
	fields := strings.Split(element, ";")
	if name := strings.TrimSpace(fields[0]); name != deflateName {
		return nil, fmt.Errorf("extension %q", name)
	}
	p := params{}
	for _, field := range fields[1:] {
		name, value, valued := strings.Cut(strings.TrimSpace(field), "=")
		if _, twice := p[name]; twice {
			return nil, fmt.Errorf("%s twice", name)
		}
		bits, err := strconv.Atoi(value)
		number := err == nil && bits >= 8 && bits <= 15 && strconv.Itoa(bits) == value
		switch name {
		case serverNoTakeover, clientNoTakeover:
			if valued {
				return nil, fmt.Errorf("%s has a value", name)
			}
		case serverWindowBits:
			if !number {
				return nil, fmt.Errorf("%s is %q", name, value)
			}
		case clientWindowBits:
			if valued && !number {
				return nil, fmt.Errorf("%s is %q", name, value)
			}
		default:
			return nil, fmt.Errorf("parameter %q", name)
		}
		p[name] = value
	}
	return p, nil
}

// bits returns a parameter's number, and 0 for none.
func (p params) bits(name string) int {
	n, _ := strconv.Atoi(p[name]) // parseExtension has looked at it
	return n
}

func (p params) has(name string) bool {
	_, ok := p[name]
	return ok
}

// allowed reports, by an error, why the answer is none to the offer (RFC 7692,
// 7.1.1 and 7.1.2).
func allowed(offer, answer params) error {
	switch {
	case offer.has(serverNoTakeover) && !answer.has(serverNoTakeover):
		return errors.New(serverNoTakeover + " was offered and is not in the answer")
	case offer.has(serverWindowBits) && !answer.has(serverWindowBits):
		return errors.New(serverWindowBits + " was offered and is not in the answer")
	case offer.has(serverWindowBits) && answer.bits(serverWindowBits) > offer.bits(serverWindowBits):
		return errors.New(serverWindowBits + " is larger than offered")
	case answer.has(clientWindowBits) && !offer.has(clientWindowBits):
		return errors.New(clientWindowBits + " was not offered")
	case answer.has(clientWindowBits) && answer.bits(clientWindowBits) == 0:
		return errors.New(clientWindowBits + " has no value in the answer")
	case offer.bits(clientWindowBits) > 0 && answer.bits(clientWindowBits) > offer.bits(clientWindowBits):
		return errors.New(clientWindowBits + " is larger than offered")
	}
	return nil
}

// checkNegotiation judges what went over the wire.
func checkNegotiation(offered, answered []string) error {
	offers, err := parseExtensions(offered)
	if err != nil {
		return fmt.Errorf("offer %w", err)
	}
	answers, err := parseExtensions(answered)
	if err != nil {
		return fmt.Errorf("answer %w", err)
	}
	if len(offers) == 0 || len(answers) != 1 {
		return fmt.Errorf("%d offers and %d answers, want offers and one answer", len(offers), len(answers))
	}
	var reasons []error
	for _, offer := range offers {
		err := allowed(offer, answers[0])
		if err == nil {
			return nil
		}
		reasons = append(reasons, err)
	}
	return fmt.Errorf("no offer of %q allows the answer %q: %w", offered, answered, errors.Join(reasons...))
}
