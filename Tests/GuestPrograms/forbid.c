// Runs a program on a host that forbids something: forbid modify_ldt|seccomp program arguments...
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  // A system call, and a value of its first argument if that matters.
  unsigned number = SYS_modify_ldt, argument = 0, any = 1, error = ENOSYS;
  if (strcmp(argv[1], "seccomp") == 0) number = SYS_prctl, argument = PR_SET_SECCOMP, any = 0, error = EINVAL;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, any ? SECCOMP_RET_ERRNO | error : SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("forbid");
    return 3;
  }
  execv(argv[2], argv + 2);
  perror(argv[2]);
  return 4;
}
