//go:build race

package expr

// slower is how much longer everything takes with the race detector.
const slower = 12
