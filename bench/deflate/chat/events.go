package chat

// The events as they go over the wire, one JSON object each.

type author struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Avatar string `json:"avatar,omitempty"`
}

type attachment struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int    `json:"size"`
	URL    string `json:"url"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
}

type preview struct {
	URL         string `json:"url"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Image       string `json:"image,omitempty"`
}

type message struct {
	Type        string       `json:"type"`
	ID          string       `json:"id"`
	Room        string       `json:"room"`
	Seq         int          `json:"seq"`
	TS          string       `json:"ts"`
	Author      author       `json:"author"`
	Thread      *threadRef   `json:"thread,omitempty"`
	Body        string       `json:"body"`
	Mentions    []string     `json:"mentions,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
	Preview     *preview     `json:"preview,omitempty"`
	Nonce       string       `json:"nonce,omitempty"`
}

type threadRef struct {
	Root         string   `json:"root"`
	Replies      int      `json:"replies"`
	Participants []string `json:"participants"`
}

type edit struct {
	Type     string `json:"type"`
	Room     string `json:"room"`
	Target   string `json:"target"`
	EditedAt string `json:"edited_at"`
	Editor   string `json:"editor"`
	Body     string `json:"body"`
	Revision int    `json:"revision"`
}

type reaction struct {
	Type   string `json:"type"`
	Room   string `json:"room"`
	Target string `json:"target"`
	User   string `json:"user"`
	Emoji  string `json:"emoji"`
	Count  int    `json:"count"`
	TS     string `json:"ts"`
}

type typing struct {
	Type    string `json:"type"`
	Room    string `json:"room"`
	User    string `json:"user"`
	Name    string `json:"name"`
	Expires int64  `json:"expires"`
}

type presence struct {
	Type     string `json:"type"`
	User     author `json:"user"`
	Status   string `json:"status"`
	Device   string `json:"device"`
	LastSeen string `json:"last_seen"`
	Text     string `json:"text,omitempty"`
}

type receipt struct {
	Type   string `json:"type"`
	Room   string `json:"room"`
	User   string `json:"user"`
	ReadTo string `json:"read_to"`
	Seq    int    `json:"seq"`
	TS     string `json:"ts"`
}
