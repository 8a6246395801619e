// Package wsdeflate is permessage-deflate (RFC 7692) without a connection: the
// negotiation, and the two directions' windows with pooled compressors and
// decompressors that are borrowed for a message.
//
// Between messages a direction holds its window, the plain text that the next
// message may refer back to, and nothing else; without context takeover it
// holds nothing. What is borrowed costs 40 KiB (to receive), nothing (to send at
// level 1) or 0.3 to 1.4 MiB (to send at other levels); a window costs what the
// program grants it.
package wsdeflate
