/* Preloaded into a process: counts the calls that change files below a root, and lets the nth one fail or kill.

   Sees what a mock in Python does not: the calls of the engine's own threads. Inert until `faults_arm` is called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, FAIL, FAIL_ON, FAIL_ALL_ON, KILL, SHORT, TORN, STOP }; /* what to do at the nth call; _ON: and from there */
enum { NO_SYNC = 1 };

static char root[PATH_MAX];
static size_t root_length;
static int action, code, flags, report = -1;
static long nth;
static atomic_long count;
static atomic_int armed;

void faults_arm(const char *below, long at, int what, int error, int how, int report_to)
{
    snprintf(root, sizeof root, "%s", below);
    root_length = strlen(root);
    nth = at, action = what, code = error, flags = how, report = report_to;
    atomic_store(&count, 0);
    atomic_store(&armed, 1);
}

long faults_disarm(void)
{
    atomic_store(&armed, 0);
    return atomic_load(&count);
}

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

static void path_at(int folder, const char *name, char *path)
{
    path[0] = 0;
    if (name[0] != '/') {
        if (folder != AT_FDCWD)
            path_of(folder, path);
        else if (!getcwd(path, PATH_MAX))
            return;
        strncat(path, "/", PATH_MAX - 1 - strlen(path));
    }
    strncat(path, name, PATH_MAX - 1 - strlen(path));
}

/* One line a call: its name, its path, and the one that it comes from. */
static void say(const char *name, const char *path, const char *from)
{
    char line[2 * PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\n", name, path, from);
    if (report >= 0)
        (void)!REAL(write)(report, line, length);
}

enum { GO, NO, HALF, HALF_THEN_DIE };

/* What is to become of a call: GO on, NO (errno is set), or write HALF of it. */
static int judge(const char *name, const char *path, const char *from, int is_removal, int is_write)
{
    if (!atomic_load(&armed) || strncmp(path, root, root_length) || (path[root_length] && path[root_length] != '/'))
        return GO;
    long number = atomic_fetch_add(&count, 1) + 1;
    say(name, path, from);
    int is_on = action == FAIL_ALL_ON || (action == FAIL_ON && !is_removal);
    if (action == COUNT || (number != nth && !(is_on && number > nth)))
        return GO;
    if (action == KILL)
        kill(getpid(), SIGKILL), pause();
    if (action == STOP) {
        kill(getpid(), SIGSTOP);
        return GO;
    }
    if (action == SHORT || action == TORN)
        return is_write ? (action == SHORT ? HALF : HALF_THEN_DIE) : GO;
    errno = code;
    return NO;
}

#define BY_PATH(name, folder, path, is_removal)                                 \
    char full[PATH_MAX];                                                        \
    if (atomic_load(&armed)) {                                                  \
        path_at(folder, path, full);                                            \
        if (judge(name, full, "", is_removal, 0) == NO) return -1;              \
    }

#define BY_PATHS(name, from_folder, from, folder, path)                         \
    char full[PATH_MAX], whence[PATH_MAX];                                      \
    if (atomic_load(&armed)) {                                                  \
        path_at(folder, path, full);                                            \
        path_at(from_folder, from, whence);                                     \
        if (judge(name, full, whence, 0, 0) == NO) return -1;                   \
    }

#define BY_FD(name, fd)                                                         \
    char full[PATH_MAX];                                                        \
    if (atomic_load(&armed)) {                                                  \
        path_of(fd, full);                                                      \
        if (judge(name, full, "", 0, 0) == NO) return -1;                           \
    }

#define OPEN(name, at, folder, ...)                                             \
    va_list rest; va_start(rest, how); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    if (how & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC)) { BY_PATH("open", folder, path, 0) } \
    return REAL(name)(__VA_ARGS__, mode);

int open(const char *path, int how, ...) { OPEN(open, 0, AT_FDCWD, path, how) }
int open64(const char *path, int how, ...) { OPEN(open64, 0, AT_FDCWD, path, how) }
int openat(int folder, const char *path, int how, ...) { OPEN(openat, 1, folder, folder, path, how) }
int openat64(int folder, const char *path, int how, ...) { OPEN(openat64, 1, folder, folder, path, how) }

#define WRITES(name, whole, half)                                               \
    char full[PATH_MAX];                                                        \
    if (atomic_load(&armed)) {                                                  \
        path_of(fd, full);                                                      \
        int verdict = judge("write", full, "", 0, 1);                               \
        if (verdict == NO) return -1;                                           \
        if (verdict != GO) {                                                    \
            ssize_t done = half;                                                \
            if (verdict == HALF_THEN_DIE) kill(getpid(), SIGKILL), pause();     \
            return done;                                                        \
        }                                                                       \
    }                                                                           \
    return whole;

#define HALF_OF(size) ((size) > 1 ? (size) / 2 : (size))

ssize_t write(int fd, const void *data, size_t size)
{
    WRITES("write", REAL(write)(fd, data, size), REAL(write)(fd, data, HALF_OF(size)))
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    WRITES("write", REAL(pwrite64)(fd, data, size, at), REAL(pwrite64)(fd, data, HALF_OF(size), at))
}
ssize_t writev(int fd, const struct iovec *parts, int number)
{
    WRITES("write", REAL(writev)(fd, parts, number), REAL(write)(fd, parts->iov_base, HALF_OF(parts->iov_len)))
}
ssize_t sendfile64(int fd, int from, off64_t *at, size_t size)
{
    ssize_t (*sendfile64)(int, int, off64_t *, size_t) = real("sendfile64");
    WRITES("write", sendfile64(fd, from, at, size), sendfile64(fd, from, at, HALF_OF(size)))
}
ssize_t copy_file_range(int from, off64_t *read_at, int fd, off64_t *at, size_t size, unsigned how)
{
    WRITES("write", REAL(copy_file_range)(from, read_at, fd, at, size, how),
           REAL(copy_file_range)(from, read_at, fd, at, HALF_OF(size), how))
}

int ftruncate64(int fd, off64_t size) { BY_FD("truncate", fd) return REAL(ftruncate64)(fd, size); }
int fsync(int fd) { BY_FD("fsync", fd) return flags & NO_SYNC ? 0 : REAL(fsync)(fd); }
int fdatasync(int fd) { BY_FD("fsync", fd) return flags & NO_SYNC ? 0 : REAL(fdatasync)(fd); }
int fchmod(int fd, mode_t mode) { BY_FD("chmod", fd) return REAL(fchmod)(fd, mode); }
int futimens(int fd, const struct timespec t[2]) { BY_FD("utime", fd) return REAL(futimens)(fd, t); }

int chmod(const char *path, mode_t mode) { BY_PATH("chmod", AT_FDCWD, path, 0) return REAL(chmod)(path, mode); }
int fchmodat(int folder, const char *path, mode_t mode, int how)
{
    BY_PATH("chmod", folder, path, 0)
    return REAL(fchmodat)(folder, path, mode, how);
}
int utimensat(int folder, const char *path, const struct timespec t[2], int how)
{
    BY_PATH("utime", folder, path, 0)
    return REAL(utimensat)(folder, path, t, how);
}
int mkdir(const char *path, mode_t mode) { BY_PATH("mkdir", AT_FDCWD, path, 0) return REAL(mkdir)(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode)
{
    BY_PATH("mkdir", folder, path, 0)
    return REAL(mkdirat)(folder, path, mode);
}
int rmdir(const char *path) { BY_PATH("rmdir", AT_FDCWD, path, 1) return REAL(rmdir)(path); }
int unlink(const char *path) { BY_PATH("unlink", AT_FDCWD, path, 1) return REAL(unlink)(path); }
int unlinkat(int folder, const char *path, int how)
{
    BY_PATH(how & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path, 1)
    return REAL(unlinkat)(folder, path, how);
}
int rename(const char *from, const char *to)
{
    BY_PATHS("rename", AT_FDCWD, from, AT_FDCWD, to)
    return REAL(rename)(from, to);
}
int renameat(int from_folder, const char *from, int folder, const char *to)
{
    BY_PATHS("rename", from_folder, from, folder, to)
    return REAL(renameat)(from_folder, from, folder, to);
}
int renameat2(int from_folder, const char *from, int folder, const char *to, unsigned how)
{
    BY_PATHS("rename", from_folder, from, folder, to)
    return REAL(renameat2)(from_folder, from, folder, to, how);
}
int link(const char *from, const char *to)
{
    BY_PATHS("link", AT_FDCWD, from, AT_FDCWD, to)
    return REAL(link)(from, to);
}
int linkat(int from_folder, const char *from, int folder, const char *to, int how)
{
    BY_PATHS("link", from_folder, from, folder, to)
    return REAL(linkat)(from_folder, from, folder, to, how);
}
int symlink(const char *target, const char *to) { BY_PATH("link", AT_FDCWD, to, 0) return REAL(symlink)(target, to); }
