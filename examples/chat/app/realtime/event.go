package realtime

import "time"

// EventType says what happened.
type EventType string

// The types of events. Each lists the fields of Event that it fills beside Type and At.
const (
	Welcome EventType = "welcome" // to a new member only: From and Name are its own; Here
	Joined  EventType = "joined"  // From, Name, Here
	Left    EventType = "left"    // From, Name, Here; Text says why, if there is something to say
	Message EventType = "message" // From, Name, Text
	Refused EventType = "refused" // to one member only: Text says why its message was not taken
)

// Event is what a room tells its members. Its JSON form is what the page reads.
type Event struct {
	Type EventType `json:"type"`
	At   time.Time `json:"at,omitzero"`
	From uint64    `json:"from,omitempty"` // the member's ID
	Name string    `json:"name,omitempty"` // the member's name
	Text string    `json:"text,omitempty"`
	Here int       `json:"here,omitempty"` // how many members the room has now
}
