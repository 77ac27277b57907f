/* The names of Linux's i386 system calls (arch/x86/entry/syscalls/syscall_32.tbl), for messages. One string, its parts
   in the order of the numbers; a missing number has an empty part. */
#include "kernel.h"

static const char names[] =
    "restart_syscall\0exit\0fork\0read\0write\0open\0close\0waitpid\0creat\0link\0unlink\0execve\0chdir\0"
    "time\0mknod\0chmod\0lchown\0break\0oldstat\0lseek\0getpid\0mount\0umount\0setuid\0getuid\0stime\0"
    "ptrace\0alarm\0oldfstat\0pause\0utime\0stty\0gtty\0access\0nice\0ftime\0sync\0kill\0rename\0mkdir\0"
    "rmdir\0dup\0pipe\0times\0prof\0brk\0setgid\0getgid\0signal\0geteuid\0getegid\0acct\0umount2\0lock\0"
    "ioctl\0fcntl\0mpx\0setpgid\0ulimit\0oldolduname\0umask\0chroot\0ustat\0dup2\0getppid\0getpgrp\0setsid\0"
    "sigaction\0sgetmask\0ssetmask\0setreuid\0setregid\0sigsuspend\0sigpending\0sethostname\0setrlimit\0"
    "getrlimit\0getrusage\0gettimeofday\0settimeofday\0getgroups\0setgroups\0select\0symlink\0oldlstat\0"
    "readlink\0uselib\0swapon\0reboot\0readdir\0mmap\0munmap\0truncate\0ftruncate\0fchmod\0fchown\0"
    "getpriority\0setpriority\0profil\0statfs\0fstatfs\0ioperm\0socketcall\0syslog\0setitimer\0getitimer\0"
    "stat\0lstat\0fstat\0olduname\0iopl\0vhangup\0idle\0vm86old\0wait4\0swapoff\0sysinfo\0ipc\0fsync\0"
    "sigreturn\0clone\0setdomainname\0uname\0modify_ldt\0adjtimex\0mprotect\0sigprocmask\0create_module\0"
    "init_module\0delete_module\0get_kernel_syms\0quotactl\0getpgid\0fchdir\0bdflush\0sysfs\0personality\0"
    "afs_syscall\0setfsuid\0setfsgid\0_llseek\0getdents\0_newselect\0flock\0msync\0readv\0writev\0getsid\0"
    "fdatasync\0_sysctl\0mlock\0munlock\0mlockall\0munlockall\0sched_setparam\0sched_getparam\0"
    "sched_setscheduler\0sched_getscheduler\0sched_yield\0sched_get_priority_max\0sched_get_priority_min\0"
    "sched_rr_get_interval\0nanosleep\0mremap\0setresuid\0getresuid\0vm86\0query_module\0poll\0nfsservctl\0"
    "setresgid\0getresgid\0prctl\0rt_sigreturn\0rt_sigaction\0rt_sigprocmask\0rt_sigpending\0"
    "rt_sigtimedwait\0rt_sigqueueinfo\0rt_sigsuspend\0pread64\0pwrite64\0chown\0getcwd\0capget\0capset\0"
    "sigaltstack\0sendfile\0getpmsg\0putpmsg\0vfork\0ugetrlimit\0mmap2\0truncate64\0ftruncate64\0stat64\0"
    "lstat64\0fstat64\0lchown32\0getuid32\0getgid32\0geteuid32\0getegid32\0setreuid32\0setregid32\0"
    "getgroups32\0setgroups32\0fchown32\0setresuid32\0getresuid32\0setresgid32\0getresgid32\0chown32\0"
    "setuid32\0setgid32\0setfsuid32\0setfsgid32\0pivot_root\0mincore\0madvise\0getdents64\0fcntl64\0\0\0"
    "gettid\0readahead\0setxattr\0lsetxattr\0fsetxattr\0getxattr\0lgetxattr\0fgetxattr\0listxattr\0"
    "llistxattr\0flistxattr\0removexattr\0lremovexattr\0fremovexattr\0tkill\0sendfile64\0futex\0"
    "sched_setaffinity\0sched_getaffinity\0set_thread_area\0get_thread_area\0io_setup\0io_destroy\0"
    "io_getevents\0io_submit\0io_cancel\0fadvise64\0\0exit_group\0lookup_dcookie\0epoll_create\0epoll_ctl\0"
    "epoll_wait\0remap_file_pages\0set_tid_address\0timer_create\0timer_settime\0timer_gettime\0"
    "timer_getoverrun\0timer_delete\0clock_settime\0clock_gettime\0clock_getres\0clock_nanosleep\0statfs64\0"
    "fstatfs64\0tgkill\0utimes\0fadvise64_64\0vserver\0mbind\0get_mempolicy\0set_mempolicy\0mq_open\0"
    "mq_unlink\0mq_timedsend\0mq_timedreceive\0mq_notify\0mq_getsetattr\0kexec_load\0waitid\0\0add_key\0"
    "request_key\0keyctl\0ioprio_set\0ioprio_get\0inotify_init\0inotify_add_watch\0inotify_rm_watch\0"
    "migrate_pages\0openat\0mkdirat\0mknodat\0fchownat\0futimesat\0fstatat64\0unlinkat\0renameat\0linkat\0"
    "symlinkat\0readlinkat\0fchmodat\0faccessat\0pselect6\0ppoll\0unshare\0set_robust_list\0"
    "get_robust_list\0splice\0sync_file_range\0tee\0vmsplice\0move_pages\0getcpu\0epoll_pwait\0utimensat\0"
    "signalfd\0timerfd_create\0eventfd\0fallocate\0timerfd_settime\0timerfd_gettime\0signalfd4\0eventfd2\0"
    "epoll_create1\0dup3\0pipe2\0inotify_init1\0preadv\0pwritev\0rt_tgsigqueueinfo\0perf_event_open\0"
    "recvmmsg\0fanotify_init\0fanotify_mark\0prlimit64\0name_to_handle_at\0open_by_handle_at\0"
    "clock_adjtime\0syncfs\0sendmmsg\0setns\0process_vm_readv\0process_vm_writev\0kcmp\0finit_module\0"
    "sched_setattr\0sched_getattr\0renameat2\0seccomp\0getrandom\0memfd_create\0bpf\0execveat\0socket\0"
    "socketpair\0bind\0connect\0listen\0accept4\0getsockopt\0setsockopt\0getsockname\0getpeername\0sendto\0"
    "sendmsg\0recvfrom\0recvmsg\0shutdown\0userfaultfd\0membarrier\0mlock2\0copy_file_range\0preadv2\0"
    "pwritev2\0pkey_mprotect\0pkey_alloc\0pkey_free\0statx\0arch_prctl\0io_pgetevents\0rseq\0\0\0\0\0\0\0"
    "semget\0semctl\0shmget\0shmctl\0shmat\0shmdt\0msgget\0msgsnd\0msgrcv\0msgctl\0clock_gettime64\0"
    "clock_settime64\0clock_adjtime64\0clock_getres_time64\0clock_nanosleep_time64\0timer_gettime64\0"
    "timer_settime64\0timerfd_gettime64\0timerfd_settime64\0utimensat_time64\0pselect6_time64\0"
    "ppoll_time64\0\0io_pgetevents_time64\0recvmmsg_time64\0mq_timedsend_time64\0mq_timedreceive_time64\0"
    "semtimedop_time64\0rt_sigtimedwait_time64\0futex_time64\0sched_rr_get_interval_time64\0"
    "pidfd_send_signal\0io_uring_setup\0io_uring_enter\0io_uring_register\0open_tree\0move_mount\0fsopen\0"
    "fsconfig\0fsmount\0fspick\0pidfd_open\0clone3\0close_range\0openat2\0pidfd_getfd\0faccessat2\0"
    "process_madvise\0epoll_pwait2\0mount_setattr\0quotactl_fd\0landlock_create_ruleset\0landlock_add_rule\0"
    "landlock_restrict_self\0memfd_secret\0process_mrelease\0futex_waitv\0set_mempolicy_home_node\0";

const char *call_name(u32 number) {
  const char *name = names;
  for (u32 i = 0; name < names + sizeof names - 1; i++) {
    if (i == number) return *name ? name : 0;
    name += length_of(name) + 1;
  }
  return 0;
}
