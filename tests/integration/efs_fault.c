/* For LD_PRELOAD: lets the file calls of a command fail as a broken or full file system would. FAULT_CALL
 * names the call (pwrite, pread, fsync, realpath), FAULT_AFTER how many go well, FAULT_ERRNO what the others fail
 * with. Only calls on seed files count, or what has such a name; with FAULT_DIRECT only those by a descriptor with O_DIRECT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static int fails_on(const char* call, const char* path) {
  const char* const wanted = getenv("FAULT_CALL");
  if (wanted == NULL || strcmp(wanted, call) != 0 || strstr(path, "moodle-efs-seed-0") == NULL) {
    return 0;
  }
  if (atomic_fetch_add(&calls, 1) < atol(getenv("FAULT_AFTER"))) {
    return 0;
  }
  errno = atoi(getenv("FAULT_ERRNO"));
  return 1;
}

static int fails(const char* call, int fd) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0 || (getenv("FAULT_DIRECT") != NULL && (fcntl(fd, F_GETFL) & O_DIRECT) == 0)) {
    return 0;
  }
  path[length] = '\0';
  return fails_on(call, path);
}

ssize_t pwrite(int fd, const void* bytes, size_t length, off_t offset) {
  ssize_t (*real)(int, const void*, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
  return fails("pwrite", fd) ? -1 : real(fd, bytes, length, offset);
}

ssize_t pread(int fd, void* bytes, size_t length, off_t offset) {
  ssize_t (*real)(int, void*, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
  return fails("pread", fd) ? -1 : real(fd, bytes, length, offset);
}

int fsync(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
  return fails("fsync", fd) ? -1 : real(fd);
}

char* realpath(const char* path, char* resolved) {
  char* (*real)(const char*, char*) = dlsym(RTLD_NEXT, "realpath");
  return fails_on("realpath", path) ? NULL : real(path, resolved);
}
