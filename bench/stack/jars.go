package stack

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
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
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	dir := filepath.Join(cache, "sluice", "kafka-"+KafkaVersion)
	lib, complete := filepath.Join(dir, "lib"), filepath.Join(dir, "complete")
	if exists(complete) {
		return lib, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(complete) {
		return lib, nil
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", &MissingError{What: "Apache Kafka " + KafkaVersion, Get: "install Maven (on Debian: maven), which fetches it"}
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), kafkaPOM, 0o644); err != nil {
		return "", fmt.Errorf("write pom: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+lib)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &MissingError{
			What: "Apache Kafka " + KafkaVersion,
			Get:  "mvn must reach Maven Central once",
			Err:  fmt.Errorf("run mvn: %w: %s", err, lastLines(out)),
		}
	}
	if err := os.WriteFile(complete, nil, 0o644); err != nil {
		return "", fmt.Errorf("mark cache folder: %w", err)
	}
	return lib, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, os.ErrNotExist)
}

// lockFile takes a lock between processes, which the kernel releases when this
// process dies.
func lockFile(name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock cache folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock cache folder: %w", err)
	}
	return func() { file.Close() }, nil
}
