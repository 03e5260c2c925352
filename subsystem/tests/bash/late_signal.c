/* Preloaded into bash: a copy of the shell gets SIGINT right when it has installed its handler for
 * the time of a wait, and before it knows what was there before. A moment of a few instructions. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int sigaction(int number, const struct sigaction *act, struct sigaction *old) {
  static int (*real)(int, const struct sigaction *, struct sigaction *);
  static int done;
  sigset_t blocked;
  if (!real)
    real = dlsym(RTLD_NEXT, "sigaction");
  int result = real(number, act, old);
  if (number != SIGINT || !act || act->sa_handler == SIG_DFL || act->sa_handler == SIG_IGN)
    return result;
  /* bash waits with SIGCHLD blocked. */
  sigprocmask(SIG_BLOCK, NULL, &blocked);
  if (!done && sigismember(&blocked, SIGCHLD) && getppid() == getsid(0) && getenv("LATE_SIGNAL")) {
    done = 1;
    (void)!write(2, "go\n", 3);
    raise(SIGINT);
  }
  return result;
}
