module golazy.dev

go 1.25.0
