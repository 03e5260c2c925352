// Dwells before a FIFO is opened until a signal has been handled: between a shell's last look at what it
// has been told, and the call it then sleeps in.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int open(const char *path, int flags, ...) {
  int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  if (strcmp(path, "fifo") == 0 && write(1, "go\n", 3) == 3)
    pause();
  return next(path, flags, mode);
}
