/* The container that holds a pod's namespaces: it waits to be told to go. */
#include <signal.h>
#include <unistd.h>

static void stop(int signal) {
  (void)signal;
  _exit(0);
}

int main(void) {
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  signal(SIGCHLD, SIG_IGN); /* with a shared PID namespace it is init, and nobody else collects the dead */
  for (;;)
    pause();
}
