// Package layout holds the tests that keep the repository in shape: which
// package may import which, and what stands at the top level.
package layout
