package lazyroutes

import (
	"context"
	"log/slog"
)

type loggerKey struct{}

// WithLogger returns a copy of ctx that carries a logger. It is the one of the
// router when given to [New], and the one of a request when middleware puts it
// into the context of that request, with the request's id for example. A nil
// logger stands for slog.Default.
func WithLogger(ctx context.Context, logger *slog.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, logger)
}

// Logger returns the logger that ctx carries, in an action that of
// r.Context(), otherwise slog.Default as it is now. It is never nil.
func Logger(ctx context.Context) *slog.Logger {
	if logger, _ := ctx.Value(loggerKey{}).(*slog.Logger); logger != nil {
		return logger
	}
	return slog.Default()
}
