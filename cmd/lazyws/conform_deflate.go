package main

import (
	"bytes"
	"compress/flate"
	"slices"
	"strings"
)

// deflateTrials are compressed messages: RFC 7692. Each compressor begins anew, which
// any server must be able to read.
func deflateTrials() []trial {
	long := strings.Repeat("Over and over again. ", 3000)
	packed := deflated(long)
	comes := func(name, section string, m message, frames ...[]byte) trial {
		return trial{"deflate/" + name, section, exchange{send: slices.Concat(frames...), back: []message{m}, compress: true}.run}
	}
	breaks := func(name, section string, codes []int, frames ...[]byte) trial {
		return trial{"deflate/" + name, section, exchange{send: slices.Concat(frames...), fails: codes, compress: true}.run}
	}
	return []trial{
		comes("text", "RFC 7692 7.2.2", textMessage("hello"), framed(fin|rsv1|text, deflated("hello"))),
		comes("binary", "RFC 7692 7.2.2", binaryMessage("\x00\xff"), framed(fin|rsv1|binaryFrame, deflated("\x00\xff"))),
		comes("nothing", "RFC 7692 7.2.3.6", textMessage(""), framed(fin|rsv1|text, "\x00")),
		comes("63 KB", "RFC 7692 7.2.2", textMessage(long), framed(fin|rsv1|text, packed)),
		comes("in fragments", "RFC 7692 6.1", textMessage(long), framed(rsv1|text, packed[:1]), framed(continuation, packed[1:20]), framed(fin|continuation, packed[20:])),
		comes("a stored block", "RFC 7692 7.2.3.3", textMessage("hello"), framed(fin|rsv1|text, "\x00\x05\x00\xfa\xffhello\x00")),
		comes("a final block", "RFC 7692 7.2.3.4", textMessage("hello"), framed(fin|rsv1|text, final("hello"))),
		comes("a message that is not", "RFC 7692 6", textMessage("hello"), framed(fin|text, "hello")),
		{"deflate/one by one", "RFC 7692 7.2", exchange{
			send: slices.Concat(framed(fin|rsv1|text, deflated("one")), framed(fin|text, "two"), framed(fin|rsv1|text, deflated("three"))),
			back: []message{textMessage("one"), textMessage("two"), textMessage("three")}, compress: true, bytewise: true,
		}.run},
		breaks("RSV1 of a continuation", "RFC 7692 6.1", breach, framed(rsv1|text, packed[:1]), framed(fin|rsv1|continuation, packed[1:])),
		breaks("RSV1 of a ping", "RFC 7692 6.1", breach, framed(fin|rsv1|ping, "")),
		breaks("RSV2", "RFC 6455 5.2", breach, framed(fin|rsv1|rsv2|text, packed)),
		breaks("what is no deflate", "RFC 7692 6.2", badReason, framed(fin|rsv1|text, "\xff\xff\xff\xff")),
		breaks("text that is not UTF-8", "RFC 6455 8.1", badText, framed(fin|rsv1|text, deflated("\xff"))),
	}
}

// deflated compresses a message: RFC 7692 7.2.1.
func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression) // a level that there is
	_, _ = w.Write([]byte(s))                             // a bytes.Buffer takes all
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// final is deflated with a last block that says it is the last: RFC 7692 7.2.3.4.
func final(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String() + "\x00"
}
