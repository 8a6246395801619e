package cable

import "strconv"

// The frames below are for extended clients only: a base client would hand them
// to the application as messages.

// AppendJoin appends the event that id has come. The info is a JSON text that
// CheckMessage accepts; empty is sent as null.
func AppendJoin(dst []byte, identifier, id string, info []byte) []byte {
	dst = appendPresenceOf(dst, identifier, "join")
	dst = append(dst, `,"id":`...)
	dst = appendQuoted(dst, id)
	dst = appendInfo(dst, info)
	return append(dst, `}}`...)
}

// AppendLeave appends the event that id has gone.
func AppendLeave(dst []byte, identifier, id string) []byte {
	dst = appendPresenceOf(dst, identifier, "leave")
	dst = append(dst, `,"id":`...)
	dst = appendQuoted(dst, id)
	return append(dst, `}}`...)
}

// AppendPresence appends the answer to the command "presence": how many are
// there and, withRecords, who. The records' Info is a JSON text that
// CheckMessage accepts; empty is sent as null.
func AppendPresence(dst []byte, identifier string, total int, records []Presence, withRecords bool) []byte {
	dst = appendPresenceOf(dst, identifier, "info")
	dst = append(dst, `,"total":`...)
	dst = strconv.AppendInt(dst, int64(total), 10)
	if withRecords {
		dst = append(dst, `,"records":[`...)
		for i := range records {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"id":`...)
			dst = appendQuoted(dst, records[i].ID)
			dst = appendInfo(dst, records[i].Info)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, `}}`...)
}

// AppendPresenceError appends the answer to the command "presence" when there
// is none to give.
func AppendPresenceError(dst []byte, identifier string) []byte {
	dst = appendPresenceOf(dst, identifier, "error")
	return append(dst, `}}`...)
}

// appendPresenceOf leaves the frame and the message in it open.
func appendPresenceOf(dst []byte, identifier, kind string) []byte {
	dst = append(dst, `{"type":"presence","identifier":`...)
	dst = appendQuoted(dst, identifier)
	dst = append(dst, `,"message":{"type":`...)
	return appendQuoted(dst, kind)
}

func appendInfo(dst, info []byte) []byte {
	dst = append(dst, `,"info":`...)
	if len(info) == 0 {
		return append(dst, `null`...)
	}
	return append(dst, info...)
}
