package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/auth"
)

// TestSharedTopicProperty: two templates are told to make the same topic for two tenants
// if and only if trying all short ids finds such a topic.
func TestSharedTopicProperty(t *testing.T) {
	t.Parallel()
	// As long as what surrounds the ids below, and one more.
	var ids, longest []string
	for longest = []string{""}; len(longest[0]) < 7; {
		var longer []string
		for _, id := range longest {
			for _, letter := range []string{"a", "b", "-"} {
				longer = append(longer, id+letter)
			}
		}
		ids, longest = append(ids, longer...), longer
	}
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[ab.\-]{0,3}`)
		template := func(name string) string {
			return part.Draw(t, name) + auth.TenantPlaceholder + part.Draw(t, name)
		}
		one, other := template("one"), template("other")
		if rapid.IntRange(0, 4).Draw(t, "fixed") == 0 {
			other = rapid.StringMatching(`[ab.\-]{1,6}`).Draw(t, "topic")
		}
		made := make(map[string]string)
		for _, id := range ids {
			made[strings.ReplaceAll(one, auth.TenantPlaceholder, id)] = id
		}
		found := ""
		if !strings.Contains(other, auth.TenantPlaceholder) {
			if _, ok := made[other]; ok {
				found = other
			}
		} else {
			for _, id := range ids {
				topic := strings.ReplaceAll(other, auth.TenantPlaceholder, id)
				if of, ok := made[topic]; ok && of != id {
					found = topic
				}
			}
		}
		if got := sharedTopic(one, other); (got == "") != (found == "") {
			t.Fatalf("%s and %s: got %q, and trying finds %q", one, other, got, found)
		}
	})
}
