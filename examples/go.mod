module golazy.dev/examples

go 1.25.0
