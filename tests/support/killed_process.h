// A process that is killed at a chosen system call, so that a test can try all of them.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>

namespace adaround::testing {

// Whether this process may trace its children, which some containers forbid.
inline bool CanTrace() {
  const pid_t child = fork();
  if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Runs `action` in a process of its own and kills it as it enters or leaves its `stop`-th system
// call, 0 being the first entry. False: it has ended by itself before.
// REQUIRES: CanTrace(), and no other thread in this process.
template <typename Action>
bool KilledAtSystemCall(int stop, const Action& action) {
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    try {
      action();
    } catch (const std::exception&) {
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  constexpr int kSystemCall = SIGTRAP | 0x80;  // as PTRACE_O_TRACESYSGOOD marks it
  for (int i = 0; i <= stop && WIFSTOPPED(status); ++i) {
    ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    waitpid(child, &status, 0);
    if (WIFSTOPPED(status) && WSTOPSIG(status) != kSystemCall) break;
  }
  if (WIFSTOPPED(status)) {
    const int signal = WSTOPSIG(status);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    EXPECT_EQ(signal, kSystemCall) << "the process met a signal of its own";
    return signal == kSystemCall;
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  return false;
}

}  // namespace adaround::testing
