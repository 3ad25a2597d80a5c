package stack

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

//go:embed libraries
var libraryFiles embed.FS

// JavaLibraries returns a class path with Kafka's clients and Avro. A program in one file is
// run with it as it is: java -cp PATH Program.java.
func JavaLibraries(ctx context.Context) (classPath string, err error) {
	kafka, err := kafkaJars(ctx)
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath("javac"); err != nil {
		return "", &MissingError{What: "javac", Get: "install a Java development kit, version 17 or newer (on Debian: openjdk-17-jdk-headless)"}
	}
	dir, err := libraries("java", "pom.xml", func(dir string, pom []byte) error {
		return maven(ctx, dir, "Apache Avro", pom)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(kafka, "*") + string(os.PathListSeparator) + filepath.Join(dir, "lib", "*"), nil
}

// NodeLibraries returns a folder with the packages of package.json, for NODE_PATH.
func NodeLibraries(ctx context.Context) (modules string, err error) {
	if err := Install(ctx, "nodejs", "npm"); err != nil {
		return "", err
	}
	dir, err := libraries("node", "package-lock.json", func(dir string, _ []byte) error {
		return npmPackages(ctx, dir, libraryFiles, "libraries")
	})
	return filepath.Join(dir, "node_modules"), err
}

// PythonLibraries returns a Python interpreter that has the packages of requirements.txt.
func PythonLibraries(ctx context.Context) (python string, err error) {
	if err := Install(ctx, "python3"); err != nil {
		return "", err
	}
	dir, err := libraries("python", "requirements.txt", func(dir string, list []byte) error {
		const what = "the packages of bench/stack/libraries/requirements.txt"
		file, own := filepath.Join(dir, "requirements.txt"), filepath.Join(dir, "python")
		if err := os.WriteFile(file, list, 0o644); err != nil {
			return fmt.Errorf("write list of packages: %w", err)
		}
		if out, err := exec.CommandContext(ctx, "python3", "-m", "venv", "--clear", own).CombinedOutput(); err != nil {
			return &MissingError{What: what, Get: "install Python's venv (on Debian: python3-venv)", Err: fmt.Errorf("run venv: %w: %s", err, lastLines(out))}
		}
		cmd := exec.CommandContext(ctx, filepath.Join(own, "bin", "python"), "-m", "pip",
			"install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			return &MissingError{What: what, Get: "pip must reach its package index once", Err: fmt.Errorf("run pip: %w: %s", err, lastLines(out))}
		}
		return nil
	})
	return filepath.Join(dir, "python", "bin", "python"), err
}

// libraries returns a folder with what a list names. Another list has another folder.
func libraries(language, list string, fetch func(dir string, list []byte) error) (dir string, err error) {
	content, err := libraryFiles.ReadFile("libraries/" + list)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return fetched(fmt.Sprintf("libraries-%s-%x", language, sum[:6]), func(dir string) error { return fetch(dir, content) })
}

// npmPackages installs what the package.json and the package-lock.json in a folder of files list.
func npmPackages(ctx context.Context, dir string, files embed.FS, folder string) error {
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := files.ReadFile(path.Join(folder, name))
		if err != nil {
			return fmt.Errorf("read list of packages: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write list of packages: %w", err)
		}
	}
	return npm(ctx, dir, "the packages of bench/stack/"+folder+"/package.json")
}

// attempts are how often npm is run: a registry that is out of reach for a while is no reason
// to leave tests out.
const attempts = 3

// npm installs the packages of the package-lock.json in a folder, and runs no script of them.
func npm(ctx context.Context, dir, what string) error {
	var out []byte
	var err error
	for range attempts {
		cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = dir
		if out, err = cmd.CombinedOutput(); err == nil {
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) {
			break
		}
	}
	return &MissingError{What: what, Get: "npm must reach its registry once", Err: fmt.Errorf("run npm: %w: %s", err, lastLines(out))}
}
