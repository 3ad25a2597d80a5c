// Package layout has tests of the structure of the repository: which package may
// import which, and what the top-level directory contains.
package layout
