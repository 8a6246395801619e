package lazywebsocket

import (
	"compress/flate"
	"fmt"
)

// EnableWriteCompression switches compression of the messages that follow on or
// off. Where compression was not negotiated it does nothing.
func (c *Conn) EnableWriteCompression(enable bool) { _ = enable }

// SetCompressionLevel sets the level for the messages that follow, from -2
// (Huffman only) to 9 (compress/flate's levels). Another level is an *OpError.
// Where compression was not negotiated it does nothing else.
func (c *Conn) SetCompressionLevel(level int) error {
	if level < flate.HuffmanOnly || level > flate.BestCompression {
		return &OpError{Op: "set compression level", Err: fmt.Errorf("level %d is not in -2 to 9", level)}
	}
	return nil
}
