package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// startWithin bounds the time until a server answers. It is long because machines
// that run many tests at once are slow; a server usually takes two seconds.
const startWithin = 90 * time.Second

// Server is one process of a stack. Its methods are safe for concurrent use; those
// that change its state exclude each other.
type Server struct {
	// Immutable.
	name    string
	dir     string // where its log is written
	command []string
	env     []string
	ready   func(context.Context) error // called repeatedly until it returns nil

	change sync.Mutex // held during every change of state

	mu   sync.Mutex
	proc *process // nil while it is not running
	last *process // the last process started, running or not
}

// process is one run of a server's command.
type process struct {
	pid  int
	done chan struct{} // closed once the process has been waited for

	// Set before done is closed.
	state *os.ProcessState
	err   error
}

// Command configures a server that is not part of a Stack.
type Command struct {
	// Name identifies the server; its output goes to NAME.log in Dir.
	Name, Dir string
	// Args are the program and its arguments.
	Args []string
	// Env is added to the environment of this process.
	Env []string
	// Ready is called repeatedly until it returns nil.
	Ready func(context.Context) error
}

// NewServer prepares a server that is not part of a Stack. Start runs it in a
// process group of its own, which the kernel ends when this process dies. The caller
// must Kill or Stop it.
func NewServer(c Command) *Server {
	return &Server{name: c.Name, dir: c.Dir, command: c.Args, env: c.Env, ready: c.Ready}
}

// Name identifies the server in logs, such as "kafka-1".
func (s *Server) Name() string { return s.name }

// LogFile is the file with the server's output, over all its runs.
func (s *Server) LogFile() string { return filepath.Join(s.dir, s.name+".log") }

// PID returns the id of the running process, 0 if there is none.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.pid
}

// Start runs the server, or runs it again after Kill or Stop at the same address and
// with the same data, and returns once it answers.
func (s *Server) Start(ctx context.Context) error {
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.launch(); err != nil {
		return err
	}
	return s.await(ctx)
}

// Kill ends the server like a crash (SIGKILL), and returns once it is gone.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL, time.Minute) }

// Stop asks the server to terminate (SIGTERM), and returns once it has. If that
// takes longer than 30 s the server is killed, which is an error.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM, 30*time.Second) }

// Restart kills the server and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Pause suspends the process (SIGSTOP): its connections stay open and nothing
// answers.
func (s *Server) Pause() error { return s.Signal(syscall.SIGSTOP) }

// Resume continues a paused process (SIGCONT).
func (s *Server) Resume() error { return s.Signal(syscall.SIGCONT) }

// Wait waits for the running process and returns its final state; nil if none was
// running.
func (s *Server) Wait(ctx context.Context) (*os.ProcessState, error) {
	s.mu.Lock()
	proc := s.proc
	s.mu.Unlock()
	if proc == nil {
		return nil, nil
	}
	select {
	case <-proc.done:
		return proc.state, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for %s: %w", s.name, ctx.Err())
	}
}

// Ended returns the final state of the last process, nil while it runs or if there
// was none.
func (s *Server) Ended() *os.ProcessState {
	s.mu.Lock()
	proc := s.last
	s.mu.Unlock()
	if proc == nil {
		return nil
	}
	select {
	case <-proc.done:
		return proc.state
	default:
		return nil
	}
}

// Signal sends a signal to the process and does not wait for its effect.
func (s *Server) Signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return fmt.Errorf("signal %s: it is not running", s.name)
	}
	// The process leads its own group, so the group has the same id.
	if err := syscall.Kill(-s.proc.pid, sig); err != nil {
		return fmt.Errorf("signal %s: %w", s.name, err)
	}
	return nil
}

func (s *Server) end(sig syscall.Signal, within time.Duration) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	proc := s.proc
	s.proc = nil
	s.mu.Unlock()
	if proc == nil {
		return nil
	}
	_ = syscall.Kill(-proc.pid, syscall.SIGCONT) // a paused process does not handle SIGTERM
	_ = syscall.Kill(-proc.pid, sig)             // it may have ended by itself
	select {
	case <-proc.done:
		return nil
	case <-time.After(within):
	}
	_ = syscall.Kill(-proc.pid, syscall.SIGKILL)
	<-proc.done
	return fmt.Errorf("end %s: it took longer than %v", s.name, within)
}

// launch starts the process without waiting until it answers.
func (s *Server) launch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		return fmt.Errorf("start %s: it is running", s.name)
	}
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	proc := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that forked ends, not
		// the process, so the thread must live as long as the server.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		proc.pid = cmd.Process.Pid
		started <- nil
		proc.err = cmd.Wait()
		proc.state = cmd.ProcessState
		close(proc.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.proc, s.last = proc, proc
	return nil
}

// await returns once the running process answers.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	s.mu.Lock()
	proc := s.proc
	s.mu.Unlock()
	if proc == nil {
		return fmt.Errorf("start %s: it is not running", s.name)
	}
	var last error
	for {
		attempt, cancelAttempt := context.WithTimeout(ctx, 5*time.Second)
		err := s.ready(attempt)
		cancelAttempt()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-proc.done:
			return fmt.Errorf("start %s: it ended (%w):\n%s", s.name, errors.Join(proc.err, last), s.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w (%w):\n%s", s.name, ctx.Err(), last, s.lastLog())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// lastLog returns the end of the server's output, for errors.
func (s *Server) lastLog() []byte {
	const most = 4000
	log, err := os.ReadFile(s.LogFile())
	if err != nil {
		return []byte(err.Error())
	}
	if len(log) > most {
		log = log[len(log)-most:]
	}
	return bytes.TrimSpace(log)
}
