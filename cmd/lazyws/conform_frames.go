package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golazy.dev/lazywebsocket"
)

// First bytes of frames: FIN, RSV1 to RSV3, the opcode. RFC 6455 5.2.
const (
	fin          = 0x80
	rsv1         = 0x40
	rsv2         = 0x20
	rsv3         = 0x10
	continuation = 0x0
	text         = 0x1
	binaryFrame  = 0x2
	closeFrame   = 0x8
	ping         = 0x9
	pong         = 0xa
)

// Codes with which a server may end a connection.
var (
	breach  = []int{lazywebsocket.CloseProtocolError}
	badText = []int{lazywebsocket.CloseInvalidFramePayloadData}
	// A reason that is not UTF-8 breaks the rule of texts, and that of Close frames.
	badReason = []int{lazywebsocket.CloseInvalidFramePayloadData, lazywebsocket.CloseProtocolError}
	// A length of 2^63 breaks a rule, and is too much for anybody.
	badLength = []int{lazywebsocket.CloseProtocolError, lazywebsocket.CloseMessageTooBig}
)

// frameTrials are what RFC 6455 5 and 8.1 ask of messages.
func frameTrials() []trial {
	return slices.Concat(sizeTrials(), fragmentTrials(), controlTrials(), brokenFrameTrials(), utf8Trials())
}

func textMessage(s string) message   { return message{lazywebsocket.TextMessage, s} }
func binaryMessage(s string) message { return message{lazywebsocket.BinaryMessage, s} }

// sizeTrials are messages of one frame, at the borders of the forms of a length.
func sizeTrials() []trial {
	var all []trial
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536} {
		data := strings.Repeat("*", n)
		for name, x := range map[string]exchange{
			"text":   {send: framed(fin|text, data), back: []message{textMessage(data)}},
			"binary": {send: framed(fin|binaryFrame, strings.Repeat("\xfe", n)), back: []message{binaryMessage(strings.Repeat("\xfe", n))}},
		} {
			all = append(all, trial{fmt.Sprintf("messages/%s of %d bytes", name, n), "RFC 6455 5.2", x.run})
		}
	}
	slices.SortFunc(all, func(a, b trial) int { return strings.Compare(a.name, b.name) })
	three := slices.Concat(framed(fin|text, "one"), framed(fin|binaryFrame, "two"), framed(fin|text, "three"))
	back := []message{textMessage("one"), binaryMessage("two"), textMessage("three")}
	return append(all,
		trial{"messages/three at once", "RFC 6455 5.4", exchange{send: three, back: back}.run},
		trial{"messages/byte by byte", "RFC 6455 5.4", exchange{send: three, back: back, bytewise: true}.run},
	)
}

// fragmentTrials are messages in several frames: RFC 6455 5.4.
func fragmentTrials() []trial {
	return []trial{
		comes("fragments/two", textMessage("hello"), framed(text, "hel"), framed(fin|continuation, "lo")),
		comes("fragments/binary", binaryMessage("\x00\xff"), framed(binaryFrame, "\x00"), framed(fin|continuation, "\xff")),
		comes("fragments/all empty", textMessage(""), framed(text, ""), framed(continuation, ""), framed(fin|continuation, "")),
		comes("fragments/empty in between", textMessage("hello"), framed(text, "hel"), framed(continuation, ""), framed(fin|continuation, "lo")),
		comes("fragments/a thousand", textMessage(strings.Repeat("x", 1000)),
			framed(text, "x"), bytes.Repeat(framed(continuation, "x"), 998), framed(fin|continuation, "x")),
		comes("fragments/a character in two", textMessage("κόσμε"), framed(text, "κόσμε"[:3]), framed(fin|continuation, "κόσμε"[3:])),
		{"fragments/a ping in between", "RFC 6455 5.4", exchange{
			send: slices.Concat(framed(text, "hel"), framed(fin|ping, "now"), framed(fin|continuation, "lo")),
			back: []message{textMessage("hello")}, pongs: []string{"now"},
		}.run},
		breaks("fragments/the first is missing", "RFC 6455 5.4", breach, framed(fin|continuation, "lo")),
		{"fragments/one too many", "RFC 6455 5.4", exchange{
			send: slices.Concat(framed(text, "hel"), framed(fin|continuation, "lo"), framed(fin|continuation, "!")),
			back: []message{textMessage("hello")}, fails: breach,
		}.run},
		breaks("fragments/text in text", "RFC 6455 5.4", breach, framed(text, "hel"), framed(fin|text, "lo")),
		breaks("fragments/binary in text", "RFC 6455 5.4", breach, framed(text, "hel"), framed(fin|binaryFrame, "lo")),
	}
}

// comes is a trial of frames that are a message.
func comes(name string, m message, frames ...[]byte) trial {
	return trial{name, "RFC 6455 5.4", exchange{send: slices.Concat(frames...), back: []message{m}}.run}
}

// breaks is a trial of frames that end the connection, with one of the codes.
func breaks(name, section string, codes []int, frames ...[]byte) trial {
	return trial{name, section, exchange{send: slices.Concat(frames...), fails: codes}.run}
}

// controlTrials are pings and pongs: RFC 6455 5.5.
func controlTrials() []trial {
	long := strings.Repeat("p", 125)
	return []trial{
		{"control/ping", "RFC 6455 5.5.2", exchange{send: framed(fin|ping, ""), pongs: []string{""}}.run},
		{"control/ping of 125 bytes", "RFC 6455 5.5.2", exchange{send: framed(fin|ping, long), pongs: []string{long}, bytewise: true}.run},
		{"control/ping before a message", "RFC 6455 5.5.2", exchange{
			send: slices.Concat(framed(fin|ping, "\x00\xff"), framed(fin|text, "hello")), pongs: []string{"\x00\xff"}, back: []message{textMessage("hello")},
		}.run},
		{"control/pong that nobody asked for", "RFC 6455 5.5.3", exchange{
			send: slices.Concat(framed(fin|pong, "here"), framed(fin|text, "hello")), back: []message{textMessage("hello")},
		}.run},
		breaks("control/ping of 126 bytes", "RFC 6455 5.5", breach, framed(fin|ping, long+"!")),
		breaks("control/pong of 126 bytes", "RFC 6455 5.5", breach, framed(fin|pong, long+"!")),
		breaks("control/ping in fragments", "RFC 6455 5.5", breach, framed(ping, "a"), framed(fin|continuation, "b")),
	}
}

// brokenFrameTrials are frames that no client may send.
func brokenFrameTrials() []trial {
	all := []trial{
		breaks("frames/RSV2", "RFC 6455 5.2", breach, framed(fin|rsv2|text, "x")),
		breaks("frames/RSV3", "RFC 6455 5.2", breach, framed(fin|rsv3|text, "x")),
		breaks("frames/RSV1 without compression", "RFC 6455 5.2", breach, framed(fin|rsv1|text, "x")),
		breaks("frames/RSV1 of a ping", "RFC 6455 5.2", breach, framed(fin|rsv1|ping, "x")),
		breaks("frames/without a mask", "RFC 6455 5.1", breach, []byte("\x81\x05hello")),
		breaks("frames/a ping without a mask", "RFC 6455 5.1", breach, []byte("\x89\x00")),
		breaks("frames/16 bits for a length of 5", "RFC 6455 5.2", breach, masked([]byte{fin | text, 0x80 | 126, 0, 5}, "hello")),
		breaks("frames/64 bits for a length of 5", "RFC 6455 5.2", breach,
			masked(binary.BigEndian.AppendUint64([]byte{fin | text, 0x80 | 127}, 5), "hello")),
		breaks("frames/length of 2^63", "RFC 6455 5.2", badLength,
			masked(binary.BigEndian.AppendUint64([]byte{fin | binaryFrame, 0x80 | 127}, 1<<63), "hello")),
	}
	for _, opcode := range []byte{0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		all = append(all, breaks(fmt.Sprintf("frames/opcode %d", opcode), "RFC 6455 5.2", breach, framed(fin|opcode, "x")))
	}
	return all
}

// utf8Trials are texts: RFC 6455 8.1, RFC 3629.
func utf8Trials() []trial {
	var all []trial
	for name, s := range map[string]string{
		"the largest character": "\U0010ffff", "a noncharacter": "\uffff", "NUL": "a\x00b", "around the surrogates": "\ud7ff\ue000",
	} {
		all = append(all, trial{"utf8/" + name, "RFC 6455 8.1", exchange{send: framed(fin|text, s), back: []message{textMessage(s)}}.run})
	}
	for name, s := range map[string]string{
		"a lone continuation": "a\x80b", "half of a surrogate pair": "\xed\xa0\x80", "a long form of /": "\xc0\xaf",
		"beyond the largest": "\xf4\x90\x80\x80", "a character that is cut off": "\xce\xba\xe1\xbd", "ff": "\xff", "a lead byte twice": "\xe1\xe1\x80\x80",
	} {
		all = append(all,
			breaks("utf8/"+name, "RFC 6455 8.1", badText, framed(fin|text, s)),
			breaks("utf8/"+name+", in fragments", "RFC 6455 8.1", badText, framed(text, s[:1]), framed(fin|continuation, s[1:])))
	}
	slices.SortFunc(all, func(a, b trial) int { return strings.Compare(a.name, b.name) })
	return all
}
