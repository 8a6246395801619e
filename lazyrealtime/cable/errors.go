package cable

// SyntaxError says that a text is not of this grammar. The texts of its reasons
// are fixed: nothing that a client sent is repeated in them.
type SyntaxError struct {
	Reason string
}

// Error returns the reason, with the package's name.
func (e *SyntaxError) Error() string { return "cable: " + e.Reason }

func syntaxError(reason string) error { return &SyntaxError{Reason: reason} }
