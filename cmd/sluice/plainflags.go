package main

import (
	"regexp"
	"strings"
	"sync"

	"github.com/spf13/cobra"
)

// registerPlain makes the function for templates of help known, which the library keeps for the
// whole process.
var registerPlain = sync.OnceFunc(func() { cobra.AddTemplateFunc("plainFlags", plain) })

// plainFlags has the help of all commands show switches as --json, and not as --json[=true|false].
func plainFlags(root *cobra.Command) {
	registerPlain()
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages |", "FlagUsages | plainFlags |"))
}

const choice = "[=true|false]"

// columns is a line of a list of flags: the flag, the space behind it, and its usage.
var columns = regexp.MustCompile(`^( +(?:-\S, )?--\S+(?: \S+)?)( {2,})(\S.*)$`)

// plain returns a list of flags without the choices of switches, in columns as narrow as can be.
func plain(list string) string {
	lines := strings.Split(strings.ReplaceAll(list, choice, strings.Repeat(" ", len(choice))), "\n")
	narrowest := len(list)
	for _, line := range lines {
		if parts := columns.FindStringSubmatch(line); parts != nil {
			narrowest = min(narrowest, len(parts[2]))
		}
	}
	for i, line := range lines {
		if parts := columns.FindStringSubmatch(line); parts != nil {
			lines[i] = parts[1] + parts[2][narrowest-min(3, narrowest):] + parts[3]
		}
	}
	return strings.Join(lines, "\n")
}
