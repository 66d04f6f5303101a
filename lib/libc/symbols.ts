/**
 * The one table of C symbols, in groups that are loaded when first used: loading costs a
 * fraction of a millisecond a symbol, and most processes need one group.
 */
import { runtime } from "../runtime/mod.ts";
import { errnoCode, messageOf } from "../runtime/errors.ts";
import { CniError } from "../types/error.ts";
import type { Bound, Symbols } from "../runtime/types.ts";

/** Sockets. `sys/socket.h` */
export const sockets = group({
  socket: ["i32", "i32", "i32", "i32"], //                int socket(int domain, int type, int protocol)
  bind: ["i32", "i32", "buffer", "u32"], //               int bind(int fd, const struct sockaddr *, socklen_t)
  setsockopt: ["i32", "i32", "i32", "i32", "buffer", "u32"], // int setsockopt(int fd, int level, int name, const void *, socklen_t)
  sendto: ["i64", "i32", "buffer", "usize", "i32", "buffer", "u32"], // ssize_t sendto(int fd, const void *, size_t, int flags, const struct sockaddr *, socklen_t)
  recvfrom: ["i64", "i32", "buffer", "usize", "i32", "buffer", "buffer"], // ssize_t recvfrom(int fd, void *, size_t, int flags, struct sockaddr *, socklen_t *)
});

/** Messages with descriptors. `sys/socket.h` */
export const messages = group({
  recvmsg: ["i64", "i32", "buffer", "i32"], //            ssize_t recvmsg(int fd, struct msghdr *, int flags)
});

/** Reading from, and writing to, any descriptor. `unistd.h` */
export const transfers = group({
  read: ["i64", "i32", "buffer", "usize"], //             ssize_t read(int fd, void *, size_t)
  write: ["i64", "i32", "buffer", "usize"], //            ssize_t write(int fd, const void *, size_t)
});

/** Writing by another thread. `aio.h` */
export const asyncIo = group({
  aio_write: ["i32", "buffer"], //                        int aio_write(struct aiocb *)
});

/** What memory is needed for. `sys/mman.h` */
export const memoryAdvice = group({
  madvise: ["i32", "u64", "usize", "i32"], //             int madvise(void *, size_t, int advice)
});

/** The C library's memory. Not in musl. `malloc.h` */
export const allocation = group({
  mallopt: ["i32", "i32", "i32"], //                      int mallopt(int parameter, int value)
});

/** Writing to the disk. `unistd.h` */
export const synchronization = group({
  fsync: ["i32", "i32"], //                               int fsync(int fd)
});

/** Who goes first. `sched.h`, `sys/resource.h` */
export const scheduling = group({
  sched_setscheduler: ["i32", "i32", "i32", "buffer"], // int sched_setscheduler(pid_t, int policy, const struct sched_param *)
  getpriority: ["i32", "i32", "u32"], //                  int getpriority(int which, id_t who)
  setpriority: ["i32", "i32", "u32", "i32"], //           int setpriority(int which, id_t who, int priority)
});

/** What the C library says of itself. `unistd.h` */
export const systemConfiguration = group({
  confstr: ["usize", "i32", "buffer", "usize"], //        size_t confstr(int name, char *, size_t)
});

/** Pipes. `fcntl.h` */
export const pipes = group({
  fcntl: ["i32", "i32", "i32", "i32"], //                 int fcntl(int fd, int cmd, int arg)
});

/** Socket options. `sys/socket.h` */
export const socketOptions = group({
  getsockopt: ["i32", "i32", "i32", "i32", "buffer", "buffer"], // int getsockopt(int fd, int level, int name, void *, socklen_t *)
});

/** Waiting for descriptors. `poll.h` */
export const polling = group({
  poll: ["i32", "buffer", "u64", "i32"], //               int poll(struct pollfd *, nfds_t, int timeout)
});

/** Sets of descriptors to wait for. `sys/epoll.h` */
export const epolls = group({
  epoll_create1: ["i32", "i32"], //                       int epoll_create1(int flags)
  epoll_ctl: ["i32", "i32", "i32", "i32", "buffer"], //   int epoll_ctl(int epfd, int op, int fd, struct epoll_event *)
  epoll_wait: ["i32", "i32", "buffer", "i32", "i32"], //  int epoll_wait(int epfd, struct epoll_event *, int maxevents, int timeout)
});

/** Connections. `sys/socket.h` */
export const connections = group({
  connect: ["i32", "i32", "buffer", "u32"], //            int connect(int fd, const struct sockaddr *, socklen_t)
  listen: ["i32", "i32", "i32"], //                       int listen(int fd, int backlog)
  accept4: ["i32", "i32", "buffer", "buffer", "i32"], //  int accept4(int fd, struct sockaddr *, socklen_t *, int flags)
  socketpair: ["i32", "i32", "i32", "i32", "buffer"], //  int socketpair(int domain, int type, int protocol, int fds[2])
});

/** Files without a name. `sys/mman.h` */
export const memoryFiles = group({
  memfd_create: ["i32", "buffer", "u32"], //              int memfd_create(const char *name, unsigned flags)
});

/** Names of files. `unistd.h` */
export const names = group({
  readlink: ["i64", "buffer", "buffer", "usize"], //      ssize_t readlink(const char *path, char *, size_t)
  rmdir: ["i32", "buffer"], //                            int rmdir(const char *path)
});

/** Descriptors. `fcntl.h`, `unistd.h`, `sys/file.h`, `sys/ioctl.h` */
export const descriptors = group({
  open: ["i32", "buffer", "i32", "u32"], //               int open(const char *path, int flags, mode_t mode)
  close: ["i32", "i32"], //                               int close(int fd)
  flock: ["i32", "i32", "i32"], //                        int flock(int fd, int operation)
  ioctl: ["i32", "i32", "u64", "buffer"], //              int ioctl(int fd, unsigned long request, void *)
});

/** ioctl(2) with a number where others take a pointer: `linux/if_tun.h` has such. */
export const numberIoctl = group({
  ioctl: ["i32", "i32", "u64", "u64"], //                 int ioctl(int fd, unsigned long request, unsigned long)
});

/** Becoming another program. `unistd.h` */
export const executions = group({
  execve: ["i32", "buffer", "buffer", "buffer"], //       int execve(const char *path, char *const argv[], char *const envp[])
  dup2: ["i32", "i32", "i32"], //                         int dup2(int oldfd, int newfd)
});

/** Namespaces. `sched.h` */
export const namespaces = group({
  setns: ["i32", "i32", "i32"], //                        int setns(int fd, int nstype)
  unshare: ["i32", "i32"], //                             int unshare(int flags)
});

/** Mounts. `sys/mount.h` */
export const mounts = group({
  mount: ["i32", "buffer", "buffer", "buffer", "u64", "buffer"], // int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
  umount2: ["i32", "buffer", "i32"], //                   int umount2(const char *target, int flags)
});

/** Becoming another program. `unistd.h`, `signal.h` */
export const programs = group({
  execvp: ["i32", "buffer", "buffer"], //                 int execvp(const char *file, char *const argv[])
  signal: ["pointer", "i32", "pointer"], //               sighandler_t signal(int signum, sighandler_t handler)
  sigprocmask: ["i32", "i32", "buffer", "buffer"], //     int sigprocmask(int how, const sigset_t *set, sigset_t *oldset)
});

/** Opens libc for a group of symbols at its first use. */
function group<S extends Symbols>(symbols: S): () => Bound<S> {
  let bound: Bound<S> | undefined;
  return () => bound ??= load(symbols);
}

function load<S extends Symbols>(symbols: S): Bound<S> {
  try {
    return runtime.bind("libc.so.6", symbols);
  } catch (error) {
    const denied = errnoCode(error) === undefined && /allow-ffi/.test(messageOf(error));
    throw CniError.internal(
      denied
        ? "cannot call the C library: this process was started without --allow-ffi, " +
          "which namespaces and netlink need"
        : `cannot load libc.so.6 (${messageOf(error)}): these executables need a glibc system`,
    );
  }
}
