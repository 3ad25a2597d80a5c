package stack

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// KafkaVersion is the release of Apache Kafka that stacks run.
const KafkaVersion = "4.3.0"

//go:embed kafka-pom.xml
var kafkaPOM []byte

// kafkaJars returns the directory with Kafka's jars, which it downloads the first
// time (some 50 MB). Processes that download at the same time wait for the first.
func kafkaJars(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", &MissingError{What: "java", Get: "install a Java runtime, version 17 or newer (on Debian: openjdk-17-jre-headless)"}
	}
	dir, err := fetched("kafka-"+KafkaVersion, func(dir string) error {
		return maven(ctx, dir, "Apache Kafka "+KafkaVersion, kafkaPOM)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "lib"), nil
}

// maven downloads the dependencies of a project into the folder lib.
func maven(ctx context.Context, dir, what string, pom []byte) error {
	if _, err := exec.LookPath("mvn"); err != nil {
		return &MissingError{What: what, Get: "install Maven (on Debian: maven), which fetches it"}
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
		return fmt.Errorf("write pom: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(dir, "lib"))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return &MissingError{What: what, Get: "mvn must reach Maven Central once", Err: fmt.Errorf("run mvn: %w: %s", err, lastLines(out))}
	}
	return nil
}
