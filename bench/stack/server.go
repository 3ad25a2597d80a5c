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

// startWithin bounds how long a server may take until it answers. It is long
// because machines that run many tests at once are slow; a server usually
// takes two seconds.
const startWithin = 90 * time.Second

// Server is one process of a stack. Its methods are safe for concurrent use;
// those that change its state exclude each other.
type Server struct {
	// Immutable.
	name    string
	dir     string // where its log is written
	command []string
	env     []string
	ready   func(context.Context) error // asked again until it returns nil

	change sync.Mutex // held over every change of state

	mu   sync.Mutex
	proc *process // nil while it is not running
	last *process // the last one started, whether it runs or not
}

// process is one run of a server's command.
type process struct {
	pid  int
	done chan struct{} // closed once it has been waited for

	// Set before done is closed.
	state *os.ProcessState
	err   error
}

// Command says how a server that is none of a Stack's own is run.
type Command struct {
	// Name tells it apart; its output goes to NAME.log in Dir.
	Name, Dir string
	// Args are the program and its arguments.
	Args []string
	// Env is added to this process' environment.
	Env []string
	// Ready is asked again and again until it returns nil.
	Ready func(context.Context) error
}

// NewServer prepares a server that is not part of a Stack. Start runs it in a
// process group of its own, which the kernel ends with this process; whoever
// started it must Kill or Stop it.
func NewServer(c Command) *Server {
	return &Server{name: c.Name, dir: c.Dir, command: c.Args, env: c.Env, ready: c.Ready}
}

// Name tells the server apart in logs, such as "kafka-1".
func (s *Server) Name() string { return s.name }

// LogFile is where the server's output goes, over all its runs.
func (s *Server) LogFile() string { return filepath.Join(s.dir, s.name+".log") }

// PID is the id of the running process, 0 while there is none.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.pid
}

// Start runs the server again after Kill or Stop, at the same address and with
// the same data, and returns once it answers.
func (s *Server) Start(ctx context.Context) error {
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.launch(); err != nil {
		return err
	}
	return s.await(ctx)
}

// Kill ends the server as a crash would (SIGKILL), and returns once it is gone.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL, time.Minute) }

// Stop asks the server to end (SIGTERM), and returns once it has. Where that
// takes longer than 30 s it is killed, which is an error.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM, 30*time.Second) }

// Restart kills the server and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Pause stops the process where it is (SIGSTOP): its connections stay open and
// nothing answers.
func (s *Server) Pause() error { return s.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on (SIGCONT).
func (s *Server) Resume() error { return s.Signal(syscall.SIGCONT) }

// Wait returns how the running process ended, once it has; nil where none was
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

// Ended is how the last process ended; nil while it runs, or where there was
// none.
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

// Signal sends a signal to the process and does not wait for what follows.
func (s *Server) Signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return fmt.Errorf("signal %s: it is not running", s.name)
	}
	// The process leads a group of its own, so the group's id is its own.
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
	_ = syscall.Kill(-proc.pid, syscall.SIGCONT) // a paused process hears no SIGTERM
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

// launch starts the process and does not wait until it answers.
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

// lastLog is the end of the server's output, for errors.
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
