//go:build !race

package expr

const slower = 1
