//go:build !unix

package terminal

import "context"

// Gone waits for the end of the context: whether somebody reads a pipe is only known by writing
// to it.
func Gone(ctx context.Context, _ any) bool {
	<-ctx.Done()
	return false
}
