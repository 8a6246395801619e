package main

import (
	"golazy.dev/lazywebsocket"
)

// A testCase is one connection: what the peer is told to offer, or to accept,
// what we want, and what must come of it.
type testCase struct {
	name string
	// peer is what the peer's options say. Nil is the package's own default.
	peer *peerOptions
	ours lazywebsocket.CompressionOptions
	// fragment makes both sides send messages in pieces.
	fragment bool
	// repeats sends one message many times in place of the corpus.
	repeats bool
	// offer is what the client must offer, and answer the parameters of the
	// server's answer; by the peer's name, or for both.
	offer, answer map[string]string
	// skip names peers that cannot do this, with the reason.
	skip map[string]string
}

// peerOptions are the parameters of RFC 7692, 7.1, by their names there.
type peerOptions struct {
	ServerNoTakeover bool `json:"server_no_context_takeover,omitempty"`
	ClientNoTakeover bool `json:"client_no_context_takeover,omitempty"`
	ServerBits       int  `json:"server_max_window_bits,omitempty"`
	// ClientBits is a number, true for the parameter without a value (a client's
	// offer only), or false for an offer without the parameter.
	ClientBits any `json:"client_max_window_bits,omitempty"`
}

const (
	both       = "both"
	ws         = "ws"
	websockets = "websockets"
)

var (
	// Whole windows, which is what most programs have.
	whole = lazywebsocket.CompressionOptions{MemoryPerConn: 64 << 10}
	// The same with the smallest messages compressed too.
	all   = lazywebsocket.CompressionOptions{MemoryPerConn: 64 << 10, MinSize: -1}
	alone = lazywebsocket.CompressionOptions{DisableTakeover: true}

	no8 = map[string]string{websockets: "the package refuses a compressor with a window of 8 bits, which zlib does not have"}
)

// serverCases are those with our server. Our default holds a window of 12 bits
// for what it receives.
var serverCases = []testCase{
	{name: "defaults", answer: map[string]string{both: "client_max_window_bits=12"}},
	{
		name: "whole windows", peer: &peerOptions{ClientBits: true}, ours: whole,
		answer: map[string]string{both: ""},
	},
	{
		name: "level 9, all sizes", peer: &peerOptions{ClientBits: true},
		ours:   lazywebsocket.CompressionOptions{MemoryPerConn: 64 << 10, MinSize: -1, Level: 9},
		answer: map[string]string{both: ""},
	},
	{
		name: "server window 8", peer: &peerOptions{ServerBits: 8, ClientBits: true}, ours: all,
		answer: map[string]string{both: "server_max_window_bits=8"},
	},
	{
		name: "server window 9", peer: &peerOptions{ServerBits: 9, ClientBits: true},
		answer: map[string]string{both: "server_max_window_bits=9; client_max_window_bits=12"},
	},
	{
		name: "server window 9, level 6", peer: &peerOptions{ServerBits: 9, ClientBits: true},
		ours:   lazywebsocket.CompressionOptions{MemoryPerConn: 64 << 10, Level: 6},
		answer: map[string]string{both: "server_max_window_bits=9"},
	},
	{
		name: "server window 12", peer: &peerOptions{ServerBits: 12, ClientBits: true}, ours: all,
		answer: map[string]string{both: "server_max_window_bits=12"},
	},
	{
		name: "server window 15", peer: &peerOptions{ServerBits: 15, ClientBits: true},
		answer: map[string]string{both: "server_max_window_bits=15; client_max_window_bits=12"},
	},
	{
		name: "client window 8", peer: &peerOptions{ClientBits: 8}, ours: all, skip: no8,
		answer: map[string]string{both: "client_max_window_bits=8"},
	},
	{
		name: "client window 9", peer: &peerOptions{ClientBits: 9},
		answer: map[string]string{both: "client_max_window_bits=9"},
	},
	{
		name: "client window 12", peer: &peerOptions{ClientBits: 12}, ours: whole,
		answer: map[string]string{both: "client_max_window_bits=12"},
	},
	{
		name: "client window 15", peer: &peerOptions{ClientBits: 15},
		answer: map[string]string{both: "client_max_window_bits=12"},
	},
	{
		name: "client window not offered", peer: &peerOptions{ClientBits: false},
		answer: map[string]string{both: "client_no_context_takeover"},
	},
	{
		name: "client window not offered, whole windows", peer: &peerOptions{ClientBits: false}, ours: whole,
		answer: map[string]string{both: ""},
	},
	{
		name: "server without takeover", peer: &peerOptions{ServerNoTakeover: true, ClientBits: true}, ours: all,
		answer: map[string]string{both: "server_no_context_takeover"},
	},
	{
		name: "client without takeover", peer: &peerOptions{ClientNoTakeover: true, ClientBits: true}, ours: all,
		answer: map[string]string{both: "client_no_context_takeover"},
	},
	{
		name: "all four", peer: &peerOptions{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 10, ClientBits: 10},
		answer: map[string]string{both: "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=10"},
	},
	{
		name: "we want no takeover", ours: alone,
		answer: map[string]string{both: "server_no_context_takeover; client_no_context_takeover"},
	},
	{
		name: "we want 9 bits", ours: lazywebsocket.CompressionOptions{WindowBits: 9}, peer: &peerOptions{ServerBits: 11, ClientBits: 11},
		answer: map[string]string{both: "server_max_window_bits=9; client_max_window_bits=9"},
	},
	{
		name: "fragments", peer: &peerOptions{ClientBits: true}, ours: all, fragment: true,
		answer: map[string]string{both: ""},
	},
	{
		name: "fragments, small windows", peer: &peerOptions{ServerBits: 9, ClientBits: 9}, fragment: true,
		answer: map[string]string{both: "server_max_window_bits=9; client_max_window_bits=9"},
	},
	{
		name: "fragments without takeover", peer: &peerOptions{ServerNoTakeover: true, ClientNoTakeover: true}, ours: all, fragment: true,
		answer: map[string]string{both: "server_no_context_takeover; client_no_context_takeover"},
	},
	// One message over and over shows whose windows live on.
	{name: "repeats", repeats: true, answer: map[string]string{both: "client_max_window_bits=12"}},
	{
		name: "repeats, server without takeover", peer: &peerOptions{ServerNoTakeover: true, ClientBits: true}, repeats: true, ours: all,
		answer: map[string]string{both: "server_no_context_takeover"},
	},
	{
		name: "repeats, client without takeover", peer: &peerOptions{ClientNoTakeover: true, ClientBits: true}, repeats: true, ours: all,
		answer: map[string]string{both: "client_no_context_takeover"},
	},
}

// What our client offers: with the default memory, which holds a window of 12
// bits, it asks a server that cannot keep to that to go without takeover.
var (
	ourDefault = map[string]string{both: "permessage-deflate; server_max_window_bits=12; client_max_window_bits, " +
		"permessage-deflate; server_no_context_takeover; client_max_window_bits"}
	ourWhole = map[string]string{both: "permessage-deflate; client_max_window_bits"}
	ourAlone = map[string]string{both: "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"}
)

// clientCases are those with our client.
var clientCases = []testCase{
	{name: "defaults", offer: ourDefault, answer: map[string]string{
		ws:         "server_max_window_bits=12",
		websockets: "server_max_window_bits=12; client_max_window_bits=12",
	}},
	{name: "whole windows", peer: &peerOptions{}, ours: whole, offer: ourWhole, answer: map[string]string{both: ""}},
	{name: "all sizes", peer: &peerOptions{}, ours: all, offer: ourWhole, answer: map[string]string{both: ""}},
	{
		name: "server window 9", peer: &peerOptions{ServerBits: 9}, offer: ourDefault,
		answer: map[string]string{both: "server_max_window_bits=9"},
	},
	{
		// The answer may say what was not offered (RFC 7692, 7.1.2.1).
		name: "server window 9, whole windows", peer: &peerOptions{ServerBits: 9}, ours: all, offer: ourWhole,
		answer: map[string]string{both: "server_max_window_bits=9"},
	},
	{
		name: "server window 12", peer: &peerOptions{ServerBits: 12}, offer: ourDefault,
		answer: map[string]string{both: "server_max_window_bits=12"},
	},
	{
		// The package ws does not make its window smaller, and takes the second offer.
		name: "server window 15", peer: &peerOptions{ServerBits: 15}, offer: ourDefault,
		answer: map[string]string{
			ws:         "server_no_context_takeover; server_max_window_bits=15",
			websockets: "server_max_window_bits=12",
		},
	},
	{
		name: "client window 8", peer: &peerOptions{ClientBits: 8}, ours: all, offer: ourWhole,
		answer: map[string]string{both: "client_max_window_bits=8"},
	},
	{
		name: "client window 9", peer: &peerOptions{ClientBits: 9}, offer: ourDefault,
		answer: map[string]string{both: "server_max_window_bits=12; client_max_window_bits=9"},
	},
	{
		name: "client window 12", peer: &peerOptions{ClientBits: 12}, ours: all, offer: ourWhole,
		answer: map[string]string{both: "client_max_window_bits=12"},
	},
	{
		name: "client window 15", peer: &peerOptions{ClientBits: 15}, offer: ourDefault,
		answer: map[string]string{both: "server_max_window_bits=12; client_max_window_bits=15"},
	},
	{
		name: "server without takeover", peer: &peerOptions{ServerNoTakeover: true}, ours: all, offer: ourWhole,
		answer: map[string]string{both: "server_no_context_takeover"},
	},
	{
		name: "client without takeover", peer: &peerOptions{ClientNoTakeover: true}, ours: all, offer: ourWhole,
		answer: map[string]string{both: "client_no_context_takeover"},
	},
	{name: "we want no takeover", ours: alone, offer: ourAlone, answer: map[string]string{
		ws:         "server_no_context_takeover; client_no_context_takeover",
		websockets: "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12",
	}},
	{
		name: "we want 8 bits", peer: &peerOptions{}, ours: lazywebsocket.CompressionOptions{WindowBits: 8},
		answer: map[string]string{both: "server_no_context_takeover; client_no_context_takeover; client_max_window_bits=8"},
	},
	{
		name: "we want 9 bits", peer: &peerOptions{}, ours: lazywebsocket.CompressionOptions{WindowBits: 9},
		answer: map[string]string{both: "server_max_window_bits=9; client_max_window_bits=9"},
	},
	{
		name: "we want 12 bits, all sizes", peer: &peerOptions{},
		ours:   lazywebsocket.CompressionOptions{WindowBits: 12, MinSize: -1},
		answer: map[string]string{both: "server_max_window_bits=12; client_max_window_bits=12"},
	},
	{
		name: "level 9", peer: &peerOptions{}, offer: ourWhole,
		ours:   lazywebsocket.CompressionOptions{MemoryPerConn: 64 << 10, Level: 9},
		answer: map[string]string{both: ""},
	},
	{
		name: "level 6, 9 bits", peer: &peerOptions{ClientBits: 9}, offer: ourDefault,
		ours:   lazywebsocket.CompressionOptions{Level: 6},
		answer: map[string]string{both: "server_max_window_bits=12; client_max_window_bits=9"},
	},
	{name: "fragments", peer: &peerOptions{}, ours: all, fragment: true, offer: ourWhole, answer: map[string]string{both: ""}},
	{
		name: "fragments, small windows", peer: &peerOptions{ServerBits: 9, ClientBits: 9}, fragment: true, offer: ourDefault,
		answer: map[string]string{both: "server_max_window_bits=9; client_max_window_bits=9"},
	},
	{
		name: "fragments without takeover", peer: &peerOptions{}, ours: alone, fragment: true, offer: ourAlone,
		answer: map[string]string{both: "server_no_context_takeover; client_no_context_takeover"},
	},
	// One message over and over shows whose windows live on.
	{name: "repeats", peer: &peerOptions{}, repeats: true, offer: ourDefault, answer: map[string]string{both: "server_max_window_bits=12"}},
	{
		name: "repeats, server without takeover", peer: &peerOptions{ServerNoTakeover: true}, repeats: true, ours: all,
		answer: map[string]string{both: "server_no_context_takeover"},
	},
	{
		name: "repeats, client without takeover", peer: &peerOptions{ClientNoTakeover: true}, repeats: true, ours: all,
		answer: map[string]string{both: "client_no_context_takeover"},
	},
}
