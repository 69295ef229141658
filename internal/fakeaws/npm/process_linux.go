package npm

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the child into a process group of its own, and lets the kernel kill it when the test process dies
// without its clean-ups (a panic, a time limit).
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
