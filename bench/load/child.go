package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// childPatience bounds how long a child may take to answer, and to exit.
const childPatience = 3 * time.Minute

// maxLine bounds a line between processes.
const maxLine = 16 << 20

// command is a request of the main process to a child: a JSON object on a line. Each
// has one answer, also a line.
type command struct {
	// Do is the name of the request; each role supports some.
	Do      string      `json:"do"`
	Open    *openJob    `json:"open,omitempty"`
	Write   *writeJob   `json:"write,omitempty"`
	Floor   *floorJob   `json:"floor,omitempty"`
	Publish *publishJob `json:"publish,omitempty"`
	Bridge  *bridgeJob  `json:"bridge,omitempty"`
	Bare    *bareJob    `json:"bare,omitempty"`
	Kernel  *kernelJob  `json:"kernel,omitempty"`
	Window  window      `json:"window"`
	// Rate is the rate in records per second; 0 means the rate of the open command.
	Rate int `json:"rate,omitempty"`
	// Histogram requests a histogram in the report.
	Histogram bool `json:"histogram,omitempty"`
	// Records is how many records the floor waits for before it reports.
	Records int64 `json:"records,omitempty"`
}

// answer is the result of the command, or why it failed.
type answer struct {
	Fault   string         `json:"fault,omitempty"`
	Opened  *openReport    `json:"opened,omitempty"`
	Clients *clientsReport `json:"clients,omitempty"`
	Written *writeReport   `json:"written,omitempty"`
	Floor   *floorReport   `json:"floor,omitempty"`
	Bridge  *bridgeReport  `json:"bridge,omitempty"`
	Bare    *bareReport    `json:"bare,omitempty"`
	Kernel  *kernelReport  `json:"kernel,omitempty"`
}

var errChild = errors.New("child process failed")

// child is a process of this program in another role.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan []byte
}

// startChild starts a child. It exits when its standard input ends, and is killed
// when its parent dies.
func startChild(ctx context.Context, role string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, role)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start child: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start child: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start child: %w", err)
	}
	c := &child{cmd: cmd, in: in, answers: make(chan []byte, 1)}
	go func() {
		defer close(c.answers)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			c.answers <- append([]byte(nil), lines.Bytes()...)
		}
	}()
	return c, nil
}

// ask sends a command and waits for its answer.
func (c *child) ask(ctx context.Context, cmd command) (answer, error) {
	line, err := json.Marshal(cmd)
	if err != nil {
		return answer{}, fmt.Errorf("ask child: %w", err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return answer{}, fmt.Errorf("ask child: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, childPatience)
	defer cancel()
	select {
	case <-ctx.Done():
		return answer{}, fmt.Errorf("ask child to %s: %w", cmd.Do, ctx.Err())
	case line, ok := <-c.answers:
		var got answer
		if !ok {
			return got, fmt.Errorf("ask child to %s: %w", cmd.Do, errChild)
		}
		if err := json.Unmarshal(line, &got); err != nil {
			return got, fmt.Errorf("ask child to %s: %w", cmd.Do, err)
		}
		if got.Fault != "" {
			return got, fmt.Errorf("ask child to %s: %w: %s", cmd.Do, errChild, got.Fault)
		}
		return got, nil
	}
}

// stop ends the child and waits for it.
func (c *child) stop() {
	_ = c.in.Close()
	kill := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	for range c.answers { // Discard late answers.
	}
	_ = c.cmd.Wait()
}

// answerCommands is the child's side: it calls do with each command and writes the
// answer, until the input ends.
func answerCommands(in io.Reader, out io.Writer, do func(command) (answer, error)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var cmd command
		if err := json.Unmarshal(lines.Bytes(), &cmd); err != nil {
			return fmt.Errorf("read command: %w", err)
		}
		got, err := do(cmd)
		if err != nil {
			got.Fault = err.Error()
		}
		if err := encoder.Encode(got); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
	return lines.Err()
}
