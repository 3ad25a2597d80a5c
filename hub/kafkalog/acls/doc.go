// Package acls reads the access control lists that a Kafka cluster keeps for its
// topics, and judges by them as the cluster itself would.
//
// A [Reader] asks one cluster for all ACLs of topics (DescribeAcls, KIP-140), again
// and again, and holds the newest answer as a [Snapshot]. A snapshot never changes.
// It answers as org.apache.kafka.metadata.authorizer.StandardAuthorizer does: a deny
// wins over every allow; a topic's ACLs are those of its name, of `*`, and of the
// prefixes of its name (KIP-290); an ACL for `User:*` is for everybody; READ and WRITE
// imply DESCRIBE. It differs where a server in front of Kafka must:
//
//   - Hosts. Kafka compares an ACL's host with the address of its client, which is the
//     server in front. An allow counts only for the host `*`, and a deny counts
//     whichever host it names.
//   - DESCRIBE. A client of Kafka that is denied DESCRIBE cannot find the topic. Such a
//     deny is one of reading and of writing here.
//   - Without ACLs nothing is allowed: allow.everyone.if.no.acl.found is not assumed.
//   - super.users are in the brokers' configuration and not among the ACLs.
//
// As long as a cluster has never been read, everything is denied in it, because a deny
// may exist. If a cluster could not be read for Config.MaxAge, nothing is allowed any
// more, and the denies that were read last stay in force.
//
// Reader.Run starts no goroutine.
//
// # Files
//
// A file uses the files listed after it.
//
//	reader.go    Config, Reader: when the cluster is asked
//	describe.go  Asker, the request and its answer
//	snapshot.go  Snapshot: the rules of evaluation
package acls
