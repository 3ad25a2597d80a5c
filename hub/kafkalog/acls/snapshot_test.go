package acls_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"sluice/hub/kafkalog/acls"
)

// kafkaSays is how Kafka evaluates ACLs, from the documentation of authorization and
// the text of StandardAuthorizer: of all ACLs that match resource, principal, host and
// operation, one that denies decides; else one that allows; else it is denied, because
// none was found.
func kafkaSays(list []acl, principal, host, topic string, operation kmsg.ACLOperation) acls.Verdict {
	verdict := acls.None
	for _, one := range list {
		switch {
		case one.pattern == literal && one.name != topic && one.name != "*",
			one.pattern == prefixed && !strings.HasPrefix(topic, one.name),
			one.principal != principal && one.principal != "User:*",
			one.host != host && one.host != "*",
			!covers(one, operation):
			continue
		case one.permission == deny:
			return acls.Denied
		}
		verdict = acls.Allowed
	}
	return verdict
}

// covers reports whether an ACL is about an operation: "READ, WRITE, DELETE and ALTER
// imply DESCRIBE" if they are allowed, not if they are denied.
func covers(one acl, operation kmsg.ACLOperation) bool {
	if one.operation == all || one.operation == operation {
		return true
	}
	implies := []kmsg.ACLOperation{read, write, kmsg.ACLOperationDelete, kmsg.ACLOperationAlter}
	return operation == describe && one.permission == allow && slices.Contains(implies, one.operation)
}

// expected is what a server in front of Kafka must say: allowed is what Kafka would
// allow from every address, together with DESCRIBE, and denied what it would explicitly
// deny from any.
func expected(list []acl, principal, topic string, operation kmsg.ACLOperation) acls.Verdict {
	hosts := []string{"203.0.113.99"}
	for _, one := range list {
		if one.host != "*" {
			hosts = append(hosts, one.host)
		}
	}
	verdict := acls.Allowed
	for _, host := range hosts {
		for _, needed := range []kmsg.ACLOperation{operation, describe} {
			switch kafkaSays(list, principal, host, topic, needed) {
			case acls.Denied:
				return acls.Denied
			case acls.None:
				verdict = acls.None
			}
		}
	}
	return verdict
}

// TestJudgesLikeKafka compares the verdicts with the rules of Kafka, for any ACLs.
func TestJudgesLikeKafka(t *testing.T) {
	t.Parallel()
	names := []string{"*", "a", "ab", "ab.c", "ab.cd", "b", "b.c"}
	principals := []string{"User:*", "User:alice", "User:bob", "User:alice2", "Group:alice"}
	one := rapid.Custom(func(t *rapid.T) acl {
		return acl{
			pattern:    rapid.SampledFrom([]kmsg.ACLResourcePatternType{literal, prefixed}).Draw(t, "pattern"),
			name:       rapid.SampledFrom(names).Draw(t, "name"),
			principal:  rapid.SampledFrom(principals).Draw(t, "principal"),
			host:       rapid.SampledFrom([]string{"*", "*", "*", "192.0.2.1", "192.0.2.2"}).Draw(t, "host"),
			operation:  kmsg.ACLOperation(rapid.Int8Range(2, 14).Draw(t, "operation")),
			permission: rapid.SampledFrom([]kmsg.ACLPermissionType{allow, allow, allow, deny}).Draw(t, "permission"),
		}
	})
	seen := make(map[acls.Verdict]int)
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(one, 0, 12).Draw(t, "acls")
		made := snapshot(t, list...)
		for _, topic := range []string{"a", "ab", "ab.c", "ab.cd", "b", "c"} {
			for _, principal := range []string{"User:alice", "User:bob", "User:carol"} {
				for operation, asked := range map[kmsg.ACLOperation]acls.Operation{read: acls.Read, write: acls.Write} {
					want := expected(list, principal, topic, operation)
					seen[want]++
					if got := made.Judge(principal, topic, asked); got != want {
						t.Fatalf("%s of %s by %s: %v, want %v", operation, topic, principal, got, want)
					}
					named := slices.ContainsFunc(list, func(one acl) bool {
						return one.pattern == literal && one.name == topic && one.permission == allow && one.host == "*" &&
							(one.principal == principal || one.principal == "User:*") && (one.operation == operation || one.operation == all)
					})
					if got := made.AllowsByName(principal, topic, asked); got != (named && want == acls.Allowed) {
						t.Fatalf("%s of %s by %s: allowed by name is %v", operation, topic, principal, got)
					}
				}
			}
		}
	})
	for _, verdict := range []acls.Verdict{acls.None, acls.Allowed, acls.Denied} {
		if seen[verdict] < 10 {
			t.Errorf("verdict %v was expected only %d times", verdict, seen[verdict])
		}
	}
}

// TestJudge is a table of the rules, one by one.
func TestJudge(t *testing.T) {
	t.Parallel()
	may := func(operation kmsg.ACLOperation) acl {
		return acl{literal, "orders", "User:alice", "*", operation, allow}
	}
	not := func(operation kmsg.ACLOperation) acl {
		return acl{literal, "orders", "User:alice", "*", operation, deny}
	}
	for name, c := range map[string]struct {
		acls        []acl
		read, write acls.Verdict
	}{
		"no ACL":                         {nil, acls.None, acls.None},
		"read":                           {[]acl{may(read)}, acls.Allowed, acls.None},
		"write":                          {[]acl{may(write)}, acls.None, acls.Allowed},
		"all":                            {[]acl{may(all)}, acls.Allowed, acls.Allowed},
		"describe alone gives nothing":   {[]acl{may(describe)}, acls.None, acls.None},
		"deny wins, whichever is first":  {[]acl{may(all), not(read)}, acls.Denied, acls.Allowed},
		"deny wins over what is later":   {[]acl{not(read), may(all)}, acls.Denied, acls.Allowed},
		"deny without allow":             {[]acl{not(write)}, acls.None, acls.Denied},
		"deny all":                       {[]acl{may(read), not(all)}, acls.Denied, acls.Denied},
		"deny describe":                  {[]acl{may(all), not(describe)}, acls.Denied, acls.Denied},
		"deny delete is about no record": {[]acl{may(all), not(kmsg.ACLOperationDelete)}, acls.Allowed, acls.Allowed},
		"deny what is unknown":           {[]acl{may(all), not(99)}, acls.Denied, acls.Denied},
		"an unknown permission":          {[]acl{may(all), {literal, "orders", "User:alice", "*", read, kmsg.ACLPermissionTypeUnknown}}, acls.Denied, acls.Allowed},
		"another user's":                 {[]acl{{literal, "orders", "User:bob", "*", all, allow}}, acls.None, acls.None},
		"another user's deny":            {[]acl{may(all), {literal, "orders", "User:bob", "*", all, deny}}, acls.Allowed, acls.Allowed},
		"another type of principal":      {[]acl{{literal, "orders", "Group:alice", "*", all, allow}}, acls.None, acls.None},
		"another case":                   {[]acl{{literal, "orders", "User:Alice", "*", all, allow}}, acls.None, acls.None},
		"everybody":                      {[]acl{{literal, "orders", "User:*", "*", read, allow}}, acls.Allowed, acls.None},
		"a deny for everybody":           {[]acl{may(all), {literal, "orders", "User:*", "*", read, deny}}, acls.Denied, acls.Allowed},
		"no pattern in a principal":      {[]acl{{literal, "orders", "User:ali*", "*", all, allow}}, acls.None, acls.None},
		"every topic":                    {[]acl{{literal, "*", "User:alice", "*", read, allow}}, acls.Allowed, acls.None},
		"deny on every topic":            {[]acl{may(all), {literal, "*", "User:alice", "*", read, deny}}, acls.Denied, acls.Allowed},
		"a prefix":                       {[]acl{{prefixed, "ord", "User:alice", "*", read, allow}}, acls.Allowed, acls.None},
		"the whole name as a prefix":     {[]acl{{prefixed, "orders", "User:alice", "*", read, allow}}, acls.Allowed, acls.None},
		"a longer prefix":                {[]acl{{prefixed, "orders.", "User:alice", "*", all, allow}}, acls.None, acls.None},
		"deny by a prefix":               {[]acl{may(all), {prefixed, "o", "User:alice", "*", read, deny}}, acls.Denied, acls.Allowed},
		"a literal is no prefix":         {[]acl{{literal, "ord", "User:alice", "*", all, allow}}, acls.None, acls.None},
		"an asterisk as a prefix":        {[]acl{{prefixed, "*", "User:alice", "*", all, allow}}, acls.None, acls.None},
		"allowed from a host":            {[]acl{{literal, "orders", "User:alice", "192.0.2.1", all, allow}}, acls.None, acls.None},
		"denied from a host":             {[]acl{may(all), {literal, "orders", "User:alice", "192.0.2.1", read, deny}}, acls.Denied, acls.Allowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := snapshot(t, c.acls...)
			if got := made.Judge("User:alice", "orders", acls.Read); got != c.read {
				t.Errorf("read: %v, want %v", got, c.read)
			}
			if got := made.Judge("User:alice", "orders", acls.Write); got != c.write {
				t.Errorf("write: %v, want %v", got, c.write)
			}
		})
	}
}

// TestWithoutPrincipal: what everybody is allowed needs a principal, and what everybody
// is denied does not.
func TestWithoutPrincipal(t *testing.T) {
	t.Parallel()
	made := snapshot(t,
		acl{literal, "orders", "User:*", "*", all, allow},
		acl{literal, "orders", "", "*", all, allow},
		acl{literal, "orders", "User:*", "*", write, deny})
	if got := made.Judge("", "orders", acls.Read); got != acls.None {
		t.Errorf("read: %v", got)
	}
	if got := made.Judge("", "orders", acls.Write); got != acls.Denied {
		t.Errorf("write: %v", got)
	}
	if got := made.Judge("User:alice", "orders", 0); got != acls.Denied {
		t.Errorf("an unknown operation: %v", got)
	}
}

func BenchmarkJudge(b *testing.B) {
	var list []acl
	for _, prefix := range []string{"o", "or", "order", "orders.", "x", "xy"} {
		list = append(list, acl{prefixed, prefix, "User:alice", "*", read, allow})
	}
	made := snapshot(b, append(list, acl{literal, "orders", "User:alice", "*", read, allow})...)
	for b.Loop() {
		if made.Judge("User:alice", "orders", acls.Read) != acls.Allowed {
			b.Fatal()
		}
	}
}
